-- Losses of a vehicle's charging, one row per hour.

CREATE OR REPLACE FUNCTION api.performance_hourly(
    vehicle_id text,
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL
)
RETURNS TABLE (
    hour_start timestamptz,
    ac_kwh numeric,
    dc_kwh numeric,
    loss_kwh numeric,
    efficiency numeric,
    meter_samples bigint,
    vehicle_samples bigint,
    meter_coverage numeric,
    vehicle_coverage numeric,
    status text,
    provisional_kwh_ac numeric,
    provisional_kwh_dc numeric,
    settled_until timestamptz,
    ac_matched_kwh numeric,
    dc_matched_kwh numeric,
    ac_active_kwh numeric,
    standby_kwh numeric,
    coverage numeric,
    uncertainty numeric,
    expected_efficiency numeric,
    frozen_side text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_first timestamptz;
    v_end timestamptz;
BEGIN
    SELECT lower(w.hours), upper(w.hours) INTO v_first, v_end
    FROM telemetry.asked_hours(performance_hourly.since, performance_hourly.until) AS w (hours);

    RETURN QUERY
    WITH link AS MATERIALIZED (
        SELECT s.meter_id, greatest(s.since, v_first) AS since, least(s.until, v_end) AS until
        FROM telemetry.link_span AS s
        WHERE s.vehicle_id = performance_hourly.vehicle_id AND s.since < v_end AND s.until > v_first
    ),
    waiting AS MATERIALIZED (
        SELECT least(
            (SELECT min(telemetry.settled_until('meter_reading', l.meter_id)) FROM link AS l),
            telemetry.settled_until('vehicle_reading', performance_hourly.vehicle_id)
        ) AS settled_until
    ),
    missing AS MATERIALIZED (
        SELECT telemetry.floor_hour(m.ts) AS bucket, sum(m.ac_mwh) AS ac_mwh, sum(m.dc_mwh) AS dc_mwh
        FROM (
            SELECT a.ts, a.energy_mwh AS ac_mwh, 0 AS dc_mwh
            FROM (
                -- a meter that is linked again is folded once
                SELECT l.meter_id, min(l.since) AS since, max(l.until) AS until
                FROM link AS l
                GROUP BY l.meter_id
            ) AS w
            CROSS JOIN LATERAL telemetry.provisional_entries('meter_reading', w.meter_id, w.since, w.until) AS a
            INNER JOIN link AS l ON l.meter_id = w.meter_id AND a.ts >= l.since AND a.ts < l.until
            UNION ALL
            SELECT d.ts, 0, d.energy_mwh
            FROM telemetry.provisional_entries('vehicle_reading', performance_hourly.vehicle_id, v_first, v_end) AS d
            INNER JOIN link AS l ON d.ts >= l.since AND d.ts < l.until
        ) AS m
        GROUP BY 1
        HAVING sum(m.ac_mwh) <> 0 OR sum(m.dc_mwh) <> 0
    ),
    -- each device is looked up by itself: in a join, continuous aggregates would compute for the whole fleet what they
    -- have not stored yet
    read AS (
        SELECT a.bucket, a.energy_mwh AS ac_mwh, 0 AS dc_mwh, a.samples AS meter_samples, 0 AS vehicle_samples
        FROM link AS l
        CROSS JOIN LATERAL telemetry.meter_hours(l.meter_id, l.since, l.until) AS a
        UNION ALL
        SELECT d.bucket, 0, d.energy_mwh, 0, d.samples
        FROM link AS l
        CROSS JOIN LATERAL telemetry.vehicle_hours(performance_hourly.vehicle_id, l.since, l.until) AS d
    ),
    edge AS (
        SELECT
            e.bucket,
            sum(telemetry.elapsed(
                greatest(l.since, e.bucket), least(l.until, e.bucket + INTERVAL '1 hour')
            )) AS linked
        FROM link AS l
        CROSS JOIN LATERAL (
            SELECT telemetry.floor_hour(l.since) WHERE telemetry.floor_hour(l.since) < l.since
            UNION
            SELECT telemetry.floor_hour(l.until) WHERE telemetry.floor_hour(l.until) < l.until
        ) AS e (bucket)
        GROUP BY e.bucket
    ),
    known AS (
        SELECT
            r.bucket,
            sum(r.ac_mwh) AS ac_mwh,
            sum(r.dc_mwh) AS dc_mwh,
            sum(r.meter_samples)::bigint AS meter_samples,
            sum(r.vehicle_samples)::bigint AS vehicle_samples,
            coalesce(min(e.linked), telemetry.elapsed(r.bucket, r.bucket + INTERVAL '1 hour')) AS linked
        FROM read AS r
        LEFT JOIN edge AS e ON e.bucket = r.bucket
        GROUP BY r.bucket
    ),
    charged AS (
        SELECT
            p.hour,
            sum(p.ac_mwh) AS ac_mwh,
            sum(p.ac_matched_mwh) AS ac_matched_mwh,
            sum(p.dc_mwh) AS dc_mwh,
            sum(p.dc_matched_mwh) AS dc_matched_mwh,
            sum(p.ac_standing_mwh) AS ac_standing_mwh,
            sum(p.dc_standing_mwh) AS dc_standing_mwh,
            sum(p.standby_mwh) AS standby_mwh,
            sum(p.edge_mwh) AS edge_mwh,
            sum(p.matched_us) AS matched_us,
            min(p.ac_resolution_mwh) AS ac_resolution_mwh,
            min(p.dc_resolution_mwh) AS dc_resolution_mwh,
            min(p.battery_temp_mc) AS battery_temp_mc
        FROM telemetry.vehicle_charging(performance_hourly.vehicle_id, v_first, v_end) AS p
        GROUP BY p.hour
    ),
    whole AS (
        SELECT
            coalesce(k.bucket, m.bucket) AS bucket,
            coalesce(k.ac_mwh, 0) + coalesce(m.ac_mwh, 0) AS ac_mwh,
            coalesce(k.dc_mwh, 0) + coalesce(m.dc_mwh, 0) AS dc_mwh,
            coalesce(k.meter_samples, 0) AS meter_samples,
            coalesce(k.vehicle_samples, 0) AS vehicle_samples,
            -- where nobody reported, none of what was expected came, however long that is
            coalesce(k.linked, INTERVAL '1 hour') AS linked,
            coalesce(m.ac_mwh, 0) AS provisional_ac_mwh,
            coalesce(m.dc_mwh, 0) AS provisional_dc_mwh
        FROM known AS k
        FULL JOIN missing AS m ON m.bucket = k.bucket
    )
    SELECT
        w.bucket,
        trim_scale(telemetry.kwh(w.ac_mwh)),
        trim_scale(telemetry.kwh(w.dc_mwh)),
        trim_scale(telemetry.kwh(p.ac_matched_mwh - p.dc_matched_mwh)),
        telemetry.efficiency(p.ac_matched_mwh, p.dc_matched_mwh),
        w.meter_samples,
        w.vehicle_samples,
        c.meter,
        c.vehicle,
        j.verdict,
        trim_scale(telemetry.kwh(w.provisional_ac_mwh)),
        trim_scale(telemetry.kwh(w.provisional_dc_mwh)),
        CASE WHEN q.settled_until < w.bucket + INTERVAL '1 hour' THEN q.settled_until END,
        trim_scale(telemetry.kwh(p.ac_matched_mwh)),
        trim_scale(telemetry.kwh(p.dc_matched_mwh)),
        trim_scale(telemetry.kwh(p.ac_mwh)),
        trim_scale(telemetry.kwh(p.standby_mwh)),
        round(j.coverage::numeric, 4),
        round(j.uncertainty::numeric, 4),
        round(j.expected_efficiency::numeric, 6),
        j.frozen_side
    FROM whole AS w
    CROSS JOIN waiting AS q
    CROSS JOIN telemetry.rules AS r
    LEFT JOIN charged AS k ON k.hour = w.bucket
    CROSS JOIN LATERAL (
        -- what was placed in an hour may be explained in another one
        SELECT
            coalesce(k.ac_mwh, 0) AS ac_mwh,
            coalesce(k.ac_matched_mwh, 0) AS ac_matched_mwh,
            coalesce(k.dc_mwh, 0) AS dc_mwh,
            coalesce(k.dc_matched_mwh, 0) AS dc_matched_mwh,
            coalesce(k.ac_standing_mwh, 0) AS ac_standing_mwh,
            coalesce(k.dc_standing_mwh, 0) AS dc_standing_mwh,
            coalesce(k.standby_mwh, 0) AS standby_mwh,
            coalesce(k.edge_mwh, 0) AS edge_mwh,
            coalesce(k.matched_us, 0) AS matched_us
    ) AS p
    CROSS JOIN LATERAL (
        SELECT
            telemetry.coverage(w.meter_samples, w.linked, r.reading_interval) AS meter,
            telemetry.coverage(w.vehicle_samples, w.linked, r.reading_interval) AS vehicle
    ) AS c
    CROSS JOIN LATERAL telemetry.judged(
        p.ac_mwh, p.ac_matched_mwh, p.dc_mwh, p.dc_matched_mwh, p.ac_standing_mwh, p.dc_standing_mwh,
        p.standby_mwh, p.edge_mwh,
        k.ac_resolution_mwh, k.dc_resolution_mwh, p.matched_us, k.battery_temp_mc, FALSE, r
    ) AS j
    ORDER BY w.bucket;
END;
$$;

COMMENT ON FUNCTION api.performance_hourly(text, timestamptz, timestamptz) IS
'Takes a vehicle and a window: since (NULL: 24 hours before its end) and until (NULL: now), a leap year (8,784 hours) at most. Returns a row for each whole hour that the window touches, in UTC, in which the vehicle was linked and either side reported or has energy, in order: its start, energy in kWh drawn from the grid (AC) and delivered to the battery (DC) while linked, the loss and the efficiency of its matched time (NULL without), how many readings of either side were counted, the coverage of either side, a status as telemetry.judged has it (a drift is of sessions, not of hours), how much of AC and DC in kWh is not settled yet, as api.performance has it, a reading''s time before which all is (NULL: all of the hour is settled), and what else api.performance says of matched time. Raises WL002 where the window is empty, WL004 where it is too long.';

REVOKE ALL ON FUNCTION api.performance_hourly(text, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.performance_hourly(text, timestamptz, timestamptz) TO wattledger_service;
