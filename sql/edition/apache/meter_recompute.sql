-- Rollups of meters on the Apache edition, built anew from the raw readings.

CREATE OR REPLACE FUNCTION telemetry.recompute_meter_rollups(since timestamptz, until timestamptz)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- who writes meanwhile waits, so that each reading is counted either here or by its trigger
    LOCK TABLE ONLY telemetry.meter_reading IN SHARE ROW EXCLUSIVE MODE;

    -- an open hour before the window is in its meter's state alone; what is found below closes it
    WITH closed AS MATERIALIZED (
        SELECT o.*
        FROM telemetry.meter_state AS o
        WHERE o.hour < recompute_meter_rollups.since
            AND o.hour_last_received_at IS NOT NULL
            AND EXISTS (
                SELECT
                FROM telemetry.meter_reading AS a
                WHERE a.meter_id = o.meter_id
                    AND a.entry = 0
                    AND a.ts >= recompute_meter_rollups.since
                    AND a.ts < recompute_meter_rollups.until
            )
    ),
    hours AS (
        INSERT INTO telemetry.meter_energy_hourly (
            meter_id, bucket, energy_mwh, apportioned_mwh, samples,
            first_reading_at, last_reading_at, last_received_at,
            voltage_mv_min, voltage_mv_max, voltage_mv_sum, voltage_samples
        )
        SELECT
            c.meter_id,
            c.hour,
            c.hour_energy_mwh,
            c.hour_apportioned_mwh,
            c.hour_samples,
            c.hour_first_reading_at,
            c.hour_last_reading_at,
            c.hour_last_received_at,
            c.hour_voltage_mv_min,
            c.hour_voltage_mv_max,
            c.hour_voltage_mv_sum,
            c.hour_voltage_samples
        FROM closed AS c
    )
    INSERT INTO telemetry.meter_energy_daily AS r (
        meter_id, bucket, energy_mwh, apportioned_mwh, samples,
        first_reading_at, last_reading_at, last_received_at,
        voltage_mv_min, voltage_mv_max, voltage_mv_sum, voltage_samples
    )
    SELECT
        c.meter_id,
        public.time_bucket('1 day', c.hour),
        c.hour_energy_mwh,
        c.hour_apportioned_mwh,
        c.hour_samples,
        c.hour_first_reading_at,
        c.hour_last_reading_at,
        c.hour_last_received_at,
        c.hour_voltage_mv_min,
        c.hour_voltage_mv_max,
        c.hour_voltage_mv_sum,
        c.hour_voltage_samples
    FROM closed AS c
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
        voltage_samples = r.voltage_samples + excluded.voltage_samples;

    -- a meter whose state lacks readings, since no trigger saw them, gets its newest
    INSERT INTO telemetry.meter_state AS d (
        meter_id, hour, ts, energy_mwh, voltage_mv, received_at,
        kind, register_mwh, session_no, max_power_kw
    )
    SELECT DISTINCT ON (a.meter_id)
        a.meter_id,
        public.time_bucket('1 hour', a.ts),
        a.ts,
        a.energy_mwh,
        a.voltage_mv,
        a.received_at,
        a.kind,
        a.register_mwh,
        a.session_no,
        (
            SELECT k.max_power_kw
            FROM telemetry.device_setting AS k
            WHERE k.dataset = 'meter_reading' AND k.device_id = a.meter_id
        )
    FROM telemetry.meter_reading AS a
    WHERE a.entry = 0 AND a.ts >= recompute_meter_rollups.since AND a.ts < recompute_meter_rollups.until
    ORDER BY a.meter_id, a.ts DESC
    ON CONFLICT ON CONSTRAINT meter_state_pkey DO UPDATE SET
        hour = greatest(d.hour, excluded.hour),
        ts = excluded.ts,
        earlier_ts = d.ts,
        energy_mwh = excluded.energy_mwh,
        voltage_mv = excluded.voltage_mv,
        received_at = excluded.received_at,
        kind = excluded.kind,
        register_mwh = excluded.register_mwh,
        session_no = excluded.session_no,
        level_mwh = NULL
    WHERE telemetry.is_newer(excluded.ts, d.ts);

    -- one that has corrections alone has no state, but an hour that they are counted in
    INSERT INTO telemetry.meter_state (meter_id, hour)
    SELECT
        a.meter_id,
        max(public.time_bucket('1 hour', a.ts))
    FROM telemetry.meter_reading AS a
    WHERE a.ts >= recompute_meter_rollups.since AND a.ts < recompute_meter_rollups.until
    GROUP BY 1
    ON CONFLICT ON CONSTRAINT meter_state_pkey DO NOTHING;

    UPDATE telemetry.meter_state AS r
    SET
        hour_energy_mwh = coalesce(h.energy_mwh, 0),
        hour_apportioned_mwh = coalesce(h.apportioned_mwh, 0),
        hour_samples = coalesce(h.samples, 0),
        hour_first_reading_at = h.first_reading_at,
        hour_last_reading_at = h.last_reading_at,
        hour_last_received_at = h.last_received_at,
        hour_voltage_mv_min = h.voltage_mv_min,
        hour_voltage_mv_max = h.voltage_mv_max,
        hour_voltage_mv_sum = h.voltage_mv_sum,
        hour_voltage_samples = coalesce(h.voltage_samples, 0)
    FROM telemetry.meter_state AS o
    LEFT JOIN (
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
        FROM telemetry.meter_reading AS a
        INNER JOIN telemetry.meter_state AS n ON n.meter_id = a.meter_id
            AND a.ts >= n.hour AND a.ts < n.hour + INTERVAL '1 hour'
        WHERE a.ts >= recompute_meter_rollups.since AND a.ts < recompute_meter_rollups.until
        GROUP BY 1, 2
    ) AS h ON h.meter_id = o.meter_id
    WHERE o.meter_id = r.meter_id
        AND o.hour >= recompute_meter_rollups.since AND o.hour < recompute_meter_rollups.until;

    DELETE FROM telemetry.meter_energy_hourly AS r
    WHERE r.bucket >= recompute_meter_rollups.since AND r.bucket < recompute_meter_rollups.until;
    INSERT INTO telemetry.meter_energy_hourly (
        meter_id, bucket, energy_mwh, apportioned_mwh, samples,
        first_reading_at, last_reading_at, last_received_at,
        voltage_mv_min, voltage_mv_max, voltage_mv_sum, voltage_samples
    )
    SELECT
        a.meter_id,
        public.time_bucket('1 hour', a.ts),
        sum(a.energy_mwh)::bigint,
        coalesce(sum(a.energy_mwh) FILTER (WHERE a.reason = 'apportioned'), 0)::bigint,
        count(*) FILTER (WHERE a.entry = 0),
        min(a.ts) FILTER (WHERE a.entry = 0),
        max(a.ts) FILTER (WHERE a.entry = 0),
        max(a.received_at),
        min(a.voltage_mv),
        max(a.voltage_mv),
        sum(a.voltage_mv),
        count(a.voltage_mv)
    FROM telemetry.meter_reading AS a
    INNER JOIN telemetry.meter_state AS o ON o.meter_id = a.meter_id
        AND NOT (a.ts >= o.hour AND a.ts < o.hour + INTERVAL '1 hour')
    WHERE a.ts >= recompute_meter_rollups.since AND a.ts < recompute_meter_rollups.until
    GROUP BY 1, 2;

    DELETE FROM telemetry.meter_energy_daily AS r
    WHERE r.bucket >= recompute_meter_rollups.since AND r.bucket < recompute_meter_rollups.until;
    INSERT INTO telemetry.meter_energy_daily (
        meter_id, bucket, energy_mwh, apportioned_mwh, samples,
        first_reading_at, last_reading_at, last_received_at,
        voltage_mv_min, voltage_mv_max, voltage_mv_sum, voltage_samples
    )
    SELECT
        h.meter_id,
        public.time_bucket('1 day', h.bucket),
        sum(h.energy_mwh),
        sum(h.apportioned_mwh),
        sum(h.samples),
        min(h.first_reading_at),
        max(h.last_reading_at),
        max(h.last_received_at),
        min(h.voltage_mv_min),
        max(h.voltage_mv_max),
        sum(h.voltage_mv_sum),
        sum(h.voltage_samples)
    FROM telemetry.meter_energy_hourly AS h
    WHERE h.bucket >= recompute_meter_rollups.since AND h.bucket < recompute_meter_rollups.until
    GROUP BY 1, 2;
END;
$$;

COMMENT ON FUNCTION telemetry.recompute_meter_rollups(timestamptz, timestamptz) IS
'Builds the hourly and daily rollups of whole days anew from telemetry.meter_reading, of which all must be there. Takes the first day''s start (included) and the last day''s end (not included), in UTC. Writers wait until the transaction ends.';
REVOKE ALL ON FUNCTION telemetry.recompute_meter_rollups(timestamptz, timestamptz) FROM PUBLIC;
