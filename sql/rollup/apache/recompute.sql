-- Build rollups anew from the raw readings on the Apache edition, and switch the triggers on.

CREATE OR REPLACE FUNCTION telemetry.recompute_rollups(since timestamptz, until timestamptz)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- who writes meanwhile waits, so that each reading is counted either here or by its trigger
    LOCK TABLE ONLY telemetry.meter_reading, ONLY telemetry.vehicle_reading IN SHARE ROW EXCLUSIVE MODE;

    DELETE FROM telemetry.meter_energy_hourly AS r
    WHERE r.bucket >= recompute_rollups.since AND r.bucket < recompute_rollups.until;
    INSERT INTO telemetry.meter_energy_hourly (
        meter_id,
        bucket,
        energy_mwh,
        samples,
        first_reading_at,
        last_reading_at,
        last_received_at,
        voltage_mv_min,
        voltage_mv_max,
        voltage_mv_sum,
        voltage_samples
    )
    SELECT
        a.meter_id,
        public.time_bucket('1 hour', a.ts),
        sum(a.energy_mwh),
        count(*) FILTER (WHERE a.entry = 0),
        min(a.ts) FILTER (WHERE a.entry = 0),
        max(a.ts) FILTER (WHERE a.entry = 0),
        max(a.received_at),
        min(a.voltage_mv) FILTER (WHERE a.entry = 0),
        max(a.voltage_mv) FILTER (WHERE a.entry = 0),
        sum(a.voltage_mv) FILTER (WHERE a.entry = 0),
        count(a.voltage_mv) FILTER (WHERE a.entry = 0)
    FROM telemetry.meter_reading AS a
    WHERE a.ts >= recompute_rollups.since AND a.ts < recompute_rollups.until
    GROUP BY 1, 2;

    DELETE FROM telemetry.meter_energy_daily AS r
    WHERE r.bucket >= recompute_rollups.since AND r.bucket < recompute_rollups.until;
    INSERT INTO telemetry.meter_energy_daily (
        meter_id,
        bucket,
        energy_mwh,
        samples,
        first_reading_at,
        last_reading_at,
        last_received_at,
        voltage_mv_min,
        voltage_mv_max,
        voltage_mv_sum,
        voltage_samples
    )
    SELECT
        h.meter_id,
        public.time_bucket('1 day', h.bucket),
        sum(h.energy_mwh),
        sum(h.samples),
        min(h.first_reading_at),
        max(h.last_reading_at),
        max(h.last_received_at),
        min(h.voltage_mv_min),
        max(h.voltage_mv_max),
        sum(h.voltage_mv_sum),
        sum(h.voltage_samples)
    FROM telemetry.meter_energy_hourly AS h
    WHERE h.bucket >= recompute_rollups.since AND h.bucket < recompute_rollups.until
    GROUP BY 1, 2;

    DELETE FROM telemetry.vehicle_energy_hourly AS r
    WHERE r.bucket >= recompute_rollups.since AND r.bucket < recompute_rollups.until;
    INSERT INTO telemetry.vehicle_energy_hourly (
        vehicle_id,
        bucket,
        energy_mwh,
        samples,
        first_reading_at,
        last_reading_at,
        last_received_at,
        soc_mpct_min,
        soc_mpct_max,
        soc_mpct_sum,
        soc_samples,
        battery_temp_mc_min,
        battery_temp_mc_max,
        battery_temp_mc_sum,
        battery_temp_samples
    )
    SELECT
        a.vehicle_id,
        public.time_bucket('1 hour', a.ts),
        sum(a.energy_mwh),
        count(*) FILTER (WHERE a.entry = 0),
        min(a.ts) FILTER (WHERE a.entry = 0),
        max(a.ts) FILTER (WHERE a.entry = 0),
        max(a.received_at),
        min(a.soc_mpct) FILTER (WHERE a.entry = 0),
        max(a.soc_mpct) FILTER (WHERE a.entry = 0),
        sum(a.soc_mpct) FILTER (WHERE a.entry = 0),
        count(a.soc_mpct) FILTER (WHERE a.entry = 0),
        min(a.battery_temp_mc) FILTER (WHERE a.entry = 0),
        max(a.battery_temp_mc) FILTER (WHERE a.entry = 0),
        sum(a.battery_temp_mc) FILTER (WHERE a.entry = 0),
        count(a.battery_temp_mc) FILTER (WHERE a.entry = 0)
    FROM telemetry.vehicle_reading AS a
    WHERE a.ts >= recompute_rollups.since AND a.ts < recompute_rollups.until
    GROUP BY 1, 2;

    DELETE FROM telemetry.vehicle_energy_daily AS r
    WHERE r.bucket >= recompute_rollups.since AND r.bucket < recompute_rollups.until;
    INSERT INTO telemetry.vehicle_energy_daily (
        vehicle_id,
        bucket,
        energy_mwh,
        samples,
        first_reading_at,
        last_reading_at,
        last_received_at,
        soc_mpct_min,
        soc_mpct_max,
        soc_mpct_sum,
        soc_samples,
        battery_temp_mc_min,
        battery_temp_mc_max,
        battery_temp_mc_sum,
        battery_temp_samples
    )
    SELECT
        h.vehicle_id,
        public.time_bucket('1 day', h.bucket),
        sum(h.energy_mwh),
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
    WHERE h.bucket >= recompute_rollups.since AND h.bucket < recompute_rollups.until
    GROUP BY 1, 2;
END;
$$;

COMMENT ON FUNCTION telemetry.recompute_rollups(timestamptz, timestamptz) IS
'Builds the hourly and daily rollups of whole days anew from raw readings, which must all be there. Takes the first day''s begin (included) and the last day''s end (not included), in UTC. Writers wait until the transaction ends.';
REVOKE ALL ON FUNCTION telemetry.recompute_rollups(timestamptz, timestamptz) FROM PUBLIC;

DO $$
BEGIN
    -- at the first time: what came before the triggers were there is counted now
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = 'telemetry.meter_reading'::regclass AND t.tgname = 'roll_up'
    ) THEN
        PERFORM telemetry.recompute_rollups('-infinity', 'infinity');
        CREATE TRIGGER roll_up AFTER INSERT ON telemetry.meter_reading REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION telemetry.roll_up_meter_readings();
        CREATE TRIGGER roll_up AFTER INSERT ON telemetry.vehicle_reading REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION telemetry.roll_up_vehicle_readings();
    END IF;
END;
$$;
