-- Months of a device for reports: days of a zone from hours, and where registers stood.

CREATE OR REPLACE FUNCTION telemetry.register_level(dataset text, device_id text, moment timestamptz)
RETURNS bigint
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_day telemetry.settled_day;
    v_since timestamptz;
    v_hourly_since timestamptz := (SELECT h.hourly_since FROM telemetry.horizon AS h);
    v_energy_mwh numeric;
    v_others_mwh numeric;
BEGIN
    -- the anchor: how the last day that ended by then did
    SELECT d.* INTO v_day
    FROM telemetry.settled_day AS d
    WHERE d.dataset = register_level.dataset
        AND d.device_id = register_level.device_id
        AND d.day < telemetry.utc_day(register_level.moment)
    ORDER BY d.day DESC
    LIMIT 1;
    IF v_day.level_mwh IS NULL OR v_day.kind = 'session_counter' THEN
        RETURN NULL;
    END IF;
    v_since := telemetry.day_start(v_day.day + 1);
    IF v_since < moment THEN
        v_energy_mwh := CASE
            WHEN dataset = 'meter_reading' THEN (
                SELECT e.energy_mwh FROM telemetry.meter_energy(device_id, v_since, moment, v_hourly_since) AS e
            )
            ELSE (
                SELECT e.energy_mwh FROM telemetry.vehicle_energy(device_id, v_since, moment, v_hourly_since) AS e
            )
        END;
        v_others_mwh := (
            SELECT r.explained_mwh - r.corrected_mwh
            FROM telemetry.register_changes(dataset, device_id, v_since, moment) AS r
        );
    END IF;
    RETURN (
        v_day.level_mwh + v_day.differences_mwh + v_day.carried_mwh
        + coalesce(v_energy_mwh, 0) + coalesce(v_others_mwh, 0)
    )::bigint;
END;
$$;

CREATE OR REPLACE FUNCTION telemetry.register_changes(
    dataset text,
    device_id text,
    since timestamptz,
    until timestamptz
)
RETURNS TABLE (explained_mwh numeric, corrected_mwh numeric)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        coalesce((
            SELECT sum(v.explained_mwh)
            FROM telemetry.register_event AS v
            WHERE v.dataset = register_changes.dataset AND v.device_id = register_changes.device_id
                AND v.happened_at >= register_changes.since AND v.happened_at < register_changes.until
        ), 0),
        coalesce((
            SELECT sum(b.energy_mwh)
            FROM telemetry.booked_hour AS b
            WHERE b.dataset = register_changes.dataset AND b.device_id = register_changes.device_id
                AND b.hour >= register_changes.since AND b.hour < register_changes.until
        ), 0)
$$;

COMMENT ON FUNCTION telemetry.register_level(text, text, timestamptz) IS
'Takes meter_reading or vehicle_reading, a device and a full hour. Returns where its register stood then, in milliwatt-hours: at the end of the last UTC day that was settled before, and what was counted and explained since; NULL where no day before has a register.';
COMMENT ON FUNCTION telemetry.register_changes(text, text, timestamptz, timestamptz) IS
'Takes meter_reading or vehicle_reading, a device and a window (since included, until not). Returns one row: by how much events changed its register beyond the energy counted, and what records added to the energy beside it, in milliwatt-hours.';

