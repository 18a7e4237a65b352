-- Verification: recompute from the raw readings what is kept beside them, and show every difference.

CREATE OR REPLACE FUNCTION ops.verify(
    since timestamptz DEFAULT now() - INTERVAL '24 hours',
    until timestamptz DEFAULT 'infinity'
)
RETURNS TABLE (dataset text, device_id text, bucket timestamptz, stored text, computed text, verdict text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
-- what differs is shown as text, which has times in it
SET timezone = 'UTC'
SET datestyle = 'ISO'
AS $$
DECLARE
    -- whole hours, of which every reading of the side is there
    v_meters_since timestamptz;
    v_vehicles_since timestamptz;
    -- no reading is that far ahead, and TimescaleDB cannot reckon with infinity
    v_until timestamptz := date_trunc('hour', least(verify.until, now() + INTERVAL '9000 hours'), 'UTC');
BEGIN
    SELECT
        max(s.since) FILTER (WHERE s.dataset = 'meter_reading'),
        max(s.since) FILTER (WHERE s.dataset = 'vehicle_reading')
    INTO v_meters_since, v_vehicles_since
    FROM (
        SELECT
            d.dataset,
            greatest(date_trunc('hour', verify.since, 'UTC'), telemetry.ceiling_hour(d.complete_since)) AS since
        FROM telemetry.dataset AS d
    ) AS s;
    RETURN QUERY
    WITH raw AS (
        SELECT
            'meter' AS side,
            m.meter_id AS device_id,
            m.ts,
            m.entry,
            m.energy_mwh,
            m.voltage_mv AS first_value,
            NULL::integer AS second_value
        FROM telemetry.meter_reading AS m
        WHERE m.ts >= v_meters_since AND m.ts < v_until
        UNION ALL
        SELECT 'vehicle', v.vehicle_id, v.ts, v.entry, v.energy_mwh, v.soc_mpct, v.battery_temp_mc
        FROM telemetry.vehicle_reading AS v
        WHERE v.ts >= v_vehicles_since AND v.ts < v_until
    ),
    hour AS MATERIALIZED (
        SELECT
            r.side,
            r.device_id,
            public.time_bucket('1 hour', r.ts) AS bucket,
            sum(r.energy_mwh)::bigint AS energy_mwh,
            count(*) FILTER (WHERE r.entry = 0) AS samples,
            min(r.ts) FILTER (WHERE r.entry = 0) AS first_reading_at,
            max(r.ts) FILTER (WHERE r.entry = 0) AS last_reading_at,
            sum(r.first_value) AS first_sum,
            sum(r.second_value) AS second_sum
        FROM raw AS r
        GROUP BY 1, 2, 3
    ),
    computed AS (
        SELECT 'hourly' AS level, h.* FROM hour AS h
        UNION ALL
        SELECT
            'daily',
            h.side,
            h.device_id,
            public.time_bucket('1 day', h.bucket),
            sum(h.energy_mwh)::bigint,
            sum(h.samples)::bigint,
            min(h.first_reading_at),
            max(h.last_reading_at),
            sum(h.first_sum)::bigint,
            sum(h.second_sum)::bigint
        FROM hour AS h
        WHERE public.time_bucket('1 day', h.bucket)
            >= CASE h.side WHEN 'meter' THEN v_meters_since ELSE v_vehicles_since END
            AND public.time_bucket('1 day', h.bucket) <= v_until - INTERVAL '24 hours'
        GROUP BY 2, 3, 4
    ),
    stored AS (
        SELECT
            'hourly' AS level,
            'meter' AS side,
            m.meter_id AS device_id,
            m.bucket,
            m.energy_mwh,
            m.samples,
            m.first_reading_at,
            m.last_reading_at,
            m.voltage_mv_sum AS first_sum,
            NULL::bigint AS second_sum
        FROM bi.meter_energy_hourly AS m
        WHERE m.bucket >= v_meters_since AND m.bucket < v_until
        UNION ALL
        SELECT
            'hourly',
            'vehicle',
            v.vehicle_id,
            v.bucket,
            v.energy_mwh,
            v.samples,
            v.first_reading_at,
            v.last_reading_at,
            v.soc_mpct_sum,
            v.battery_temp_mc_sum
        FROM bi.vehicle_energy_hourly AS v
        WHERE v.bucket >= v_vehicles_since AND v.bucket < v_until
        UNION ALL
        SELECT
            'daily',
            'meter',
            m.meter_id,
            m.bucket,
            m.energy_mwh,
            m.samples,
            m.first_reading_at,
            m.last_reading_at,
            m.voltage_mv_sum,
            NULL
        FROM bi.meter_energy_daily AS m
        WHERE m.bucket >= v_meters_since AND m.bucket <= v_until - INTERVAL '24 hours'
        UNION ALL
        SELECT
            'daily',
            'vehicle',
            v.vehicle_id,
            v.bucket,
            v.energy_mwh,
            v.samples,
            v.first_reading_at,
            v.last_reading_at,
            v.soc_mpct_sum,
            v.battery_temp_mc_sum
        FROM bi.vehicle_energy_daily AS v
        WHERE v.bucket >= v_vehicles_since AND v.bucket <= v_until - INTERVAL '24 hours'
    ),
    newest AS (
        SELECT
            k.side,
            k.device_id,
            k.ts,
            -- as it was corrected
            CASE
                WHEN c.kind = 'difference' OR c.value_mwh IS NULL AND c.record_id IS NOT NULL THEN coalesce(c.value_mwh, 0)
                ELSE k.energy_mwh
            END AS energy_mwh,
            k.first_value,
            k.second_value
        FROM (
            SELECT DISTINCT ON (r.side, r.device_id) r.*
            FROM raw AS r
            WHERE r.entry = 0
            ORDER BY r.side, r.device_id, r.ts DESC
        ) AS k
        LEFT JOIN telemetry.corrected_reading AS c
            ON c.dataset = k.side || '_reading' AND c.device_id = k.device_id AND c.ts = k.ts
    ),
    state AS (
        SELECT
            'meter' AS side,
            m.meter_id AS device_id,
            m.ts,
            m.energy_mwh,
            m.voltage_mv AS first_value,
            NULL::integer AS second_value
        FROM telemetry.meter_state AS m
        WHERE m.ts IS NOT NULL
        UNION ALL
        SELECT 'vehicle', v.vehicle_id, v.ts, v.energy_mwh, v.soc_mpct, v.battery_temp_mc
        FROM telemetry.vehicle_state AS v
        WHERE v.ts IS NOT NULL
    )
    SELECT
        concat(coalesce(s.side, c.side), '_energy_', coalesce(s.level, c.level)),
        coalesce(s.device_id, c.device_id),
        coalesce(s.bucket, c.bucket),
        CASE WHEN s.side IS NOT NULL THEN
            (s.energy_mwh, s.samples, s.first_reading_at, s.last_reading_at, s.first_sum, s.second_sum)::text
        END,
        CASE WHEN c.side IS NOT NULL THEN
            (c.energy_mwh, c.samples, c.first_reading_at, c.last_reading_at, c.first_sum, c.second_sum)::text
        END,
        'differs'
    FROM stored AS s
    FULL JOIN computed AS c
        ON c.level = s.level AND c.side = s.side AND c.device_id = s.device_id AND c.bucket = s.bucket
    WHERE (s.energy_mwh, s.samples, s.first_reading_at, s.last_reading_at, s.first_sum, s.second_sum)
        IS DISTINCT FROM
        (c.energy_mwh, c.samples, c.first_reading_at, c.last_reading_at, c.first_sum, c.second_sum)
    UNION ALL
    SELECT
        concat(coalesce(n.side, s.side), '_state'),
        coalesce(n.device_id, s.device_id),
        NULL,
        CASE WHEN s.side IS NOT NULL THEN (s.ts, s.energy_mwh, s.first_value, s.second_value)::text END,
        CASE WHEN n.side IS NOT NULL THEN (n.ts, n.energy_mwh, n.first_value, n.second_value)::text END,
        'differs'
    FROM newest AS n
    FULL JOIN state AS s ON s.side = n.side AND s.device_id = n.device_id
    -- a state outside the window is right where it is newer than what is in the window, or nothing is in there
    WHERE (s.ts, s.energy_mwh, s.first_value, s.second_value)
        IS DISTINCT FROM (n.ts, n.energy_mwh, n.first_value, n.second_value)
        AND (
            s.ts >= CASE s.side WHEN 'meter' THEN v_meters_since ELSE v_vehicles_since END AND s.ts < v_until
            OR (s.ts >= v_until) IS NOT TRUE AND n.side IS NOT NULL
        )
    UNION ALL
    SELECT k.dataset, NULL, k.bucket, k.stored, k.computed, k.verdict
    FROM telemetry.verify_kept(date_trunc('hour', verify.since, 'UTC'), v_until) AS k
    UNION ALL
    SELECT l.*
    FROM telemetry.verify_ledger(verify.since, v_until) AS l
    ORDER BY 1, 2, 3;
END;
$$;

COMMENT ON FUNCTION ops.verify(timestamptz, timestamptz) IS
'Recomputes from the raw readings what is kept beside them: each device''s state, hours and days; where raw readings were dropped, compares hours and days with what was proven then; and folds each device''s readings, as settling does, beside the entries that are posted. Takes a window, by default from 24 hours ago on; it is narrowed to whole hours, and days count where they are in it as a whole. Returns a row for each difference, none where all agrees: the dataset (meter_state, meter_energy_hourly and so on), the device, the bucket, what is stored and what it should be: of a state its time, milliwatt-hours and measurements, of a bucket its milliwatt-hours, readings, first and last time and sums of measurements, times in UTC, and where readings were dropped, over all devices, milliwatt-hours, readings and rows; NULL where there is nothing; and the verdict: differs, unchecked for days of which neither readings nor a proof is left, or unsettled where settling has been due for ten minutes (meter_ledger and vehicle_ledger, whose rows telemetry.verify_device describes). All is seen at one moment, so that it may run while readings come. On the Community edition hours that late readings have changed differ until they are refreshed.';
REVOKE ALL ON FUNCTION ops.verify(timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ops.verify(timestamptz, timestamptz) TO wattledger_dba;
