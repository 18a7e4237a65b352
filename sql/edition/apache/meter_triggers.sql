-- Rollups of meters on the Apache edition, kept by every write in its own transaction. A meter's newest hour stands
-- beside its latest reading, in one row, and goes to the hours and days when a newer one starts: a reading that comes
-- in time costs one update.

CREATE OR REPLACE FUNCTION telemetry.roll_up_meter_readings()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_hours bigint;
    v_open bigint;
BEGIN
    PERFORM telemetry.check_isolation();
    PERFORM telemetry.check_complete('meter_reading', (SELECT min(a.ts) FROM added AS a));
    -- each meter's newest hour, in one order for all writers. From here on its row is locked, whether or not its
    -- hour is the open one, so that all hours and days of a meter have one writer at a time: no deadlock, no loss
    WITH hour AS MATERIALIZED (
        SELECT
            a.meter_id,
            public.time_bucket('1 hour', a.ts) AS bucket,
            sum(a.energy_mwh)::bigint AS energy_mwh,
            coalesce(sum(a.energy_mwh) FILTER (WHERE a.reason = 'apportioned'), 0)::bigint AS apportioned_mwh,
            count(*) FILTER (WHERE a.entry = 0) AS samples,
            min(a.ts) FILTER (WHERE a.entry = 0) AS first_reading_at,
            max(a.ts) FILTER (WHERE a.entry = 0) AS last_reading_at,
            max(a.received_at) AS last_received_at,
            min(a.voltage_mv) AS voltage_mv_min,
            max(a.voltage_mv) AS voltage_mv_max,
            sum(a.voltage_mv) AS voltage_mv_sum,
            count(a.voltage_mv) AS voltage_samples
        FROM added AS a
        GROUP BY 1, 2
    ),
    latest AS MATERIALIZED (
        SELECT DISTINCT ON (a.meter_id) a.*
        FROM added AS a
        WHERE a.entry = 0
        ORDER BY a.meter_id, a.ts DESC
    ),
    opened AS (
        INSERT INTO telemetry.meter_state AS r (
            meter_id, hour, hour_energy_mwh, hour_apportioned_mwh, hour_samples,
            hour_first_reading_at, hour_last_reading_at, hour_last_received_at,
            hour_voltage_mv_min, hour_voltage_mv_max, hour_voltage_mv_sum, hour_voltage_samples,
            ts, energy_mwh, voltage_mv, received_at,
            kind, register_mwh, session_no, level_mwh, max_power_kw
        )
        SELECT DISTINCT ON (h.meter_id)
            h.*,
            l.ts,
            l.energy_mwh,
            l.voltage_mv,
            l.received_at,
            l.kind,
            l.register_mwh,
            l.session_no,
            l.register_mwh,
            (
                SELECT k.max_power_kw
                FROM telemetry.device_setting AS k
                WHERE k.dataset = 'meter_reading' AND k.device_id = h.meter_id
            )
        FROM hour AS h
        -- each of them has an hour. FULL joins are never nested loops, which a plan made for a small group would keep
        FULL JOIN latest AS l ON l.meter_id = h.meter_id
        ORDER BY h.meter_id, h.bucket DESC
        ON CONFLICT ON CONSTRAINT meter_state_pkey DO UPDATE SET
            hour_energy_mwh = r.hour_energy_mwh + excluded.hour_energy_mwh,
            hour_apportioned_mwh = r.hour_apportioned_mwh + excluded.hour_apportioned_mwh,
            hour_samples = r.hour_samples + excluded.hour_samples,
            hour_first_reading_at = least(r.hour_first_reading_at, excluded.hour_first_reading_at),
            hour_last_reading_at = greatest(r.hour_last_reading_at, excluded.hour_last_reading_at),
            hour_last_received_at = greatest(r.hour_last_received_at, excluded.hour_last_received_at),
            hour_voltage_mv_min = least(r.hour_voltage_mv_min, excluded.hour_voltage_mv_min),
            hour_voltage_mv_max = greatest(r.hour_voltage_mv_max, excluded.hour_voltage_mv_max),
            hour_voltage_mv_sum = telemetry.total(r.hour_voltage_mv_sum, excluded.hour_voltage_mv_sum),
            hour_voltage_samples = r.hour_voltage_samples + excluded.hour_voltage_samples,
            ts = greatest(r.ts, excluded.ts),
            earlier_ts = CASE WHEN telemetry.is_newer(excluded.ts, r.ts) THEN r.ts ELSE r.earlier_ts END,
            energy_mwh = CASE WHEN telemetry.is_newer(excluded.ts, r.ts) THEN excluded.energy_mwh ELSE r.energy_mwh END,
            voltage_mv = CASE WHEN telemetry.is_newer(excluded.ts, r.ts) THEN excluded.voltage_mv ELSE r.voltage_mv END,
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
        PERFORM telemetry.settle_written('meter_reading', array_agg(w.meter_id), array_agg(w.day))
        FROM (SELECT DISTINCT a.meter_id, telemetry.utc_day(a.ts) AS day FROM added AS a WHERE a.entry = 0) AS w
        HAVING count(*) > 0;
    END IF;
    IF v_hours = v_open THEN
        RETURN NULL;
    END IF;

    -- what is older than the open hour, and open hours that a newer one closes, go where they stay. Another statement,
    -- since it must see the states as they are now that they are locked
    WITH hour AS MATERIALIZED (
        SELECT
            a.meter_id,
            public.time_bucket('1 hour', a.ts) AS bucket,
            sum(a.energy_mwh)::bigint AS energy_mwh,
            coalesce(sum(a.energy_mwh) FILTER (WHERE a.reason = 'apportioned'), 0)::bigint AS apportioned_mwh,
            count(*) FILTER (WHERE a.entry = 0) AS samples,
            min(a.ts) FILTER (WHERE a.entry = 0) AS first_reading_at,
            max(a.ts) FILTER (WHERE a.entry = 0) AS last_reading_at,
            max(a.received_at) AS last_received_at,
            min(a.voltage_mv) AS voltage_mv_min,
            max(a.voltage_mv) AS voltage_mv_max,
            sum(a.voltage_mv) AS voltage_mv_sum,
            count(a.voltage_mv) AS voltage_samples
        FROM added AS a
        GROUP BY 1, 2
    ),
    newest AS MATERIALIZED (
        SELECT DISTINCT ON (h.meter_id) h.*
        FROM hour AS h
        ORDER BY h.meter_id, h.bucket DESC
    ),
    -- newest hours may have corrections alone
    latest AS MATERIALIZED (
        SELECT DISTINCT ON (a.meter_id) a.*
        FROM added AS a
        WHERE a.entry = 0
        ORDER BY a.meter_id, a.ts DESC
    ),
    past AS MATERIALIZED (
        SELECT
            o.meter_id,
            o.hour AS bucket,
            o.hour_energy_mwh AS energy_mwh,
            o.hour_apportioned_mwh AS apportioned_mwh,
            o.hour_samples AS samples,
            o.hour_first_reading_at AS first_reading_at,
            o.hour_last_reading_at AS last_reading_at,
            o.hour_last_received_at AS last_received_at,
            o.hour_voltage_mv_min AS voltage_mv_min,
            o.hour_voltage_mv_max AS voltage_mv_max,
            o.hour_voltage_mv_sum AS voltage_mv_sum,
            o.hour_voltage_samples AS voltage_samples
        FROM telemetry.meter_state AS o
        INNER JOIN newest AS n ON n.meter_id = o.meter_id AND n.bucket > o.hour
        WHERE o.hour_last_received_at IS NOT NULL
        UNION ALL
        SELECT h.*
        FROM hour AS h
        FULL JOIN newest AS n ON n.meter_id = h.meter_id
        INNER JOIN telemetry.meter_state AS o ON o.meter_id = coalesce(h.meter_id, n.meter_id)
        WHERE coalesce(h.bucket, n.bucket) < greatest(n.bucket, o.hour)
    ),
    hours AS (
        INSERT INTO telemetry.meter_energy_hourly AS r (
            meter_id, bucket, energy_mwh, apportioned_mwh, samples,
            first_reading_at, last_reading_at, last_received_at,
            voltage_mv_min, voltage_mv_max, voltage_mv_sum, voltage_samples
        )
        SELECT
            p.meter_id,
            p.bucket,
            sum(p.energy_mwh),
            sum(p.apportioned_mwh),
            sum(p.samples),
            min(p.first_reading_at),
            max(p.last_reading_at),
            max(p.last_received_at),
            min(p.voltage_mv_min),
            max(p.voltage_mv_max),
            sum(p.voltage_mv_sum),
            sum(p.voltage_samples)
        FROM past AS p
        GROUP BY 1, 2
        ORDER BY 2, 1
        ON CONFLICT ON CONSTRAINT meter_energy_hourly_pkey DO UPDATE SET
            energy_mwh = r.energy_mwh + excluded.energy_mwh,
            apportioned_mwh = r.apportioned_mwh + excluded.apportioned_mwh,
            samples = r.samples + excluded.samples,
            first_reading_at = least(r.first_reading_at, excluded.first_reading_at),
            last_reading_at = greatest(r.last_reading_at, excluded.last_reading_at),
            last_received_at = greatest(r.last_received_at, excluded.last_received_at),
            voltage_mv_min = least(r.voltage_mv_min, excluded.voltage_mv_min),
            voltage_mv_max = greatest(r.voltage_mv_max, excluded.voltage_mv_max),
            voltage_mv_sum = telemetry.total(r.voltage_mv_sum, excluded.voltage_mv_sum),
            voltage_samples = r.voltage_samples + excluded.voltage_samples
    ),
    days AS (
        INSERT INTO telemetry.meter_energy_daily AS r (
            meter_id, bucket, energy_mwh, apportioned_mwh, samples,
            first_reading_at, last_reading_at, last_received_at,
            voltage_mv_min, voltage_mv_max, voltage_mv_sum, voltage_samples
        )
        SELECT
            p.meter_id,
            public.time_bucket('1 day', p.bucket),
            sum(p.energy_mwh),
            sum(p.apportioned_mwh),
            sum(p.samples),
            min(p.first_reading_at),
            max(p.last_reading_at),
            max(p.last_received_at),
            min(p.voltage_mv_min),
            max(p.voltage_mv_max),
            sum(p.voltage_mv_sum),
            sum(p.voltage_samples)
        FROM past AS p
        GROUP BY 1, 2
        ORDER BY 2, 1
        ON CONFLICT ON CONSTRAINT meter_energy_daily_pkey DO UPDATE SET
            energy_mwh = r.energy_mwh + excluded.energy_mwh,
            apportioned_mwh = r.apportioned_mwh + excluded.apportioned_mwh,
            samples = r.samples + excluded.samples,
            first_reading_at = least(r.first_reading_at, excluded.first_reading_at),
            last_reading_at = greatest(r.last_reading_at, excluded.last_reading_at),
            last_received_at = greatest(r.last_received_at, excluded.last_received_at),
            voltage_mv_min = least(r.voltage_mv_min, excluded.voltage_mv_min),
            voltage_mv_max = greatest(r.voltage_mv_max, excluded.voltage_mv_max),
            voltage_mv_sum = telemetry.total(r.voltage_mv_sum, excluded.voltage_mv_sum),
            voltage_samples = r.voltage_samples + excluded.voltage_samples
    )
    UPDATE telemetry.meter_state AS r
    SET
        hour = greatest(r.hour, n.bucket),
        hour_energy_mwh = CASE WHEN n.bucket > r.hour THEN n.energy_mwh ELSE r.hour_energy_mwh END,
        hour_apportioned_mwh = CASE WHEN n.bucket > r.hour THEN n.apportioned_mwh ELSE r.hour_apportioned_mwh END,
        hour_samples = CASE WHEN n.bucket > r.hour THEN n.samples ELSE r.hour_samples END,
        hour_first_reading_at = CASE WHEN n.bucket > r.hour THEN n.first_reading_at ELSE r.hour_first_reading_at END,
        hour_last_reading_at = CASE WHEN n.bucket > r.hour THEN n.last_reading_at ELSE r.hour_last_reading_at END,
        hour_last_received_at = CASE WHEN n.bucket > r.hour THEN n.last_received_at ELSE r.hour_last_received_at END,
        hour_voltage_mv_min = CASE WHEN n.bucket > r.hour THEN n.voltage_mv_min ELSE r.hour_voltage_mv_min END,
        hour_voltage_mv_max = CASE WHEN n.bucket > r.hour THEN n.voltage_mv_max ELSE r.hour_voltage_mv_max END,
        hour_voltage_mv_sum = CASE WHEN n.bucket > r.hour THEN n.voltage_mv_sum ELSE r.hour_voltage_mv_sum END,
        hour_voltage_samples = CASE WHEN n.bucket > r.hour THEN n.voltage_samples ELSE r.hour_voltage_samples END,
        ts = greatest(r.ts, l.ts),
        earlier_ts = CASE WHEN telemetry.is_newer(l.ts, r.ts) THEN nullif(r.ts, '-infinity') ELSE r.earlier_ts END,
        energy_mwh = CASE WHEN telemetry.is_newer(l.ts, r.ts) THEN l.energy_mwh ELSE r.energy_mwh END,
        voltage_mv = CASE WHEN telemetry.is_newer(l.ts, r.ts) THEN l.voltage_mv ELSE r.voltage_mv END,
        received_at = CASE WHEN telemetry.is_newer(l.ts, r.ts) THEN l.received_at ELSE r.received_at END,
        kind = CASE WHEN telemetry.is_newer(l.ts, r.ts) THEN l.kind ELSE r.kind END,
        register_mwh = CASE WHEN telemetry.is_newer(l.ts, r.ts) THEN l.register_mwh ELSE r.register_mwh END,
        session_no = CASE WHEN telemetry.is_newer(l.ts, r.ts) THEN l.session_no ELSE r.session_no END,
        level_mwh = CASE WHEN telemetry.is_newer(l.ts, r.ts) THEN l.register_mwh ELSE r.level_mwh END
    FROM newest AS n
    FULL JOIN latest AS l ON l.meter_id = n.meter_id
    WHERE r.meter_id = coalesce(n.meter_id, l.meter_id) AND (n.bucket > r.hour OR telemetry.is_newer(l.ts, r.ts));
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.roll_up_meter_readings() IS
'Trigger: adds the new rows of telemetry.meter_reading to the hours and days that they belong to, and moves the states of their meters forward.';
REVOKE ALL ON FUNCTION telemetry.roll_up_meter_readings() FROM PUBLIC;