CREATE OR REPLACE FUNCTION telemetry.device_days(
    of_vehicle_id text,
    of_meter_id text,
    since timestamptz,
    until timestamptz,
    zone text
)
RETURNS TABLE (
    day date,
    ac_mwh numeric,
    dc_mwh numeric,
    standby_mwh numeric,
    cost numeric,
    standby_cost numeric,
    currency text,
    cost_gap text
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    RETURN QUERY
    WITH part AS MATERIALIZED (
        SELECT p.hour, p.meter_id, p.ac_mwh + p.standby_mwh AS ac_mwh, p.standby_mwh, p.dc_mwh
        FROM telemetry.charging_part AS p
        WHERE (of_meter_id IS NULL OR p.meter_id = of_meter_id)
            AND (of_vehicle_id IS NULL OR p.vehicle_id = of_vehicle_id)
            AND p.hour >= device_days.since AND p.hour < device_days.until
    ),
    hour_of AS (
        -- what a meter drew is its bill, whoever explains it; of a vehicle, what its meters drew while linked to it
        SELECT h.bucket AS hour, of_meter_id AS meter_id, h.energy_mwh AS ac_mwh, 0 AS standby_mwh, 0 AS dc_mwh
        FROM telemetry.meter_hours(of_meter_id, device_days.since, device_days.until) AS h
        WHERE of_meter_id IS NOT NULL
        UNION ALL
        SELECT p.hour, p.meter_id, 0, p.standby_mwh, p.dc_mwh
        FROM part AS p
        WHERE of_meter_id IS NOT NULL
        UNION ALL
        SELECT p.hour, p.meter_id, p.ac_mwh, p.standby_mwh, 0
        FROM part AS p
        WHERE of_vehicle_id IS NOT NULL
        UNION ALL
        SELECT h.bucket, NULL, 0, 0, h.energy_mwh
        FROM telemetry.vehicle_hours(of_vehicle_id, device_days.since, device_days.until) AS h
        WHERE of_vehicle_id IS NOT NULL
    ),
    by_day AS (
        SELECT
            (h.hour AT TIME ZONE zone)::date AS day,
            sum(h.ac_mwh) AS ac_mwh,
            sum(h.dc_mwh) AS dc_mwh,
            sum(h.standby_mwh) AS standby_mwh,
            sum(h.ac_mwh * t.price) AS cost,
            sum(h.standby_mwh * t.price) AS standby_cost,
            min(t.currency) AS currency,
            max(t.digits) AS digits,
            telemetry.cost_gap(
                -- a day on which nothing was drawn needs no price
                1, sum(h.ac_mwh) FILTER (WHERE t.price IS NULL), min(t.currency), max(t.currency)
            ) AS cost_gap
        FROM hour_of AS h
        LEFT JOIN LATERAL telemetry.price_at(h.meter_id, h.hour) AS t ON h.meter_id IS NOT NULL
        GROUP BY 1
    )
    SELECT
        d.day,
        d.ac_mwh,
        d.dc_mwh,
        d.standby_mwh,
        round(telemetry.cost(d.cost, d.cost_gap), d.digits),
        round(telemetry.cost(d.standby_cost, d.cost_gap), d.digits),
        CASE WHEN d.cost_gap IS NULL THEN d.currency END,
        d.cost_gap
    FROM by_day AS d
    ORDER BY d.day;
END;
$$;

COMMENT ON FUNCTION telemetry.device_days(text, text, timestamptz, timestamptz, text) IS
'Takes a vehicle or a meter (of the other NULL), a window of whole hours (since included, until not) and a time zone''s name. Returns a row for each local day of it with energy: AC and DC energy and AC of idle time in milliwatt-hours (of a meter all that it drew, and DC of vehicles while linked to it; of a vehicle what its meters drew while linked to it, as readings explain it, and all DC), and what AC and standby cost, rounded to the currency''s minor unit, the currency, and why costs cannot be told (NULL: they can). An hour is of the day in which it starts.';

CREATE OR REPLACE FUNCTION telemetry.is_all_kept(
    dataset text,
    device_id text,
    since timestamptz,
    until timestamptz
)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    RETURN until <= now() AND NOT EXISTS (
        SELECT
        FROM (
            SELECT is_all_kept.dataset AS dataset, is_all_kept.device_id AS device_id
            UNION
            -- and all that was linked to it
            SELECT o.dataset, o.device_id
            FROM telemetry.charging_link AS l
            CROSS JOIN LATERAL (
                VALUES ('meter_reading', l.meter_id), ('vehicle_reading', l.vehicle_id)
            ) AS o (dataset, device_id)
            WHERE l.during && tstzrange(is_all_kept.since, is_all_kept.until)
                AND CASE
                    WHEN is_all_kept.dataset = 'meter_reading' THEN l.meter_id
                    ELSE l.vehicle_id
                END = is_all_kept.device_id
        ) AS d
        LEFT JOIN telemetry.charging_progress AS p ON p.dataset = d.dataset AND p.device_id = d.device_id
        WHERE EXISTS (
            SELECT FROM telemetry.settle_queue AS q
            WHERE q.dataset = d.dataset AND q.device_id = d.device_id
                AND q.day <= telemetry.utc_day(is_all_kept.until)
        )
            OR EXISTS (
                SELECT FROM telemetry.charging_queue AS q
                WHERE q.dataset = d.dataset AND q.device_id = d.device_id
                    AND q.day BETWEEN telemetry.utc_day(is_all_kept.since) - 1 AND telemetry.utc_day(is_all_kept.until)
            )
            -- of what has readings and was never kept there is no row
            OR (
                telemetry.newest_reading(d.dataset, d.device_id) > coalesce(p.seen_at, '-infinity')
                AND (p.seen_at >= is_all_kept.until) IS NOT TRUE
            )
    );
END;
$$;

COMMENT ON FUNCTION telemetry.is_all_kept(text, text, timestamptz, timestamptz) IS
'Takes meter_reading or vehicle_reading, a device and a window (since included, until not). Returns whether the window is over and nothing that came of the device, and of those that it was linked to meanwhile, waits to be settled or kept; what comes later may still change it.';

REVOKE ALL ON FUNCTION
    telemetry.register_level(text, text, timestamptz),
    telemetry.register_changes(text, text, timestamptz, timestamptz),
    telemetry.device_days(text, text, timestamptz, timestamptz, text),
    telemetry.is_all_kept(text, text, timestamptz, timestamptz)
FROM PUBLIC;
