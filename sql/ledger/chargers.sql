-- Charging of all meters, one row per meter.

-- unpinned, so that the planner can inline it
CREATE OR REPLACE FUNCTION telemetry.edges_of_days(since timestamptz, until timestamptz)
RETURNS TABLE (since timestamptz, until timestamptz)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT e.since, e.until
    FROM (
        VALUES
        ($1, least(telemetry.ceiling_day($1), $2)),
        (greatest(telemetry.floor_day($2), telemetry.ceiling_day($1)), $2)
    ) AS e (since, until)
    WHERE e.since < e.until
$$;

COMMENT ON FUNCTION telemetry.edges_of_days(timestamptz, timestamptz) IS
'Takes a window (since included, until not). Returns what of it is before its first whole UTC day and after its last one, as windows: at most two rows.';

-- unpinned too; in floating point as telemetry.fleet_charging
CREATE OR REPLACE FUNCTION telemetry.chargers_charging(since timestamptz, until timestamptz)
RETURNS TABLE (
    meter_id text,
    vehicles bigint,
    may_drift boolean,
    unlinked_mwh double precision,
    ac_mwh double precision,
    ac_matched_mwh double precision,
    dc_mwh double precision,
    dc_matched_mwh double precision,
    ac_standing_mwh double precision,
    dc_standing_mwh double precision,
    standby_mwh double precision,
    edge_mwh double precision,
    standby_us double precision,
    matched_us double precision,
    ac_resolution_mwh bigint,
    dc_resolution_mwh bigint,
    battery_temp_mc integer
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT
        e.meter_id,
        count(DISTINCT nullif(e.vehicle_id, '')),
        bool_or(e.may_drift),
        coalesce(sum(e.ac_mwh::double precision) FILTER (WHERE e.vehicle_id = ''), 0),
        coalesce(sum(e.ac_mwh::double precision) FILTER (WHERE e.vehicle_id <> ''), 0),
        sum(e.ac_matched_mwh::double precision),
        sum(e.dc_mwh::double precision),
        sum(e.dc_matched_mwh::double precision),
        sum(e.ac_standing_mwh::double precision),
        sum(e.dc_standing_mwh::double precision),
        sum(e.standby_mwh::double precision),
        sum(e.edge_mwh::double precision),
        sum(e.standby_us::double precision),
        sum(e.matched_us::double precision),
        min(e.ac_resolution_mwh),
        min(e.dc_resolution_mwh),
        min(e.battery_temp_mc)
    FROM (
        -- whole days from the days, what is left at either end from the hours
        SELECT
            d.meter_id, d.vehicle_id, d.is_drifting AS may_drift, d.ac_mwh, d.ac_matched_mwh, d.dc_mwh,
            d.dc_matched_mwh, d.ac_standing_mwh, d.dc_standing_mwh, d.standby_mwh, d.edge_mwh, d.standby_us,
            d.matched_us, d.ac_resolution_mwh, d.dc_resolution_mwh, d.battery_temp_mc
        FROM telemetry.charging_day AS d
        WHERE d.day >= telemetry.utc_day(telemetry.ceiling_day(chargers_charging.since))
            AND d.day < telemetry.utc_day(telemetry.floor_day(chargers_charging.until))
        UNION ALL
        SELECT
            p.meter_id, p.vehicle_id, FALSE, p.ac_mwh, p.ac_matched_mwh, p.dc_mwh,
            p.dc_matched_mwh, p.ac_standing_mwh, p.dc_standing_mwh, p.standby_mwh, p.edge_mwh, p.standby_us,
            p.matched_us, p.ac_resolution_mwh, p.dc_resolution_mwh, p.battery_temp_mc
        FROM telemetry.edges_of_days(chargers_charging.since, chargers_charging.until) AS w
        INNER JOIN telemetry.charging_part AS p ON p.hour >= w.since AND p.hour < w.until
        UNION ALL
        -- days know of a drift, hours do not
        SELECT s.meter_id, '', TRUE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL
        FROM telemetry.edges_of_days(chargers_charging.since, chargers_charging.until) AS w
        INNER JOIN telemetry.charging_session AS s ON s.started_at >= w.since AND s.started_at < w.until
        CROSS JOIN telemetry.rules AS r
        WHERE s.below_usual >= r.drifting_after
    ) AS e
    GROUP BY e.meter_id
$$;

COMMENT ON FUNCTION telemetry.chargers_charging(timestamptz, timestamptz) IS
'Takes a window of whole hours (since included, until not). Returns a row for each meter of which charging is kept in it: how many vehicles were linked, whether it may drift (telemetry.is_drifting tells), AC energy above idle while no vehicle was linked, in milliwatt-hours, and sums as telemetry.charging_part has them, of all vehicles; of standby, linked or not.';

CREATE OR REPLACE FUNCTION telemetry.chargers_costs(meter_ids text[], since timestamptz, until timestamptz)
RETURNS TABLE (
    meter_id text,
    cost numeric,
    standby_cost numeric,
    ac_matched_cost numeric,
    dc_matched_cost numeric,
    currency text,
    digits smallint,
    cost_gap text
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM telemetry.standing_tariff) THEN
        RETURN;  -- no hour is looked at
    END IF;
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT
            m.id,
            -- meters without a tariff of their own have one price per hour
            CASE WHEN m.id IN (SELECT t.meter_id FROM telemetry.standing_tariff AS t) THEN m.id ELSE '' END AS priced_as
        FROM unnest(chargers_costs.meter_ids) AS m (id)
    ),
    price AS MATERIALIZED (
        SELECT a.priced_as, h.hour, t.price, t.currency, t.digits
        FROM (SELECT DISTINCT a.priced_as FROM asked AS a) AS a
        CROSS JOIN generate_series(
            chargers_costs.since, chargers_costs.until - INTERVAL '1 hour', INTERVAL '1 hour'
        ) AS h (hour)
        CROSS JOIN LATERAL telemetry.price_at(a.priced_as, h.hour) AS t
    ),
    by_price AS (
        SELECT
            a.id,
            t.price,
            t.currency,
            max(t.digits) AS digits,
            sum(p.ac_mwh + p.standby_mwh) AS ac_mwh,
            sum(p.standby_mwh) AS standby_mwh,
            sum(p.ac_matched_mwh) AS ac_matched_mwh,
            sum(p.dc_matched_mwh) AS dc_matched_mwh
        FROM asked AS a
        INNER JOIN telemetry.charging_part AS p
            ON p.meter_id = a.id AND p.hour >= chargers_costs.since AND p.hour < chargers_costs.until
        LEFT JOIN price AS t ON t.priced_as = a.priced_as AND t.hour = p.hour
        GROUP BY a.id, t.price, t.currency
    )
    SELECT
        b.id,
        sum(b.ac_mwh * b.price),
        sum(b.standby_mwh * b.price),
        sum(b.ac_matched_mwh * b.price),
        sum(b.dc_matched_mwh * b.price),
        min(b.currency),
        max(b.digits),
        telemetry.cost_gap(
            count(b.price), sum(b.ac_mwh) FILTER (WHERE b.price IS NULL), min(b.currency), max(b.currency)
        )
    FROM by_price AS b
    GROUP BY b.id;
END;
$$;

COMMENT ON FUNCTION telemetry.chargers_costs(text[], timestamptz, timestamptz) IS
'Takes meters and a window of whole hours (since included, until not). Returns, unless there is no tariff at all, a row for each of them of which charging is kept in it, with costs as telemetry.fleet_costs has them; of AC above idle and standby whether a vehicle was linked or not.';

REVOKE ALL ON FUNCTION
    telemetry.edges_of_days(timestamptz, timestamptz),
    telemetry.chargers_charging(timestamptz, timestamptz),
    telemetry.chargers_costs(text[], timestamptz, timestamptz)
FROM PUBLIC;
