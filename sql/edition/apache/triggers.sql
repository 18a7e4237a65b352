-- Triggers of the Apache edition's rollups, switched on.

DO $$
BEGIN
    -- at the first time: what came before the trigger was there is counted now
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = 'telemetry.meter_reading'::regclass AND t.tgname = 'roll_up'
    ) THEN
        PERFORM telemetry.recompute_meter_rollups('-infinity', 'infinity');
        CREATE TRIGGER roll_up AFTER INSERT ON telemetry.meter_reading REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT WHEN (current_setting('wattledger.arrival', TRUE) IS DISTINCT FROM 'in order')
        EXECUTE FUNCTION telemetry.roll_up_meter_readings();
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = 'telemetry.vehicle_reading'::regclass AND t.tgname = 'roll_up'
    ) THEN
        PERFORM telemetry.recompute_vehicle_rollups('-infinity', 'infinity');
        CREATE TRIGGER roll_up AFTER INSERT ON telemetry.vehicle_reading REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT WHEN (current_setting('wattledger.arrival', TRUE) IS DISTINCT FROM 'in order')
        EXECUTE FUNCTION telemetry.roll_up_vehicle_readings();
    END IF;
END;
$$;
