-- One row a device on the Apache edition: its latest reading and its open hour, so that a reading which comes in time
-- rewrites one row and not two. Triggers keep it (sql/edition/apache); on the Community edition there is no open hour.

SET LOCAL ROLE wattledger_owner;

DO $$
BEGIN
    IF to_regclass('telemetry.meter_open_hour') IS NULL THEN
        RETURN;
    END IF;

    LOCK TABLE telemetry.meter_open_hour, telemetry.meter_state IN ACCESS EXCLUSIVE MODE;
    ALTER TABLE telemetry.meter_open_hour RENAME COLUMN bucket TO hour;
    ALTER TABLE telemetry.meter_open_hour RENAME COLUMN energy_mwh TO hour_energy_mwh;
    ALTER TABLE telemetry.meter_open_hour RENAME COLUMN samples TO hour_samples;
    ALTER TABLE telemetry.meter_open_hour RENAME COLUMN first_reading_at TO hour_first_reading_at;
    ALTER TABLE telemetry.meter_open_hour RENAME COLUMN last_reading_at TO hour_last_reading_at;
    ALTER TABLE telemetry.meter_open_hour RENAME COLUMN last_received_at TO hour_last_received_at;
    ALTER TABLE telemetry.meter_open_hour RENAME COLUMN voltage_mv_min TO hour_voltage_mv_min;
    ALTER TABLE telemetry.meter_open_hour RENAME COLUMN voltage_mv_max TO hour_voltage_mv_max;
    ALTER TABLE telemetry.meter_open_hour RENAME COLUMN voltage_mv_sum TO hour_voltage_mv_sum;
    ALTER TABLE telemetry.meter_open_hour RENAME COLUMN voltage_samples TO hour_voltage_samples;
    ALTER TABLE telemetry.meter_open_hour
        ADD COLUMN ts timestamptz,
        ADD COLUMN energy_mwh bigint,
        ADD COLUMN voltage_mv integer,
        ADD COLUMN received_at timestamptz;
    INSERT INTO telemetry.meter_open_hour (meter_id, hour, ts, energy_mwh, voltage_mv, received_at)
    SELECT s.meter_id, date_trunc('hour', s.ts, 'UTC'), s.ts, s.energy_mwh, s.voltage_mv, s.received_at
    FROM telemetry.meter_state AS s
    ON CONFLICT (meter_id) DO UPDATE SET
        ts = excluded.ts,
        energy_mwh = excluded.energy_mwh,
        voltage_mv = excluded.voltage_mv,
        received_at = excluded.received_at;
    DROP TABLE telemetry.meter_state;
    ALTER TABLE telemetry.meter_open_hour RENAME TO meter_state;
    ALTER INDEX telemetry.meter_open_hour_pkey RENAME TO meter_state_pkey;
    COMMENT ON TABLE telemetry.meter_state IS
    'Each meter''s latest reading, the newest reading time winning whenever it arrives, and its energy in the newest hour so far. A reading of a newer hour moves that to telemetry.meter_energy_hourly and _daily; until then it is in neither.';
    COMMENT ON COLUMN telemetry.meter_state.hour IS 'Begin of the newest hour, in UTC. It never goes back.';
    COMMENT ON COLUMN telemetry.meter_state.ts IS
    'Time of the latest reading, by the meter''s clock; null where there are corrections alone.';
    COMMENT ON COLUMN telemetry.meter_state.energy_mwh IS
    'AC energy of the latest reading, in milliwatt-hours.';
    COMMENT ON COLUMN telemetry.meter_state.voltage_mv IS
    'Voltage of the latest reading in millivolts; null if it had none.';
    COMMENT ON COLUMN telemetry.meter_state.received_at IS
    'When the latest reading was stored.';

    LOCK TABLE telemetry.vehicle_open_hour, telemetry.vehicle_state IN ACCESS EXCLUSIVE MODE;
    ALTER TABLE telemetry.vehicle_open_hour RENAME COLUMN bucket TO hour;
    ALTER TABLE telemetry.vehicle_open_hour RENAME COLUMN energy_mwh TO hour_energy_mwh;
    ALTER TABLE telemetry.vehicle_open_hour RENAME COLUMN samples TO hour_samples;
    ALTER TABLE telemetry.vehicle_open_hour RENAME COLUMN first_reading_at TO hour_first_reading_at;
    ALTER TABLE telemetry.vehicle_open_hour RENAME COLUMN last_reading_at TO hour_last_reading_at;
    ALTER TABLE telemetry.vehicle_open_hour RENAME COLUMN last_received_at TO hour_last_received_at;
    ALTER TABLE telemetry.vehicle_open_hour RENAME COLUMN soc_mpct_min TO hour_soc_mpct_min;
    ALTER TABLE telemetry.vehicle_open_hour RENAME COLUMN soc_mpct_max TO hour_soc_mpct_max;
    ALTER TABLE telemetry.vehicle_open_hour RENAME COLUMN soc_mpct_sum TO hour_soc_mpct_sum;
    ALTER TABLE telemetry.vehicle_open_hour RENAME COLUMN soc_samples TO hour_soc_samples;
    ALTER TABLE telemetry.vehicle_open_hour RENAME COLUMN battery_temp_mc_min TO hour_battery_temp_mc_min;
    ALTER TABLE telemetry.vehicle_open_hour RENAME COLUMN battery_temp_mc_max TO hour_battery_temp_mc_max;
    ALTER TABLE telemetry.vehicle_open_hour RENAME COLUMN battery_temp_mc_sum TO hour_battery_temp_mc_sum;
    ALTER TABLE telemetry.vehicle_open_hour RENAME COLUMN battery_temp_samples TO hour_battery_temp_samples;
    ALTER TABLE telemetry.vehicle_open_hour
        ADD COLUMN ts timestamptz,
        ADD COLUMN energy_mwh bigint,
        ADD COLUMN soc_mpct integer,
        ADD COLUMN battery_temp_mc integer,
        ADD COLUMN received_at timestamptz;
    INSERT INTO telemetry.vehicle_open_hour (vehicle_id, hour, ts, energy_mwh, soc_mpct, battery_temp_mc, received_at)
    SELECT s.vehicle_id, date_trunc('hour', s.ts, 'UTC'), s.ts, s.energy_mwh, s.soc_mpct, s.battery_temp_mc, s.received_at
    FROM telemetry.vehicle_state AS s
    ON CONFLICT (vehicle_id) DO UPDATE SET
        ts = excluded.ts,
        energy_mwh = excluded.energy_mwh,
        soc_mpct = excluded.soc_mpct,
        battery_temp_mc = excluded.battery_temp_mc,
        received_at = excluded.received_at;
    DROP TABLE telemetry.vehicle_state;
    ALTER TABLE telemetry.vehicle_open_hour RENAME TO vehicle_state;
    ALTER INDEX telemetry.vehicle_open_hour_pkey RENAME TO vehicle_state_pkey;
    COMMENT ON TABLE telemetry.vehicle_state IS
    'Each vehicle''s latest reading, the newest reading time winning whenever it arrives, and its energy in the newest hour so far. A reading of a newer hour moves that to telemetry.vehicle_energy_hourly and _daily; until then it is in neither.';
    COMMENT ON COLUMN telemetry.vehicle_state.hour IS 'Begin of the newest hour, in UTC. It never goes back.';
    COMMENT ON COLUMN telemetry.vehicle_state.ts IS
    'Time of the latest reading, by the vehicle''s clock; null where there are corrections alone.';
    COMMENT ON COLUMN telemetry.vehicle_state.energy_mwh IS
    'DC energy of the latest reading, in milliwatt-hours.';
    COMMENT ON COLUMN telemetry.vehicle_state.soc_mpct IS
    'State of charge of the latest reading in thousandths of a percent; null if it had none.';
    COMMENT ON COLUMN telemetry.vehicle_state.battery_temp_mc IS
    'Battery temperature of the latest reading in thousandths of a degree Celsius; null if it had none.';
    COMMENT ON COLUMN telemetry.vehicle_state.received_at IS
    'When the latest reading was stored.';
END;
$$;
