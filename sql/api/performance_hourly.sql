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
    settled_until timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_first timestamptz;
    v_end timestamptz;
BEGIN
    SELECT telemetry.floor_hour(w.since), telemetry.ceiling_hour(w.until) INTO v_first, v_end
    FROM telemetry.asked_window(performance_hourly.since, performance_hourly.until) AS w;
    IF v_end - v_first > INTERVAL '8784 hours' THEN
        RAISE EXCEPTION 'the window is longer than a year'
            USING ERRCODE = 'WL004', HINT = 'Ask for 8,784 hours at most.';
    END IF;

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
    known AS (
        SELECT e.bucket, e.ac_mwh, e.dc_mwh, e.meter_samples, e.vehicle_samples, e.linked
        FROM telemetry.linked_energy_hourly AS e
        WHERE e.vehicle_id = performance_hourly.vehicle_id AND e.bucket >= v_first AND e.bucket < v_end
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
        trim_scale(telemetry.kwh(w.ac_mwh - w.dc_mwh)),
        telemetry.efficiency(w.ac_mwh, w.dc_mwh),
        w.meter_samples,
        w.vehicle_samples,
        c.meter,
        c.vehicle,
        telemetry.efficiency_status(w.ac_mwh, w.dc_mwh, c.meter, c.vehicle, r),
        trim_scale(telemetry.kwh(w.provisional_ac_mwh)),
        trim_scale(telemetry.kwh(w.provisional_dc_mwh)),
        CASE WHEN q.settled_until < w.bucket + INTERVAL '1 hour' THEN q.settled_until END
    FROM whole AS w
    CROSS JOIN waiting AS q
    CROSS JOIN telemetry.rules AS r
    CROSS JOIN LATERAL (
        SELECT
            telemetry.coverage(w.meter_samples, w.linked, r.reading_interval) AS meter,
            telemetry.coverage(w.vehicle_samples, w.linked, r.reading_interval) AS vehicle
    ) AS c
    ORDER BY w.bucket;
END;
$$;

COMMENT ON FUNCTION api.performance_hourly(text, timestamptz, timestamptz) IS
'Takes a vehicle and a window: since (NULL: 24 hours before its end) and until (NULL: now), a leap year (8,784 hours) at most. Returns a row for each whole hour that the window touches, in UTC, in which the vehicle was linked and either side reported or has energy, in order: its start, energy in kWh drawn from the grid (AC) and delivered to the battery (DC) while linked, the loss, the efficiency (NULL without AC), how many readings of either side were counted, the coverage of either side, a status: insufficient, impossible, degraded or healthy, how much of AC and DC in kWh is not settled yet, as api.performance has it, and a reading''s time before which all is (NULL: all of the hour is settled). Raises WL002 where the window is empty, WL004 where it is too long.';

REVOKE ALL ON FUNCTION api.performance_hourly(text, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.performance_hourly(text, timestamptz, timestamptz) TO wattledger_service;
