-- Rollups on the Apache edition: every new reading is added to its hour and day in its own transaction, whoever writes.

CREATE OR REPLACE FUNCTION telemetry.roll_up_meter_readings()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- one lock order for all writers: no deadlock. Time leads, as in the ingest functions
    INSERT INTO telemetry.meter_energy_hourly AS r (
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
    FROM added AS a
    GROUP BY 1, 2
    ORDER BY 2, 1
    ON CONFLICT ON CONSTRAINT meter_energy_hourly_pkey DO UPDATE SET
        energy_mwh = r.energy_mwh + excluded.energy_mwh,
        samples = r.samples + excluded.samples,
        first_reading_at = least(r.first_reading_at, excluded.first_reading_at),
        last_reading_at = greatest(r.last_reading_at, excluded.last_reading_at),
        last_received_at = greatest(r.last_received_at, excluded.last_received_at),
        voltage_mv_min = least(r.voltage_mv_min, excluded.voltage_mv_min),
        voltage_mv_max = greatest(r.voltage_mv_max, excluded.voltage_mv_max),
        voltage_mv_sum = coalesce(r.voltage_mv_sum + excluded.voltage_mv_sum, r.voltage_mv_sum, excluded.voltage_mv_sum),
        voltage_samples = r.voltage_samples + excluded.voltage_samples;

    INSERT INTO telemetry.meter_energy_daily AS r (
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
        public.time_bucket('1 day', a.ts),
        sum(a.energy_mwh),
        count(*) FILTER (WHERE a.entry = 0),
        min(a.ts) FILTER (WHERE a.entry = 0),
        max(a.ts) FILTER (WHERE a.entry = 0),
        max(a.received_at),
        min(a.voltage_mv) FILTER (WHERE a.entry = 0),
        max(a.voltage_mv) FILTER (WHERE a.entry = 0),
        sum(a.voltage_mv) FILTER (WHERE a.entry = 0),
        count(a.voltage_mv) FILTER (WHERE a.entry = 0)
    FROM added AS a
    GROUP BY 1, 2
    ORDER BY 2, 1
    ON CONFLICT ON CONSTRAINT meter_energy_daily_pkey DO UPDATE SET
        energy_mwh = r.energy_mwh + excluded.energy_mwh,
        samples = r.samples + excluded.samples,
        first_reading_at = least(r.first_reading_at, excluded.first_reading_at),
        last_reading_at = greatest(r.last_reading_at, excluded.last_reading_at),
        last_received_at = greatest(r.last_received_at, excluded.last_received_at),
        voltage_mv_min = least(r.voltage_mv_min, excluded.voltage_mv_min),
        voltage_mv_max = greatest(r.voltage_mv_max, excluded.voltage_mv_max),
        voltage_mv_sum = coalesce(r.voltage_mv_sum + excluded.voltage_mv_sum, r.voltage_mv_sum, excluded.voltage_mv_sum),
        voltage_samples = r.voltage_samples + excluded.voltage_samples;
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.roll_up_meter_readings() IS
'Trigger: adds the new rows of telemetry.meter_reading to the hours and days that they belong to.';
REVOKE ALL ON FUNCTION telemetry.roll_up_meter_readings() FROM PUBLIC;

CREATE OR REPLACE FUNCTION telemetry.roll_up_vehicle_readings()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- one lock order for all writers: no deadlock. Time leads, as in the ingest functions
    INSERT INTO telemetry.vehicle_energy_hourly AS r (
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
    FROM added AS a
    GROUP BY 1, 2
    ORDER BY 2, 1
    ON CONFLICT ON CONSTRAINT vehicle_energy_hourly_pkey DO UPDATE SET
        energy_mwh = r.energy_mwh + excluded.energy_mwh,
        samples = r.samples + excluded.samples,
        first_reading_at = least(r.first_reading_at, excluded.first_reading_at),
        last_reading_at = greatest(r.last_reading_at, excluded.last_reading_at),
        last_received_at = greatest(r.last_received_at, excluded.last_received_at),
        soc_mpct_min = least(r.soc_mpct_min, excluded.soc_mpct_min),
        soc_mpct_max = greatest(r.soc_mpct_max, excluded.soc_mpct_max),
        soc_mpct_sum = coalesce(r.soc_mpct_sum + excluded.soc_mpct_sum, r.soc_mpct_sum, excluded.soc_mpct_sum),
        soc_samples = r.soc_samples + excluded.soc_samples,
        battery_temp_mc_min = least(r.battery_temp_mc_min, excluded.battery_temp_mc_min),
        battery_temp_mc_max = greatest(r.battery_temp_mc_max, excluded.battery_temp_mc_max),
        battery_temp_mc_sum = coalesce(r.battery_temp_mc_sum + excluded.battery_temp_mc_sum, r.battery_temp_mc_sum, excluded.battery_temp_mc_sum),
        battery_temp_samples = r.battery_temp_samples + excluded.battery_temp_samples;

    INSERT INTO telemetry.vehicle_energy_daily AS r (
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
        public.time_bucket('1 day', a.ts),
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
    FROM added AS a
    GROUP BY 1, 2
    ORDER BY 2, 1
    ON CONFLICT ON CONSTRAINT vehicle_energy_daily_pkey DO UPDATE SET
        energy_mwh = r.energy_mwh + excluded.energy_mwh,
        samples = r.samples + excluded.samples,
        first_reading_at = least(r.first_reading_at, excluded.first_reading_at),
        last_reading_at = greatest(r.last_reading_at, excluded.last_reading_at),
        last_received_at = greatest(r.last_received_at, excluded.last_received_at),
        soc_mpct_min = least(r.soc_mpct_min, excluded.soc_mpct_min),
        soc_mpct_max = greatest(r.soc_mpct_max, excluded.soc_mpct_max),
        soc_mpct_sum = coalesce(r.soc_mpct_sum + excluded.soc_mpct_sum, r.soc_mpct_sum, excluded.soc_mpct_sum),
        soc_samples = r.soc_samples + excluded.soc_samples,
        battery_temp_mc_min = least(r.battery_temp_mc_min, excluded.battery_temp_mc_min),
        battery_temp_mc_max = greatest(r.battery_temp_mc_max, excluded.battery_temp_mc_max),
        battery_temp_mc_sum = coalesce(r.battery_temp_mc_sum + excluded.battery_temp_mc_sum, r.battery_temp_mc_sum, excluded.battery_temp_mc_sum),
        battery_temp_samples = r.battery_temp_samples + excluded.battery_temp_samples;
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.roll_up_vehicle_readings() IS
'Trigger: adds the new rows of telemetry.vehicle_reading to the hours and days that they belong to.';
REVOKE ALL ON FUNCTION telemetry.roll_up_vehicle_readings() FROM PUBLIC;
