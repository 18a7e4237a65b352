-- Device state on the Community edition, kept by every write in its own transaction, whoever writes.

CREATE OR REPLACE FUNCTION telemetry.keep_meter_state()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM telemetry.check_isolation();
    PERFORM telemetry.check_complete('meter_reading', (SELECT min(a.ts) FROM added AS a));
    INSERT INTO telemetry.meter_state AS d (
        meter_id, ts, energy_mwh, voltage_mv, received_at,
        kind, register_mwh, session_no, level_mwh, max_power_kw
    )
    SELECT DISTINCT ON (a.meter_id)
        a.meter_id,
        a.ts,
        a.energy_mwh,
        a.voltage_mv,
        a.received_at,
        a.kind,
        a.register_mwh,
        a.session_no,
        a.register_mwh,
        (
            SELECT k.max_power_kw
            FROM telemetry.device_setting AS k
            WHERE k.dataset = 'meter_reading' AND k.device_id = a.meter_id
        )
    FROM added AS a
    WHERE a.entry = 0
    -- in one order for all writers: no deadlock
    ORDER BY a.meter_id, a.ts DESC
    ON CONFLICT ON CONSTRAINT meter_state_pkey DO UPDATE SET
        ts = excluded.ts,
        earlier_ts = nullif(d.ts, '-infinity'),
        energy_mwh = excluded.energy_mwh,
        voltage_mv = excluded.voltage_mv,
        received_at = excluded.received_at,
        kind = excluded.kind,
        register_mwh = excluded.register_mwh,
        session_no = excluded.session_no,
        level_mwh = excluded.level_mwh
    WHERE telemetry.is_newer(excluded.ts, d.ts);
    IF current_setting('wattledger.arrival', TRUE) IS DISTINCT FROM 'judged' THEN
        PERFORM telemetry.settle_written('meter_reading', array_agg(w.meter_id), array_agg(w.day))
        FROM (SELECT DISTINCT a.meter_id, telemetry.utc_day(a.ts) AS day FROM added AS a WHERE a.entry = 0) AS w
        HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.keep_meter_state() IS
'Trigger: moves the states of the meters forward that the new rows of telemetry.meter_reading are of.';
REVOKE ALL ON FUNCTION telemetry.keep_meter_state() FROM PUBLIC;

CREATE OR REPLACE FUNCTION telemetry.keep_vehicle_state()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM telemetry.check_isolation();
    PERFORM telemetry.check_complete('vehicle_reading', (SELECT min(a.ts) FROM added AS a));
    INSERT INTO telemetry.vehicle_state AS d (
        vehicle_id, ts, energy_mwh, soc_mpct, battery_temp_mc, received_at,
        kind, register_mwh, session_no, level_mwh, max_power_kw
    )
    SELECT DISTINCT ON (a.vehicle_id)
        a.vehicle_id,
        a.ts,
        a.energy_mwh,
        a.soc_mpct,
        a.battery_temp_mc,
        a.received_at,
        a.kind,
        a.register_mwh,
        a.session_no,
        a.register_mwh,
        (
            SELECT k.max_power_kw
            FROM telemetry.device_setting AS k
            WHERE k.dataset = 'vehicle_reading' AND k.device_id = a.vehicle_id
        )
    FROM added AS a
    WHERE a.entry = 0
    -- in one order for all writers: no deadlock
    ORDER BY a.vehicle_id, a.ts DESC
    ON CONFLICT ON CONSTRAINT vehicle_state_pkey DO UPDATE SET
        ts = excluded.ts,
        earlier_ts = nullif(d.ts, '-infinity'),
        energy_mwh = excluded.energy_mwh,
        soc_mpct = excluded.soc_mpct,
        battery_temp_mc = excluded.battery_temp_mc,
        received_at = excluded.received_at,
        kind = excluded.kind,
        register_mwh = excluded.register_mwh,
        session_no = excluded.session_no,
        level_mwh = excluded.level_mwh
    WHERE telemetry.is_newer(excluded.ts, d.ts);
    IF current_setting('wattledger.arrival', TRUE) IS DISTINCT FROM 'judged' THEN
        PERFORM telemetry.settle_written('vehicle_reading', array_agg(w.vehicle_id), array_agg(w.day))
        FROM (SELECT DISTINCT a.vehicle_id, telemetry.utc_day(a.ts) AS day FROM added AS a WHERE a.entry = 0) AS w
        HAVING count(*) > 0;
    END IF;
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.keep_vehicle_state() IS
'Trigger: moves the states of the vehicles forward that the new rows of telemetry.vehicle_reading are of.';
REVOKE ALL ON FUNCTION telemetry.keep_vehicle_state() FROM PUBLIC;

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = 'telemetry.meter_reading'::regclass AND t.tgname = 'keep_state'
    ) THEN
        CREATE TRIGGER keep_state AFTER INSERT ON telemetry.meter_reading REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT WHEN (current_setting('wattledger.arrival', TRUE) IS DISTINCT FROM 'in order')
        EXECUTE FUNCTION telemetry.keep_meter_state();
        CREATE TRIGGER keep_state AFTER INSERT ON telemetry.vehicle_reading REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT WHEN (current_setting('wattledger.arrival', TRUE) IS DISTINCT FROM 'in order')
        EXECUTE FUNCTION telemetry.keep_vehicle_state();
    END IF;
END;
$$;
