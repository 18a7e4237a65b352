-- Last hours of many devices at once, for small plots beside a list.

CREATE OR REPLACE FUNCTION api.sparklines(meter_ids text[], vehicle_ids text[], hours integer DEFAULT 24)
RETURNS TABLE (side text, device_id text, first_hour timestamptz, ac_kwh numeric[], dc_kwh numeric[])
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        d.side,
        d.device_id,
        w.since,
        p.ac_kwh,
        p.dc_kwh
    FROM (
        SELECT telemetry.floor_hour(now()) - make_interval(hours => sparklines.hours - 1) AS since
    ) AS w
    CROSS JOIN (
        SELECT 'meter' AS side, m.device_id
        FROM unnest(sparklines.meter_ids) AS m (device_id)
        UNION ALL
        SELECT 'vehicle', v.device_id
        FROM unnest(sparklines.vehicle_ids) AS v (device_id)
    ) AS d
    CROSS JOIN LATERAL (
        SELECT
            array_agg(trim_scale(telemetry.kwh(coalesce(s.ac_mwh, 0))) ORDER BY h.place) AS ac_kwh,
            array_agg(trim_scale(telemetry.kwh(coalesce(s.dc_mwh, 0))) ORDER BY h.place) AS dc_kwh
        FROM generate_series(0, sparklines.hours - 1) AS h (place)
        LEFT JOIN (
            SELECT c.hour, sum(c.ac_mwh) AS ac_mwh, sum(c.dc_mwh) AS dc_mwh
            FROM (
                SELECT m.hour, m.ac_mwh, m.dc_mwh
                FROM telemetry.charging_part AS m
                WHERE d.side = 'meter' AND m.meter_id = d.device_id AND m.hour >= w.since
                UNION ALL
                SELECT v.hour, v.ac_mwh, v.dc_mwh
                FROM telemetry.charging_part AS v
                WHERE d.side = 'vehicle' AND v.vehicle_id = d.device_id AND v.hour >= w.since
            ) AS c
            GROUP BY c.hour
        ) AS s ON s.hour = w.since + make_interval(hours => h.place)
    ) AS p
$$;

COMMENT ON FUNCTION api.sparklines(text[], text[], integer) IS
'Takes ids of meters and of vehicles, and how many hours. Returns a row for each: its side (meter or vehicle), its id, the start of the first hour, in UTC, and as arrays, one element per hour up to the one that is running: AC energy above idle and DC energy in kWh, of a vehicle while it was linked, as charging is kept, at most minutes ago; 0 where nothing flowed or nothing is known.';

REVOKE ALL ON FUNCTION api.sparklines(text[], text[], integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.sparklines(text[], text[], integer) TO wattledger_service;
