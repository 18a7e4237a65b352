-- Rollups of dropped readings, compared with what was proven when those were dropped.

CREATE OR REPLACE FUNCTION telemetry.verify_kept(since timestamptz, until timestamptz)
RETURNS TABLE (dataset text, bucket timestamptz, stored text, computed text, verdict text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
SET timezone = 'UTC'
SET datestyle = 'ISO'
AS $$
BEGIN
    RETURN QUERY
    WITH gone AS MATERIALIZED (
        SELECT
            d.dataset AS source,
            split_part(d.dataset, '_', 1) AS side,
            telemetry.floor_day(greatest(verify_kept.since, telemetry.earliest())) AS since,
            least(verify_kept.until, d.complete_since) AS until,
            telemetry.ceiling_day(h.complete_since) AS hours_since,
            telemetry.ceiling_day(y.complete_since) AS days_since
        FROM telemetry.dataset AS d
        INNER JOIN telemetry.dataset AS h ON h.dataset = replace(d.dataset, 'reading', 'energy_hourly')
        INNER JOIN telemetry.dataset AS y ON y.dataset = replace(d.dataset, 'reading', 'energy_daily')
        WHERE d.dataset LIKE '%reading' AND d.complete_since > verify_kept.since
    ),
    kept AS (
        SELECT
            g.source,
            'meter_energy_hourly' AS dataset,
            telemetry.floor_day(m.bucket) AS day,
            count(*) AS device_hours,
            sum(m.samples) AS samples,
            sum(m.energy_mwh) AS energy_mwh
        FROM gone AS g
        INNER JOIN bi.meter_energy_hourly AS m
            ON m.bucket >= greatest(g.since, g.hours_since) AND m.bucket < g.until
        WHERE g.side = 'meter'
        GROUP BY 1, 3
        UNION ALL
        SELECT
            g.source,
            'vehicle_energy_hourly',
            telemetry.floor_day(v.bucket),
            count(*),
            sum(v.samples),
            sum(v.energy_mwh)
        FROM gone AS g
        INNER JOIN bi.vehicle_energy_hourly AS v
            ON v.bucket >= greatest(g.since, g.hours_since) AND v.bucket < g.until
        WHERE g.side = 'vehicle'
        GROUP BY 1, 3
        UNION ALL
        -- a day of which a part is still there is compared with its readings, or when all of it is gone
        SELECT g.source, 'meter_energy_daily', m.bucket, NULL, sum(m.samples), sum(m.energy_mwh)
        FROM gone AS g
        INNER JOIN bi.meter_energy_daily AS m
            ON m.bucket >= greatest(g.since, g.days_since) AND m.bucket <= g.until - INTERVAL '24 hours'
        WHERE g.side = 'meter'
        GROUP BY 1, 3
        UNION ALL
        SELECT g.source, 'vehicle_energy_daily', v.bucket, NULL, sum(v.samples), sum(v.energy_mwh)
        FROM gone AS g
        INNER JOIN bi.vehicle_energy_daily AS v
            ON v.bucket >= greatest(g.since, g.days_since) AND v.bucket <= g.until - INTERVAL '24 hours'
        WHERE g.side = 'vehicle'
        GROUP BY 1, 3
    ),
    -- what should be there
    proven AS (
        SELECT
            g.source,
            concat(g.side, '_energy_', l.level) AS dataset,
            p.day,
            CASE WHEN l.level = 'hourly' THEN p.device_hours END AS device_hours,
            p.samples,
            p.energy_mwh
        FROM gone AS g
        INNER JOIN telemetry.proven_energy AS p ON p.dataset = g.source AND p.day >= g.since
        CROSS JOIN (VALUES ('hourly'), ('daily')) AS l (level)
        WHERE CASE l.level
            WHEN 'hourly' THEN p.day >= g.hours_since AND p.day < g.until
            ELSE p.day >= g.days_since AND p.day <= g.until - INTERVAL '24 hours'
        END
    )
    SELECT
        coalesce(k.dataset, p.dataset),
        coalesce(k.day, p.day),
        CASE WHEN k.dataset IS NOT NULL THEN (k.energy_mwh, k.samples, k.device_hours)::text END,
        (p.energy_mwh, p.samples, p.device_hours)::text,
        'differs'
    FROM kept AS k
    FULL JOIN proven AS p ON p.dataset = k.dataset AND p.day = k.day
    WHERE p.dataset IS NOT NULL
        AND (k.energy_mwh, k.samples, k.device_hours) IS DISTINCT FROM (p.energy_mwh, p.samples, p.device_hours)
    UNION ALL
    SELECT
        k.dataset,
        min(k.day),
        format('%s days until %s', count(*), max(k.day) + INTERVAL '24 hours'),
        NULL,
        'unchecked'
    FROM kept AS k
    LEFT JOIN proven AS p ON p.dataset = k.dataset AND p.day = k.day
    WHERE p.dataset IS NULL
    GROUP BY k.dataset;
END;
$$;

COMMENT ON FUNCTION telemetry.verify_kept(timestamptz, timestamptz) IS
'Compares the rollups of days whose raw readings were dropped with telemetry.proven_energy. Takes a window of whole hours. Returns rows as ops.verify does, but without devices: for each day that differs the milliwatt-hours, readings and rows of hours of all devices; and one row with the verdict unchecked for each rollup that has days of which nothing was proven, since their readings were dropped past the upkeep.';
REVOKE ALL ON FUNCTION telemetry.verify_kept(timestamptz, timestamptz) FROM PUBLIC;
