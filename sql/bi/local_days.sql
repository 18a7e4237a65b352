-- Energy by the days of a time zone, which are 23 or 25 hours long when clocks change.

-- the bounds of all days are values in each query, planned anew, so that only the chunks of these days are looked at

CREATE OR REPLACE FUNCTION bi.meter_energy_local_daily(zone text, first_day date, last_day date)
RETURNS TABLE (day date, meter_id text, energy_kwh numeric, energy_mwh bigint, samples bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_days date[];
    v_sinces timestamptz[];
    v_untils timestamptz[];
    v_first_hours timestamptz[];
    v_end_hours timestamptz[];
    v_first timestamptz;
    v_end timestamptz;
BEGIN
    PERFORM telemetry.check_zone(zone);
    SELECT
        array_agg(d.day),
        array_agg(d.since),
        array_agg(d.until),
        array_agg(d.first_hour),
        array_agg(d.end_hour),
        telemetry.floor_hour(min(d.since)),
        telemetry.ceiling_hour(max(d.until))
    INTO v_days, v_sinces, v_untils, v_first_hours, v_end_hours, v_first, v_end
    FROM telemetry.local_day(zone, first_day, last_day) AS d;

    RETURN QUERY
    WITH stretch AS (
        SELECT s.day, s.since, s.until, s.first_hour, s.end_hour
        FROM unnest(v_days, v_sinces, v_untils, v_first_hours, v_end_hours)
            AS s (day, since, until, first_hour, end_hour)
    ),
    -- the hours that lie in one day as a whole
    whole AS (
        SELECT s.day, g.hour
        FROM stretch AS s
        CROSS JOIN LATERAL generate_series(s.first_hour, s.end_hour - INTERVAL '1 hour', INTERVAL '1 hour') AS g (hour)
    ),
    -- a zone that is half an hour off divides hours at midnight, which only raw readings can
    part AS (
        SELECT s.day, p.since, p.until, telemetry.floor_hour(p.since) AS hour
        FROM stretch AS s
        CROSS JOIN LATERAL (
            VALUES
            (s.since, least(s.first_hour, s.until)),
            (greatest(s.first_hour, s.end_hour), s.until)
        ) AS p (since, until)
        WHERE p.since < p.until
    ),
    divided AS MATERIALIZED (
        SELECT
            array_agg(p.day) AS days,
            array_agg(h.meter_id) AS meter_ids,
            array_agg(p.since) AS sinces,
            array_agg(p.until) AS untils
        FROM part AS p
        INNER JOIN bi.meter_energy_hourly AS h ON h.bucket = p.hour
        WHERE h.bucket >= v_first AND h.bucket < v_end
        GROUP BY p.hour
    )
    SELECT e.day, e.meter_id, telemetry.kwh(sum(e.energy_mwh)), sum(e.energy_mwh)::bigint, sum(e.samples)::bigint
    FROM (
        SELECT w.day, h.meter_id, h.energy_mwh, h.samples
        FROM bi.meter_energy_hourly AS h
        INNER JOIN whole AS w ON w.hour = h.bucket
        WHERE h.bucket >= v_first AND h.bucket < v_end
        UNION ALL
        SELECT d.days[r.part], d.meter_ids[r.part], r.energy_mwh, r.samples
        FROM divided AS d
        CROSS JOIN LATERAL telemetry.meter_energy_of_parts(d.meter_ids, d.sinces, d.untils) AS r
    ) AS e
    GROUP BY e.day, e.meter_id;
END;
$$;

COMMENT ON FUNCTION bi.meter_energy_local_daily(text, date, date) IS
'AC energy drawn from the grid by the days of a time zone, right when clocks change. Takes the zone''s name, such as Europe/Berlin, and the first and last day, both included. Returns one row per meter and day with readings: the day, the meter, energy in kWh and in milliwatt-hours, and how many readings there are. Raises WL009 where the zone is an abbreviation or there is none of that name.';

CREATE OR REPLACE FUNCTION bi.vehicle_energy_local_daily(zone text, first_day date, last_day date)
RETURNS TABLE (day date, vehicle_id text, energy_kwh numeric, energy_mwh bigint, samples bigint)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_days date[];
    v_sinces timestamptz[];
    v_untils timestamptz[];
    v_first_hours timestamptz[];
    v_end_hours timestamptz[];
    v_first timestamptz;
    v_end timestamptz;
BEGIN
    PERFORM telemetry.check_zone(zone);
    SELECT
        array_agg(d.day),
        array_agg(d.since),
        array_agg(d.until),
        array_agg(d.first_hour),
        array_agg(d.end_hour),
        telemetry.floor_hour(min(d.since)),
        telemetry.ceiling_hour(max(d.until))
    INTO v_days, v_sinces, v_untils, v_first_hours, v_end_hours, v_first, v_end
    FROM telemetry.local_day(zone, first_day, last_day) AS d;

    RETURN QUERY
    WITH stretch AS (
        SELECT s.day, s.since, s.until, s.first_hour, s.end_hour
        FROM unnest(v_days, v_sinces, v_untils, v_first_hours, v_end_hours)
            AS s (day, since, until, first_hour, end_hour)
    ),
    -- the hours that lie in one day as a whole
    whole AS (
        SELECT s.day, g.hour
        FROM stretch AS s
        CROSS JOIN LATERAL generate_series(s.first_hour, s.end_hour - INTERVAL '1 hour', INTERVAL '1 hour') AS g (hour)
    ),
    -- a zone that is half an hour off divides hours at midnight, which only raw readings can
    part AS (
        SELECT s.day, p.since, p.until, telemetry.floor_hour(p.since) AS hour
        FROM stretch AS s
        CROSS JOIN LATERAL (
            VALUES
            (s.since, least(s.first_hour, s.until)),
            (greatest(s.first_hour, s.end_hour), s.until)
        ) AS p (since, until)
        WHERE p.since < p.until
    ),
    divided AS MATERIALIZED (
        SELECT
            array_agg(p.day) AS days,
            array_agg(h.vehicle_id) AS vehicle_ids,
            array_agg(p.since) AS sinces,
            array_agg(p.until) AS untils
        FROM part AS p
        INNER JOIN bi.vehicle_energy_hourly AS h ON h.bucket = p.hour
        WHERE h.bucket >= v_first AND h.bucket < v_end
        GROUP BY p.hour
    )
    SELECT e.day, e.vehicle_id, telemetry.kwh(sum(e.energy_mwh)), sum(e.energy_mwh)::bigint, sum(e.samples)::bigint
    FROM (
        SELECT w.day, h.vehicle_id, h.energy_mwh, h.samples
        FROM bi.vehicle_energy_hourly AS h
        INNER JOIN whole AS w ON w.hour = h.bucket
        WHERE h.bucket >= v_first AND h.bucket < v_end
        UNION ALL
        SELECT d.days[r.part], d.vehicle_ids[r.part], r.energy_mwh, r.samples
        FROM divided AS d
        CROSS JOIN LATERAL telemetry.vehicle_energy_of_parts(d.vehicle_ids, d.sinces, d.untils) AS r
    ) AS e
    GROUP BY e.day, e.vehicle_id;
END;
$$;

COMMENT ON FUNCTION bi.vehicle_energy_local_daily(text, date, date) IS
'DC energy that reached the battery by the days of a time zone, right when clocks change. Takes the zone''s name, such as Europe/Berlin, and the first and last day, both included. Returns one row per vehicle and day with readings: the day, the vehicle, energy in kWh and in milliwatt-hours, and how many readings there are. Raises WL009 where the zone is an abbreviation or there is none of that name.';

REVOKE ALL ON FUNCTION
    bi.meter_energy_local_daily(text, date, date),
    bi.vehicle_energy_local_daily(text, date, date)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    bi.meter_energy_local_daily(text, date, date),
    bi.vehicle_energy_local_daily(text, date, date)
TO wattledger_bi;
