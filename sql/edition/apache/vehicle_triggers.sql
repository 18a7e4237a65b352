-- Rollups of vehicles on the Apache edition, kept by every write in its own transaction. A vehicle's newest hour stands
-- beside its latest reading, in one row, and goes to the hours and days when a newer one starts: a reading that comes
-- in time costs one update.

CREATE OR REPLACE FUNCTION telemetry.roll_up_vehicle_readings()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_hours bigint;
    v_open bigint;
BEGIN
    PERFORM telemetry.check_isolation();
    PERFORM telemetry.check_complete('vehicle_reading', (SELECT min(a.ts) FROM added AS a));
    -- each vehicle's newest hour, in one order for all writers. From here on its row is locked, whether or not its
    -- hour is the open one, so that all hours and days of a vehicle have one writer at a time: no deadlock, no loss
    WITH hour AS MATERIALIZED (
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
        FROM added AS a
        GROUP BY 1, 2
    ),
    latest AS MATERIALIZED (
        SELECT DISTINCT ON (a.vehicle_id) a.*
        FROM added AS a
        WHERE a.entry = 0
        ORDER BY a.vehicle_id, a.ts DESC
    ),
    opened AS (
        INSERT INTO telemetry.vehicle_state AS r (
            vehicle_id, hour, hour_energy_mwh, hour_apportioned_mwh, hour_samples,
            hour_first_reading_at, hour_last_reading_at, hour_last_received_at,
            hour_soc_mpct_min, hour_soc_mpct_max, hour_soc_mpct_sum, hour_soc_samples,
            hour_battery_temp_mc_min, hour_battery_temp_mc_max, hour_battery_temp_mc_sum, hour_battery_temp_samples,
            ts, energy_mwh, soc_mpct, battery_temp_mc, received_at,
            kind, register_mwh, session_no, level_mwh, max_power_kw
        )
        SELECT DISTINCT ON (h.vehicle_id)
            h.*,
            l.ts,
            l.energy_mwh,
            l.soc_mpct,
            l.battery_temp_mc,
            l.received_at,
            l.kind,
            l.register_mwh,
            l.session_no,
            l.register_mwh,
            (
                SELECT k.max_power_kw
                FROM telemetry.device_setting AS k
                WHERE k.dataset = 'vehicle_reading' AND k.device_id = h.vehicle_id
            )
        FROM hour AS h
        -- each of them has an hour. FULL joins are never nested loops, which a plan made for a small group would keep
        FULL JOIN latest AS l ON l.vehicle_id = h.vehicle_id
        ORDER BY h.vehicle_id, h.bucket DESC
        ON CONFLICT ON CONSTRAINT vehicle_state_pkey DO UPDATE SET
            hour_energy_mwh = r.hour_energy_mwh + excluded.hour_energy_mwh,
            hour_apportioned_mwh = r.hour_apportioned_mwh + excluded.hour_apportioned_mwh,
            hour_samples = r.hour_samples + excluded.hour_samples,
            hour_first_reading_at = least(r.hour_first_reading_at, excluded.hour_first_reading_at),
            hour_last_reading_at = greatest(r.hour_last_reading_at, excluded.hour_last_reading_at),
            hour_last_received_at = greatest(r.hour_last_received_at, excluded.hour_last_received_at),
            hour_soc_mpct_min = least(r.hour_soc_mpct_min, excluded.hour_soc_mpct_min),
            hour_soc_mpct_max = greatest(r.hour_soc_mpct_max, excluded.hour_soc_mpct_max),
            hour_soc_mpct_sum = telemetry.total(r.hour_soc_mpct_sum, excluded.hour_soc_mpct_sum),
            hour_soc_samples = r.hour_soc_samples + excluded.hour_soc_samples,
            hour_battery_temp_mc_min = least(r.hour_battery_temp_mc_min, excluded.hour_battery_temp_mc_min),
            hour_battery_temp_mc_max = greatest(r.hour_battery_temp_mc_max, excluded.hour_battery_temp_mc_max),
            hour_battery_temp_mc_sum = telemetry.total(r.hour_battery_temp_mc_sum, excluded.hour_battery_temp_mc_sum),
            hour_battery_temp_samples = r.hour_battery_temp_samples + excluded.hour_battery_temp_samples,
            ts = greatest(r.ts, excluded.ts),
            earlier_ts = CASE WHEN telemetry.is_newer(excluded.ts, r.ts) THEN r.ts ELSE r.earlier_ts END,
            energy_mwh = CASE WHEN telemetry.is_newer(excluded.ts, r.ts) THEN excluded.energy_mwh ELSE r.energy_mwh END,
            soc_mpct = CASE WHEN telemetry.is_newer(excluded.ts, r.ts) THEN excluded.soc_mpct ELSE r.soc_mpct END,
            battery_temp_mc = CASE WHEN telemetry.is_newer(excluded.ts, r.ts) THEN excluded.battery_temp_mc ELSE r.battery_temp_mc END,
            received_at = CASE WHEN telemetry.is_newer(excluded.ts, r.ts) THEN excluded.received_at ELSE r.received_at END,
            kind = CASE WHEN telemetry.is_newer(excluded.ts, r.ts) THEN excluded.kind ELSE r.kind END,
            register_mwh = CASE WHEN telemetry.is_newer(excluded.ts, r.ts) THEN excluded.register_mwh ELSE r.register_mwh END,
            session_no = CASE WHEN telemetry.is_newer(excluded.ts, r.ts) THEN excluded.session_no ELSE r.session_no END,
            level_mwh = CASE WHEN telemetry.is_newer(excluded.ts, r.ts) THEN excluded.register_mwh ELSE r.level_mwh END
        WHERE r.hour = excluded.hour
        RETURNING TRUE
    )
    SELECT (SELECT count(*) FROM hour), (SELECT count(*) FROM opened) INTO v_hours, v_open;
    IF current_setting('wattledger.arrival', TRUE) IS DISTINCT FROM 'judged' THEN
        PERFORM telemetry.settle_written('vehicle_reading', array_agg(w.vehicle_id), array_agg(w.day))
        FROM (SELECT DISTINCT a.vehicle_id, telemetry.utc_day(a.ts) AS day FROM added AS a WHERE a.entry = 0) AS w
        HAVING count(*) > 0;
    END IF;
    IF v_hours = v_open THEN
        RETURN NULL;
    END IF;

    -- what is older than the open hour, and open hours that a newer one closes, go where they stay. Another statement,
    -- since it must see the states as they are now that they are locked
    WITH hour AS MATERIALIZED (
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
        FROM added AS a
        GROUP BY 1, 2
    ),
    newest AS MATERIALIZED (
        SELECT DISTINCT ON (h.vehicle_id) h.*
        FROM hour AS h
        ORDER BY h.vehicle_id, h.bucket DESC
    ),
    -- newest hours may have corrections alone
    latest AS MATERIALIZED (
        SELECT DISTINCT ON (a.vehicle_id) a.*
        FROM added AS a
        WHERE a.entry = 0
        ORDER BY a.vehicle_id, a.ts DESC
    ),
    past AS MATERIALIZED (
        SELECT
            o.vehicle_id,
            o.hour AS bucket,
            o.hour_energy_mwh AS energy_mwh,
            o.hour_apportioned_mwh AS apportioned_mwh,
            o.hour_samples AS samples,
            o.hour_first_reading_at AS first_reading_at,
            o.hour_last_reading_at AS last_reading_at,
            o.hour_last_received_at AS last_received_at,
            o.hour_soc_mpct_min AS soc_mpct_min,
            o.hour_soc_mpct_max AS soc_mpct_max,
            o.hour_soc_mpct_sum AS soc_mpct_sum,
            o.hour_soc_samples AS soc_samples,
            o.hour_battery_temp_mc_min AS battery_temp_mc_min,
            o.hour_battery_temp_mc_max AS battery_temp_mc_max,
            o.hour_battery_temp_mc_sum AS battery_temp_mc_sum,
            o.hour_battery_temp_samples AS battery_temp_samples
        FROM telemetry.vehicle_state AS o
        INNER JOIN newest AS n ON n.vehicle_id = o.vehicle_id AND n.bucket > o.hour
        WHERE o.hour_last_received_at IS NOT NULL
        UNION ALL
        SELECT h.*
        FROM hour AS h
        FULL JOIN newest AS n ON n.vehicle_id = h.vehicle_id
        INNER JOIN telemetry.vehicle_state AS o ON o.vehicle_id = coalesce(h.vehicle_id, n.vehicle_id)
        WHERE coalesce(h.bucket, n.bucket) < greatest(n.bucket, o.hour)
    ),
    hours AS (
        INSERT INTO telemetry.vehicle_energy_hourly AS r (
            vehicle_id, bucket, energy_mwh, apportioned_mwh, samples,
            first_reading_at, last_reading_at, last_received_at,
            soc_mpct_min, soc_mpct_max, soc_mpct_sum, soc_samples,
            battery_temp_mc_min, battery_temp_mc_max, battery_temp_mc_sum, battery_temp_samples
        )
        SELECT
            p.vehicle_id,
            p.bucket,
            sum(p.energy_mwh),
            sum(p.apportioned_mwh),
            sum(p.samples),
            min(p.first_reading_at),
            max(p.last_reading_at),
            max(p.last_received_at),
            min(p.soc_mpct_min),
            max(p.soc_mpct_max),
            sum(p.soc_mpct_sum),
            sum(p.soc_samples),
            min(p.battery_temp_mc_min),
            max(p.battery_temp_mc_max),
            sum(p.battery_temp_mc_sum),
            sum(p.battery_temp_samples)
        FROM past AS p
        GROUP BY 1, 2
        ORDER BY 2, 1
        ON CONFLICT ON CONSTRAINT vehicle_energy_hourly_pkey DO UPDATE SET
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
            battery_temp_samples = r.battery_temp_samples + excluded.battery_temp_samples
    ),
    days AS (
        INSERT INTO telemetry.vehicle_energy_daily AS r (
            vehicle_id, bucket, energy_mwh, apportioned_mwh, samples,
            first_reading_at, last_reading_at, last_received_at,
            soc_mpct_min, soc_mpct_max, soc_mpct_sum, soc_samples,
            battery_temp_mc_min, battery_temp_mc_max, battery_temp_mc_sum, battery_temp_samples
        )
        SELECT
            p.vehicle_id,
            public.time_bucket('1 day', p.bucket),
            sum(p.energy_mwh),
            sum(p.apportioned_mwh),
            sum(p.samples),
            min(p.first_reading_at),
            max(p.last_reading_at),
            max(p.last_received_at),
            min(p.soc_mpct_min),
            max(p.soc_mpct_max),
            sum(p.soc_mpct_sum),
            sum(p.soc_samples),
            min(p.battery_temp_mc_min),
            max(p.battery_temp_mc_max),
            sum(p.battery_temp_mc_sum),
            sum(p.battery_temp_samples)
        FROM past AS p
        GROUP BY 1, 2
        ORDER BY 2, 1
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
            battery_temp_samples = r.battery_temp_samples + excluded.battery_temp_samples
    )
    UPDATE telemetry.vehicle_state AS r
    SET
        hour = greatest(r.hour, n.bucket),
        hour_energy_mwh = CASE WHEN n.bucket > r.hour THEN n.energy_mwh ELSE r.hour_energy_mwh END,
        hour_apportioned_mwh = CASE WHEN n.bucket > r.hour THEN n.apportioned_mwh ELSE r.hour_apportioned_mwh END,
        hour_samples = CASE WHEN n.bucket > r.hour THEN n.samples ELSE r.hour_samples END,
        hour_first_reading_at = CASE WHEN n.bucket > r.hour THEN n.first_reading_at ELSE r.hour_first_reading_at END,
        hour_last_reading_at = CASE WHEN n.bucket > r.hour THEN n.last_reading_at ELSE r.hour_last_reading_at END,
        hour_last_received_at = CASE WHEN n.bucket > r.hour THEN n.last_received_at ELSE r.hour_last_received_at END,
        hour_soc_mpct_min = CASE WHEN n.bucket > r.hour THEN n.soc_mpct_min ELSE r.hour_soc_mpct_min END,
        hour_soc_mpct_max = CASE WHEN n.bucket > r.hour THEN n.soc_mpct_max ELSE r.hour_soc_mpct_max END,
        hour_soc_mpct_sum = CASE WHEN n.bucket > r.hour THEN n.soc_mpct_sum ELSE r.hour_soc_mpct_sum END,
        hour_soc_samples = CASE WHEN n.bucket > r.hour THEN n.soc_samples ELSE r.hour_soc_samples END,
        hour_battery_temp_mc_min = CASE WHEN n.bucket > r.hour THEN n.battery_temp_mc_min ELSE r.hour_battery_temp_mc_min END,
        hour_battery_temp_mc_max = CASE WHEN n.bucket > r.hour THEN n.battery_temp_mc_max ELSE r.hour_battery_temp_mc_max END,
        hour_battery_temp_mc_sum = CASE WHEN n.bucket > r.hour THEN n.battery_temp_mc_sum ELSE r.hour_battery_temp_mc_sum END,
        hour_battery_temp_samples = CASE WHEN n.bucket > r.hour THEN n.battery_temp_samples ELSE r.hour_battery_temp_samples END,
        ts = greatest(r.ts, l.ts),
        earlier_ts = CASE WHEN telemetry.is_newer(l.ts, r.ts) THEN nullif(r.ts, '-infinity') ELSE r.earlier_ts END,
        energy_mwh = CASE WHEN telemetry.is_newer(l.ts, r.ts) THEN l.energy_mwh ELSE r.energy_mwh END,
        soc_mpct = CASE WHEN telemetry.is_newer(l.ts, r.ts) THEN l.soc_mpct ELSE r.soc_mpct END,
        battery_temp_mc = CASE WHEN telemetry.is_newer(l.ts, r.ts) THEN l.battery_temp_mc ELSE r.battery_temp_mc END,
        received_at = CASE WHEN telemetry.is_newer(l.ts, r.ts) THEN l.received_at ELSE r.received_at END,
        kind = CASE WHEN telemetry.is_newer(l.ts, r.ts) THEN l.kind ELSE r.kind END,
        register_mwh = CASE WHEN telemetry.is_newer(l.ts, r.ts) THEN l.register_mwh ELSE r.register_mwh END,
        session_no = CASE WHEN telemetry.is_newer(l.ts, r.ts) THEN l.session_no ELSE r.session_no END,
        level_mwh = CASE WHEN telemetry.is_newer(l.ts, r.ts) THEN l.register_mwh ELSE r.level_mwh END
    FROM newest AS n
    FULL JOIN latest AS l ON l.vehicle_id = n.vehicle_id
    WHERE r.vehicle_id = coalesce(n.vehicle_id, l.vehicle_id) AND (n.bucket > r.hour OR telemetry.is_newer(l.ts, r.ts));
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.roll_up_vehicle_readings() IS
'Trigger: adds the new rows of telemetry.vehicle_reading to the hours and days that they belong to, and moves the states of their vehicles forward.';
REVOKE ALL ON FUNCTION telemetry.roll_up_vehicle_readings() FROM PUBLIC;
