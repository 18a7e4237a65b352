-- What a vehicle's charging lost between grid and battery in a window of time.

CREATE OR REPLACE FUNCTION api.performance(
    vehicle_id text,
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL
)
RETURNS TABLE (
    window_start timestamptz,
    window_end timestamptz,
    ac_kwh numeric,
    dc_kwh numeric,
    dc_unlinked_kwh numeric,
    loss_kwh numeric,
    efficiency numeric,
    avg_battery_temp_c numeric,
    meter_samples bigint,
    vehicle_samples bigint,
    meter_coverage numeric,
    vehicle_coverage numeric,
    status text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_until timestamptz := coalesce(performance.until, now());
    v_since timestamptz := coalesce(performance.since, coalesce(performance.until, now()) - INTERVAL '24 hours');
BEGIN
    IF v_since >= v_until THEN
        RAISE EXCEPTION 'the window must begin before it ends'
            USING ERRCODE = 'WL002', HINT = 'Send a "to" that is later than "from".';
    END IF;

    RETURN QUERY
    WITH link AS (
        SELECT
            l.meter_id,
            greatest(lower(l.during), v_since) AS since,
            least(upper(l.during), v_until) AS until
        FROM telemetry.charging_link AS l
        WHERE l.vehicle_id = performance.vehicle_id AND l.during && tstzrange(v_since, v_until)
    ),
    linked AS (
        SELECT
            count(*) AS links,
            coalesce(sum(a.energy_mwh), 0) AS ac_mwh,
            coalesce(sum(a.samples), 0)::bigint AS meter_samples,
            coalesce(sum(d.energy_mwh), 0) AS dc_mwh,
            coalesce(sum(d.samples), 0)::bigint AS vehicle_samples,
            -- no reading can be expected of the time to come
            coalesce(sum(greatest(least(l.until, now()) - l.since, INTERVAL '0')), INTERVAL '0') AS duration
        FROM link AS l
        -- the window stands in each condition beside the link, since it alone lets the planner leave out chunks
        CROSS JOIN LATERAL (
            SELECT sum(m.energy_mwh) AS energy_mwh, count(*) FILTER (WHERE m.entry = 0) AS samples
            FROM telemetry.meter_reading AS m
            WHERE m.meter_id = l.meter_id
                AND m.ts >= v_since AND m.ts < v_until
                AND m.ts >= l.since AND m.ts < l.until
        ) AS a
        CROSS JOIN LATERAL (
            SELECT sum(v.energy_mwh) AS energy_mwh, count(*) FILTER (WHERE v.entry = 0) AS samples
            FROM telemetry.vehicle_reading AS v
            WHERE v.vehicle_id = performance.vehicle_id
                AND v.ts >= v_since AND v.ts < v_until
                AND v.ts >= l.since AND v.ts < l.until
        ) AS d
    ),
    vehicle AS (
        SELECT
            coalesce(sum(v.energy_mwh), 0) AS dc_mwh,
            sum(v.battery_temp_mc) FILTER (WHERE v.entry = 0) AS battery_temp_sum,
            count(v.battery_temp_mc) FILTER (WHERE v.entry = 0) AS battery_temp_count,
            count(*) FILTER (WHERE v.entry = 0) AS samples
        FROM telemetry.vehicle_reading AS v
        WHERE v.vehicle_id = performance.vehicle_id AND v.ts >= v_since AND v.ts < v_until
    )
    SELECT
        v_since,
        v_until,
        trim_scale(k.ac_mwh * 0.000001),
        trim_scale(k.dc_mwh * 0.000001),
        trim_scale((w.dc_mwh - k.dc_mwh) * 0.000001),
        trim_scale((k.ac_mwh - k.dc_mwh) * 0.000001),
        telemetry.efficiency(k.ac_mwh, k.dc_mwh),
        round(w.battery_temp_sum * 0.001 / nullif(w.battery_temp_count, 0), 3),
        k.meter_samples,
        w.samples,
        c.meter,
        c.vehicle,
        CASE
            WHEN k.links = 0 THEN 'unlinked'
            WHEN k.meter_samples + k.vehicle_samples = 0 THEN 'no_data'
            ELSE telemetry.efficiency_status(k.ac_mwh, k.dc_mwh, c.meter, c.vehicle)
        END
    FROM linked AS k
    CROSS JOIN vehicle AS w
    CROSS JOIN telemetry.rules AS r
    CROSS JOIN LATERAL (
        SELECT
            telemetry.coverage(k.meter_samples, k.duration, r.reading_interval) AS meter,
            telemetry.coverage(k.vehicle_samples, k.duration, r.reading_interval) AS vehicle
    ) AS c;
END;
$$;

COMMENT ON FUNCTION api.performance(text, timestamptz, timestamptz) IS
'Takes a vehicle and a window: since (included; null: 24 hours before its end) and until (not included; null: now). Returns one row: the window, energy in kWh drawn from the grid by the meters linked to the vehicle in that time (AC), delivered to its battery while linked (DC) and while not linked, the loss AC - DC, the efficiency DC / AC (null without AC), the average battery temperature in °C (null without samples), how many readings of either side were counted, the coverage of either side (share of the expected readings in the linked time), and a status: unlinked, no_data, insufficient, impossible, degraded or healthy. Raises WL002 where the window is empty.';

REVOKE ALL ON FUNCTION api.performance(text, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.performance(text, timestamptz, timestamptz) TO wattledger_service;
