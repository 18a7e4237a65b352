-- Energy by the days of a time zone, which are 23 or 25 hours long when clocks change.

CREATE OR REPLACE FUNCTION telemetry.local_day(zone text, first_day date, last_day date)
RETURNS TABLE (day date, since timestamptz, until timestamptz, first_hour timestamptz, end_hour timestamptz)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- a zone that is half an hour off divides hours at midnight, which only raw readings can
    SELECT d.day, d.since, d.until, telemetry.ceiling_hour(d.since), telemetry.floor_hour(d.until)
    FROM (
        SELECT
            g.day::date AS day,
            telemetry.answerable(g.day AT TIME ZONE zone, h.raw_since, '-infinity') AS since,
            telemetry.answerable((g.day + INTERVAL '1 day') AT TIME ZONE zone, h.raw_since, '-infinity') AS until
        FROM generate_series(first_day::timestamp, last_day::timestamp, INTERVAL '1 day') AS g (day)
        CROSS JOIN telemetry.horizon AS h
    ) AS d
$$;

COMMENT ON FUNCTION telemetry.local_day(text, date, date) IS
'Takes a time zone''s name and the first and last day, both included. Returns each day with its begin and end, to the nearest full hour where raw readings are gone, and the whole hours inside.';
REVOKE ALL ON FUNCTION telemetry.local_day(text, date, date) FROM PUBLIC;

