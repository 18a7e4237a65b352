-- Efficiency of charging by the days of a time zone.

-- planned anew like those of local_days.sql

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
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_days date[];
    v_sinces timestamptz[];
    v_untils timestamptz[];
    v_first timestamptz;
    v_end timestamptz;
BEGIN
    PERFORM telemetry.check_zone(zone);
    SELECT
        array_agg(d.day),
        array_agg(d.since),
        array_agg(d.until),
        telemetry.floor_hour(min(d.since)),
        telemetry.ceiling_hour(max(d.until))
    INTO v_days, v_sinces, v_untils, v_first, v_end
    FROM telemetry.local_day(zone, first_day, last_day) AS d;

    RETURN QUERY
    WITH stretch AS (
        SELECT s.day, s.since, s.until
        FROM unnest(v_days, v_sinces, v_untils) AS s (day, since, until)
    ),
    -- the hours that lie in one day as a whole
    whole AS MATERIALIZED (
        SELECT s.day, g.hour
        FROM stretch AS s
        CROSS JOIN LATERAL generate_series(
            telemetry.ceiling_hour(s.since),
            telemetry.floor_hour(s.until) - INTERVAL '1 hour',
            INTERVAL '1 hour'
        ) AS g (hour)
    ),
    link AS MATERIALIZED (
        SELECT
            l.vehicle_id,
            l.meter_id,
            l.since,
            l.until,
            telemetry.ceiling_hour(l.since) AS first_hour,
            telemetry.floor_hour(l.until) AS end_hour
        FROM telemetry.link_span AS l
        WHERE l.since < v_end AND l.until > v_first
    ),
    linked AS MATERIALIZED (
        SELECT
            s.day,
            l.vehicle_id,
            l.meter_id,
            greatest(s.since, l.since) AS since,
            least(s.until, l.until) AS until
        FROM stretch AS s
        INNER JOIN link AS l ON l.since < s.until AND l.until > s.since
    ),
    -- hours that a link or midnight divides
    part AS (
        SELECT l.day, l.vehicle_id, l.meter_id, p.since, p.until
        FROM linked AS l
        CROSS JOIN LATERAL (
            VALUES
            (l.since, least(telemetry.ceiling_hour(l.since), l.until)),
            (greatest(telemetry.ceiling_hour(l.since), telemetry.floor_hour(l.until)), l.until)
        ) AS p (since, until)
        WHERE p.since < p.until
    ),
    divided AS MATERIALIZED (
        SELECT
            array_agg(p.day) AS days,
            array_agg(p.vehicle_id) AS vehicle_ids,
            array_agg(p.meter_id) AS meter_ids,
            array_agg(p.since) AS sinces,
            array_agg(p.until) AS untils
        FROM part AS p
        GROUP BY telemetry.floor_hour(p.since)
    ),
    energy (day, vehicle_id, ac_mwh, meter_samples, dc_mwh, vehicle_samples) AS (
        SELECT w.day, l.vehicle_id, m.energy_mwh, m.samples, 0, 0
        FROM link AS l
        INNER JOIN bi.meter_energy_hourly AS m
            ON m.meter_id = l.meter_id AND m.bucket >= l.first_hour AND m.bucket < l.end_hour
        INNER JOIN whole AS w ON w.hour = m.bucket
        WHERE m.bucket >= v_first AND m.bucket < v_end
        UNION ALL
        SELECT w.day, l.vehicle_id, 0, 0, v.energy_mwh, v.samples
        FROM link AS l
        INNER JOIN bi.vehicle_energy_hourly AS v
            ON v.vehicle_id = l.vehicle_id AND v.bucket >= l.first_hour AND v.bucket < l.end_hour
        INNER JOIN whole AS w ON w.hour = v.bucket
        WHERE v.bucket >= v_first AND v.bucket < v_end
        UNION ALL
        SELECT d.days[a.part], d.vehicle_ids[a.part], a.energy_mwh, a.samples, 0, 0
        FROM divided AS d
        CROSS JOIN LATERAL telemetry.meter_energy_of_parts(d.meter_ids, d.sinces, d.untils) AS a
        UNION ALL
        SELECT d.days[c.part], d.vehicle_ids[c.part], 0, 0, c.energy_mwh, c.samples
        FROM divided AS d
        CROSS JOIN LATERAL telemetry.vehicle_energy_of_parts(d.vehicle_ids, d.sinces, d.untils) AS c
    ),
    duration AS (
        SELECT
            l.day,
            l.vehicle_id,
            -- no reading can be expected of the time to come
            sum(greatest(least(l.until, now()) - l.since, INTERVAL '0')) AS linked
        FROM linked AS l
        GROUP BY l.day, l.vehicle_id
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
        telemetry.kwh(t.ac_mwh),
        telemetry.kwh(t.dc_mwh),
        telemetry.kwh(t.ac_mwh - t.dc_mwh),
        telemetry.efficiency(t.ac_mwh, t.dc_mwh),
        c.meter,
        c.vehicle,
        telemetry.efficiency_status(t.ac_mwh, t.dc_mwh, c.meter, c.vehicle, r)
    FROM total AS t
    INNER JOIN duration AS d ON d.day = t.day AND d.vehicle_id = t.vehicle_id
    CROSS JOIN telemetry.rules AS r
    CROSS JOIN LATERAL (
        SELECT
            telemetry.coverage(t.meter_samples, d.linked, r.reading_interval) AS meter,
            telemetry.coverage(t.vehicle_samples, d.linked, r.reading_interval) AS vehicle
    ) AS c;
END;
$$;

COMMENT ON FUNCTION bi.charging_efficiency_local_daily(text, date, date) IS
'What charging lost by the days of a time zone, right when clocks change. Takes the zone''s name, such as Europe/Berlin, and the first and last day, both included. Returns one row per vehicle and day in which it was linked and either side reported: the day, the vehicle, AC and DC energy and their difference in kWh, DC / AC (NULL without AC), the coverage of either side, and a verdict as in bi.charging_efficiency_daily. Raises WL009 where the zone is an abbreviation or there is none of that name.';

REVOKE ALL ON FUNCTION bi.charging_efficiency_local_daily(text, date, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bi.charging_efficiency_local_daily(text, date, date) TO wattledger_bi;
