-- Rollups of vehicles on the Apache edition, built anew from the raw readings.

CREATE OR REPLACE FUNCTION telemetry.recompute_vehicle_rollups(since timestamptz, until timestamptz)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- who writes meanwhile waits, so that each reading is counted either here or by its trigger
    LOCK TABLE ONLY telemetry.vehicle_reading IN SHARE ROW EXCLUSIVE MODE;

    -- an open hour before the window is in its vehicle's state alone; what is found below closes it
    WITH closed AS MATERIALIZED (
        SELECT o.*
        FROM telemetry.vehicle_state AS o
        WHERE o.hour < recompute_vehicle_rollups.since
            AND o.hour_last_received_at IS NOT NULL
            AND EXISTS (
                SELECT
                FROM telemetry.vehicle_reading AS a
                WHERE a.vehicle_id = o.vehicle_id
                    AND a.entry = 0
                    AND a.ts >= recompute_vehicle_rollups.since
                    AND a.ts < recompute_vehicle_rollups.until
            )
    ),
    hours AS (
        INSERT INTO telemetry.vehicle_energy_hourly (
            vehicle_id, bucket, energy_mwh, apportioned_mwh, samples,
            first_reading_at, last_reading_at, last_received_at,
            soc_mpct_min, soc_mpct_max, soc_mpct_sum, soc_samples,
            battery_temp_mc_min, battery_temp_mc_max, battery_temp_mc_sum, battery_temp_samples
        )
        SELECT
            c.vehicle_id,
            c.hour,
            c.hour_energy_mwh,
            c.hour_apportioned_mwh,
            c.hour_samples,
            c.hour_first_reading_at,
            c.hour_last_reading_at,
            c.hour_last_received_at,
            c.hour_soc_mpct_min,
            c.hour_soc_mpct_max,
            c.hour_soc_mpct_sum,
            c.hour_soc_samples,
            c.hour_battery_temp_mc_min,
            c.hour_battery_temp_mc_max,
            c.hour_battery_temp_mc_sum,
            c.hour_battery_temp_samples
        FROM closed AS c
    )
    INSERT INTO telemetry.vehicle_energy_daily AS r (
        vehicle_id, bucket, energy_mwh, apportioned_mwh, samples,
        first_reading_at, last_reading_at, last_received_at,
        soc_mpct_min, soc_mpct_max, soc_mpct_sum, soc_samples,
        battery_temp_mc_min, battery_temp_mc_max, battery_temp_mc_sum, battery_temp_samples
    )
    SELECT
        c.vehicle_id,
        public.time_bucket('1 day', c.hour),
        c.hour_energy_mwh,
        c.hour_apportioned_mwh,
        c.hour_samples,
        c.hour_first_reading_at,
        c.hour_last_reading_at,
        c.hour_last_received_at,
        c.hour_soc_mpct_min,
        c.hour_soc_mpct_max,
        c.hour_soc_mpct_sum,
        c.hour_soc_samples,
        c.hour_battery_temp_mc_min,
        c.hour_battery_temp_mc_max,
        c.hour_battery_temp_mc_sum,
        c.hour_battery_temp_samples
    FROM closed AS c
    ON CONFLICT ON CONSTRAINT vehicle_energy_daily_pkey DO UPDATE SET
        energy_mwh = r.energy_mwh + excluded.energy_mwh,
        apportioned_mwh = r.apportioned_mwh + excluded.apportioned_mwh,
        samples = r.samples + excluded.samples,
        first_reading_at = least(r.first_reading_at, excluded.first_reading_at),
        last_reading_at = greatest(r.last_reading_at, excluded.last_reading_at),
        last_received_at = greatest(r.last_received_at, excluded.last_received_at),
        soc_mpct_min = least(r.soc_mpct_min, excluded.soc_mpct_min),
        soc_mpct_max = greatest(r.soc_mpct_max, excluded.soc_mpct_max),
        soc_mpct_sum = telemetry.total(r.soc_mpct_sum, excluded.soc_mpct_sum),
        soc_samples = r.soc_samples + excluded.soc_samples,
        battery_temp_mc_min = least(r.battery_temp_mc_min, excluded.battery_temp_mc_min),
        battery_temp_mc_max = greatest(r.battery_temp_mc_max, excluded.battery_temp_mc_max),
        battery_temp_mc_sum = telemetry.total(r.battery_temp_mc_sum, excluded.battery_temp_mc_sum),
        battery_temp_samples = r.battery_temp_samples + excluded.battery_temp_samples;

    -- a vehicle whose state lacks readings, since no trigger saw them, gets its newest
    INSERT INTO telemetry.vehicle_state AS d (
        vehicle_id, hour, ts, energy_mwh, soc_mpct, battery_temp_mc, received_at,
        kind, register_mwh, session_no, max_power_kw
    )
    SELECT DISTINCT ON (a.vehicle_id)
        a.vehicle_id,
        public.time_bucket('1 hour', a.ts),
        a.ts,
        a.energy_mwh,
        a.soc_mpct,
        a.battery_temp_mc,
        a.received_at,
        a.kind,
        a.register_mwh,
        a.session_no,
        (
            SELECT k.max_power_kw
            FROM telemetry.device_setting AS k
            WHERE k.dataset = 'vehicle_reading' AND k.device_id = a.vehicle_id
        )
    FROM telemetry.vehicle_reading AS a
    WHERE a.entry = 0 AND a.ts >= recompute_vehicle_rollups.since AND a.ts < recompute_vehicle_rollups.until
    ORDER BY a.vehicle_id, a.ts DESC
    ON CONFLICT ON CONSTRAINT vehicle_state_pkey DO UPDATE SET
        hour = greatest(d.hour, excluded.hour),
        ts = excluded.ts,
        earlier_ts = d.ts,
        energy_mwh = excluded.energy_mwh,
        soc_mpct = excluded.soc_mpct,
        battery_temp_mc = excluded.battery_temp_mc,
        received_at = excluded.received_at,
        kind = excluded.kind,
        register_mwh = excluded.register_mwh,
        session_no = excluded.session_no,
        level_mwh = NULL
    WHERE telemetry.is_newer(excluded.ts, d.ts);

    -- one that has corrections alone has no state, but an hour that they are counted in
    INSERT INTO telemetry.vehicle_state (vehicle_id, hour)
    SELECT
        a.vehicle_id,
        max(public.time_bucket('1 hour', a.ts))
    FROM telemetry.vehicle_reading AS a
    WHERE a.ts >= recompute_vehicle_rollups.since AND a.ts < recompute_vehicle_rollups.until
    GROUP BY 1
    ON CONFLICT ON CONSTRAINT vehicle_state_pkey DO NOTHING;

    UPDATE telemetry.vehicle_state AS r
    SET
        hour_energy_mwh = coalesce(h.energy_mwh, 0),
        hour_apportioned_mwh = coalesce(h.apportioned_mwh, 0),
        hour_samples = coalesce(h.samples, 0),
        hour_first_reading_at = h.first_reading_at,
        hour_last_reading_at = h.last_reading_at,
        hour_last_received_at = h.last_received_at,
        hour_soc_mpct_min = h.soc_mpct_min,
        hour_soc_mpct_max = h.soc_mpct_max,
        hour_soc_mpct_sum = h.soc_mpct_sum,
        hour_soc_samples = coalesce(h.soc_samples, 0),
        hour_battery_temp_mc_min = h.battery_temp_mc_min,
        hour_battery_temp_mc_max = h.battery_temp_mc_max,
        hour_battery_temp_mc_sum = h.battery_temp_mc_sum,
        hour_battery_temp_samples = coalesce(h.battery_temp_samples, 0)
    FROM telemetry.vehicle_state AS o
    LEFT JOIN (
        SELECT
            a.vehicle_id,
            public.time_bucket('1 hour', a.ts) AS bucket,
            sum(a.energy_mwh)::bigint AS energy_mwh,
            coalesce(sum(a.energy_mwh) FILTER (WHERE a.reason = 'apportioned'), 0)::bigint AS apportioned_mwh,
            count(*) FILTER (WHERE a.entry = 0) AS samples,
            min(a.ts) FILTER (WHERE a.entry = 0) AS first_reading_at,
            max(a.ts) FILTER (WHERE a.entry = 0) AS last_reading_at,
            max(a.received_at) AS last_received_at,
            min(a.soc_mpct) AS soc_mpct_min,
            max(a.soc_mpct) AS soc_mpct_max,
            sum(a.soc_mpct) AS soc_mpct_sum,
            count(a.soc_mpct) AS soc_samples,
            min(a.battery_temp_mc) AS battery_temp_mc_min,
            max(a.battery_temp_mc) AS battery_temp_mc_max,
            sum(a.battery_temp_mc) AS battery_temp_mc_sum,
            count(a.battery_temp_mc) AS battery_temp_samples
        FROM telemetry.vehicle_reading AS a
        INNER JOIN telemetry.vehicle_state AS n ON n.vehicle_id = a.vehicle_id
            AND a.ts >= n.hour AND a.ts < n.hour + INTERVAL '1 hour'
        WHERE a.ts >= recompute_vehicle_rollups.since AND a.ts < recompute_vehicle_rollups.until
        GROUP BY 1, 2
    ) AS h ON h.vehicle_id = o.vehicle_id
    WHERE o.vehicle_id = r.vehicle_id
        AND o.hour >= recompute_vehicle_rollups.since AND o.hour < recompute_vehicle_rollups.until;

    DELETE FROM telemetry.vehicle_energy_hourly AS r
    WHERE r.bucket >= recompute_vehicle_rollups.since AND r.bucket < recompute_vehicle_rollups.until;
    INSERT INTO telemetry.vehicle_energy_hourly (
        vehicle_id, bucket, energy_mwh, apportioned_mwh, samples,
        first_reading_at, last_reading_at, last_received_at,
        soc_mpct_min, soc_mpct_max, soc_mpct_sum, soc_samples,
        battery_temp_mc_min, battery_temp_mc_max, battery_temp_mc_sum, battery_temp_samples
    )
    SELECT
        a.vehicle_id,
        public.time_bucket('1 hour', a.ts),
        sum(a.energy_mwh)::bigint,
        coalesce(sum(a.energy_mwh) FILTER (WHERE a.reason = 'apportioned'), 0)::bigint,
        count(*) FILTER (WHERE a.entry = 0),
        min(a.ts) FILTER (WHERE a.entry = 0),
        max(a.ts) FILTER (WHERE a.entry = 0),
        max(a.received_at),
        min(a.soc_mpct),
        max(a.soc_mpct),
        sum(a.soc_mpct),
        count(a.soc_mpct),
        min(a.battery_temp_mc),
        max(a.battery_temp_mc),
        sum(a.battery_temp_mc),
        count(a.battery_temp_mc)
    FROM telemetry.vehicle_reading AS a
    INNER JOIN telemetry.vehicle_state AS o ON o.vehicle_id = a.vehicle_id
        AND NOT (a.ts >= o.hour AND a.ts < o.hour + INTERVAL '1 hour')
    WHERE a.ts >= recompute_vehicle_rollups.since AND a.ts < recompute_vehicle_rollups.until
    GROUP BY 1, 2;

    DELETE FROM telemetry.vehicle_energy_daily AS r
    WHERE r.bucket >= recompute_vehicle_rollups.since AND r.bucket < recompute_vehicle_rollups.until;
    INSERT INTO telemetry.vehicle_energy_daily (
        vehicle_id, bucket, energy_mwh, apportioned_mwh, samples,
        first_reading_at, last_reading_at, last_received_at,
        soc_mpct_min, soc_mpct_max, soc_mpct_sum, soc_samples,
        battery_temp_mc_min, battery_temp_mc_max, battery_temp_mc_sum, battery_temp_samples
    )
    SELECT
        h.vehicle_id,
        public.time_bucket('1 day', h.bucket),
        sum(h.energy_mwh),
        sum(h.apportioned_mwh),
        sum(h.samples),
        min(h.first_reading_at),
        max(h.last_reading_at),
        max(h.last_received_at),
        min(h.soc_mpct_min),
        max(h.soc_mpct_max),
        sum(h.soc_mpct_sum),
        sum(h.soc_samples),
        min(h.battery_temp_mc_min),
        max(h.battery_temp_mc_max),
        sum(h.battery_temp_mc_sum),
        sum(h.battery_temp_samples)
    FROM telemetry.vehicle_energy_hourly AS h
    WHERE h.bucket >= recompute_vehicle_rollups.since AND h.bucket < recompute_vehicle_rollups.until
    GROUP BY 1, 2;
END;
$$;

COMMENT ON FUNCTION telemetry.recompute_vehicle_rollups(timestamptz, timestamptz) IS
'Builds the hourly and daily rollups of whole days anew from telemetry.vehicle_reading, of which all must be there. Takes the first day''s start (included) and the last day''s end (not included), in UTC. Writers wait until the transaction ends.';
REVOKE ALL ON FUNCTION telemetry.recompute_vehicle_rollups(timestamptz, timestamptz) FROM PUBLIC;