CREATE OR REPLACE FUNCTION bi.meter_energy_local_daily(zone text, first_day date, last_day date)
RETURNS TABLE (day date, meter_id text, energy_kwh numeric, energy_mwh bigint, samples bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.day, e.meter_id, sum(e.energy_mwh) * 0.000001, sum(e.energy_mwh)::bigint, sum(e.samples)::bigint
    FROM (
        SELECT d.day, h.meter_id, h.energy_mwh, h.samples
        FROM telemetry.local_day(zone, first_day, last_day) AS d
        INNER JOIN bi.meter_energy_hourly AS h ON h.bucket >= d.first_hour AND h.bucket < d.end_hour
        UNION ALL
        SELECT d.day, m.meter_id, m.energy_mwh, CASE m.entry WHEN 0 THEN 1 ELSE 0 END
        FROM telemetry.local_day(zone, first_day, last_day) AS d
        INNER JOIN telemetry.meter_reading AS m
            ON (m.ts >= d.since AND m.ts < d.first_hour) OR (m.ts >= d.end_hour AND m.ts < d.until)
        WHERE d.since < d.first_hour OR d.end_hour < d.until
    ) AS e
    GROUP BY e.day, e.meter_id
$$;

COMMENT ON FUNCTION bi.meter_energy_local_daily(text, date, date) IS
'AC energy drawn from the grid by the days of a time zone, right when clocks change. Takes the zone''s name, such as Europe/Berlin, and the first and last day, both included. Returns a row a meter and day with readings: the day, the meter, energy in kWh and in milliwatt-hours, and how many readings there are.';

CREATE OR REPLACE FUNCTION bi.vehicle_energy_local_daily(zone text, first_day date, last_day date)
RETURNS TABLE (day date, vehicle_id text, energy_kwh numeric, energy_mwh bigint, samples bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.day, e.vehicle_id, sum(e.energy_mwh) * 0.000001, sum(e.energy_mwh)::bigint, sum(e.samples)::bigint
    FROM (
        SELECT d.day, h.vehicle_id, h.energy_mwh, h.samples
        FROM telemetry.local_day(zone, first_day, last_day) AS d
        INNER JOIN bi.vehicle_energy_hourly AS h ON h.bucket >= d.first_hour AND h.bucket < d.end_hour
        UNION ALL
        SELECT d.day, v.vehicle_id, v.energy_mwh, CASE v.entry WHEN 0 THEN 1 ELSE 0 END
        FROM telemetry.local_day(zone, first_day, last_day) AS d
        INNER JOIN telemetry.vehicle_reading AS v
            ON (v.ts >= d.since AND v.ts < d.first_hour) OR (v.ts >= d.end_hour AND v.ts < d.until)
        WHERE d.since < d.first_hour OR d.end_hour < d.until
    ) AS e
    GROUP BY e.day, e.vehicle_id
$$;

COMMENT ON FUNCTION bi.vehicle_energy_local_daily(text, date, date) IS
'DC energy that reached the battery by the days of a time zone, right when clocks change. Takes the zone''s name, such as Europe/Berlin, and the first and last day, both included. Returns a row a vehicle and day with readings: the day, the vehicle, energy in kWh and in milliwatt-hours, and how many readings there are.';

CREATE OR REPLACE FUNCTION bi.charging_efficiency_local_daily(zone text, first_day date, last_day date)
RETURNS TABLE (
    day date,
    vehicle_id text,
    ac_kwh numeric,
    dc_kwh numeric,
    loss_kwh numeric,
    efficiency numeric,
    meter_coverage numeric,
    vehicle_coverage numeric,
    verdict text
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    WITH days AS MATERIALIZED (
        SELECT d.* FROM telemetry.local_day(zone, first_day, last_day) AS d
    ),
    edges AS MATERIALIZED (
        SELECT d.day, s.vehicle_id, s.meter_id, greatest(p.since, s.since) AS since, least(p.until, s.until) AS until
        FROM days AS d
        CROSS JOIN LATERAL (VALUES (d.since, d.first_hour), (d.end_hour, d.until)) AS p (since, until)
        INNER JOIN telemetry.link_span AS s ON s.since < p.until AND s.until > p.since
        WHERE p.since < p.until
    ),
    energy AS (
        SELECT d.day, l.vehicle_id, l.ac_mwh, l.dc_mwh, l.meter_samples, l.vehicle_samples
        FROM days AS d
        INNER JOIN telemetry.linked_energy_hourly AS l ON l.bucket >= d.first_hour AND l.bucket < d.end_hour
        UNION ALL
        SELECT e.day, e.vehicle_id, coalesce(a.energy_mwh, 0), coalesce(c.energy_mwh, 0), a.samples, c.samples
        FROM edges AS e
        CROSS JOIN LATERAL (
            SELECT sum(m.energy_mwh) AS energy_mwh, count(*) FILTER (WHERE m.entry = 0) AS samples
            FROM telemetry.meter_reading AS m
            WHERE m.meter_id = e.meter_id AND m.ts >= e.since AND m.ts < e.until
        ) AS a
        CROSS JOIN LATERAL (
            SELECT sum(v.energy_mwh) AS energy_mwh, count(*) FILTER (WHERE v.entry = 0) AS samples
            FROM telemetry.vehicle_reading AS v
            WHERE v.vehicle_id = e.vehicle_id AND v.ts >= e.since AND v.ts < e.until
        ) AS c
        WHERE num_nonnulls(a.energy_mwh, c.energy_mwh) > 0
    ),
    linked AS (
        SELECT
            d.day,
            s.vehicle_id,
            sum(greatest(least(s.until, d.until, now()) - greatest(s.since, d.since), INTERVAL '0')) AS linked
        FROM days AS d
        INNER JOIN telemetry.link_span AS s ON s.since < d.until AND s.until > d.since
        GROUP BY d.day, s.vehicle_id
    ),
    total AS (
        SELECT
            e.day,
            e.vehicle_id,
            sum(e.ac_mwh) AS ac_mwh,
            sum(e.dc_mwh) AS dc_mwh,
            sum(e.meter_samples)::bigint AS meter_samples,
            sum(e.vehicle_samples)::bigint AS vehicle_samples
        FROM energy AS e
        GROUP BY e.day, e.vehicle_id
    )
    SELECT
        t.day,
        t.vehicle_id,
        t.ac_mwh * 0.000001,
        t.dc_mwh * 0.000001,
        (t.ac_mwh - t.dc_mwh) * 0.000001,
        telemetry.efficiency(t.ac_mwh, t.dc_mwh),
        c.meter,
        c.vehicle,
        telemetry.efficiency_status(t.ac_mwh, t.dc_mwh, c.meter, c.vehicle, r)
    FROM total AS t
    INNER JOIN linked AS l USING (day, vehicle_id)
    CROSS JOIN telemetry.rules AS r
    CROSS JOIN LATERAL (
        SELECT
            telemetry.coverage(t.meter_samples, l.linked, r.reading_interval) AS meter,
            telemetry.coverage(t.vehicle_samples, l.linked, r.reading_interval) AS vehicle
    ) AS c
$$;

COMMENT ON FUNCTION bi.charging_efficiency_local_daily(text, date, date) IS
'What charging lost by the days of a time zone, right when clocks change. Takes the zone''s name, such as Europe/Berlin, and the first and last day, both included. Returns a row a vehicle and day in which it was linked and either side reported: the day, the vehicle, AC and DC energy and their difference in kWh, DC / AC (null without AC), the coverage of either side, and a verdict as in bi.charging_efficiency_daily.';

REVOKE ALL ON FUNCTION
    bi.meter_energy_local_daily(text, date, date),
    bi.vehicle_energy_local_daily(text, date, date),
    bi.charging_efficiency_local_daily(text, date, date)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    bi.meter_energy_local_daily(text, date, date),
    bi.vehicle_energy_local_daily(text, date, date),
    bi.charging_efficiency_local_daily(text, date, date)
TO wattledger_bi;
