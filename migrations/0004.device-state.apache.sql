-- Hot state on the Apache edition: each device's latest reading and its newest hour so far, in one row, so that a
-- reading which comes in time rewrites one row and not two. Triggers keep it (sql/edition/apache); pages keep room for
-- HOT updates.

SET LOCAL ROLE wattledger_owner;

CREATE TABLE telemetry.meter_state (
    meter_id text COLLATE "C" PRIMARY KEY,
    ts timestamptz,
    earlier_ts timestamptz,
    energy_mwh bigint,
    voltage_mv integer,
    received_at timestamptz,
    kind telemetry.reading_kind,
    register_mwh bigint,
    session_no integer,
    level_mwh bigint,
    max_power_kw double precision,
    hour timestamptz NOT NULL DEFAULT '-infinity',
    hour_energy_mwh bigint NOT NULL DEFAULT 0,
    hour_apportioned_mwh bigint NOT NULL DEFAULT 0,
    hour_samples bigint NOT NULL DEFAULT 0,
    hour_first_reading_at timestamptz,
    hour_last_reading_at timestamptz,
    hour_last_received_at timestamptz,
    hour_voltage_mv_min integer,
    hour_voltage_mv_max integer,
    hour_voltage_mv_sum bigint,
    hour_voltage_samples bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

COMMENT ON TABLE telemetry.meter_state IS
'Each meter''s latest reading, the newest reading time winning whenever it arrives, and its energy in the newest hour so far. A reading of a newer hour moves that to telemetry.meter_energy_hourly and _daily; until then it is in neither.';
COMMENT ON COLUMN telemetry.meter_state.meter_id IS 'The smart meter''s id.';
COMMENT ON COLUMN telemetry.meter_state.ts IS
'Time of the latest reading, by the meter''s clock; null where there are corrections alone.';
COMMENT ON COLUMN telemetry.meter_state.earlier_ts IS
'Time of the latest reading that was known when this one came; null for the first.';
COMMENT ON COLUMN telemetry.meter_state.energy_mwh IS 'AC energy of the latest reading, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.meter_state.voltage_mv IS
'Voltage of the latest reading in millivolts; null if it had none.';
COMMENT ON COLUMN telemetry.meter_state.received_at IS 'When the latest reading was stored.';
COMMENT ON COLUMN telemetry.meter_state.kind IS
'What the latest reading reported; null where that was a difference that a record takes back.';
COMMENT ON COLUMN telemetry.meter_state.register_mwh IS
'Level of the counter as the latest reading reported it, in milliwatt-hours; null for a difference.';
COMMENT ON COLUMN telemetry.meter_state.session_no IS
'Session of the latest reading, as in telemetry.device_session; null where none was reported.';
COMMENT ON COLUMN telemetry.meter_state.level_mwh IS
'Level that the next reading of the counter counts from at arrival, in milliwatt-hours; null where settling has to judge.';
COMMENT ON COLUMN telemetry.meter_state.max_power_kw IS
'The greatest power of the device, in kW, where telemetry.device_setting has one; null: as telemetry.register_rules says.';
COMMENT ON COLUMN telemetry.meter_state.hour IS 'Start of the newest hour, in UTC. It never goes back.';
COMMENT ON COLUMN telemetry.meter_state.hour_energy_mwh IS 'Energy of all entries of that hour, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.meter_state.hour_apportioned_mwh IS
'What of it was apportioned from longer intervals, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.meter_state.hour_samples IS 'How many readings that hour has.';
COMMENT ON COLUMN telemetry.meter_state.hour_first_reading_at IS
'Time of its first reading; null where there are corrections alone.';
COMMENT ON COLUMN telemetry.meter_state.hour_last_reading_at IS
'Time of its last reading; null where there are corrections alone.';
COMMENT ON COLUMN telemetry.meter_state.hour_last_received_at IS
'When the newest of them was stored; null where there are none any more.';
COMMENT ON COLUMN telemetry.meter_state.hour_voltage_mv_min IS
'Least voltage in millivolts; null where none was reported.';
COMMENT ON COLUMN telemetry.meter_state.hour_voltage_mv_max IS
'Greatest voltage in millivolts; null where none was reported.';
COMMENT ON COLUMN telemetry.meter_state.hour_voltage_mv_sum IS
'Sum of the voltage in millivolts, for averages; null where none was reported.';
COMMENT ON COLUMN telemetry.meter_state.hour_voltage_samples IS 'How many readings reported it.';

CREATE TABLE telemetry.vehicle_state (
    vehicle_id text COLLATE "C" PRIMARY KEY,
    ts timestamptz,
    earlier_ts timestamptz,
    energy_mwh bigint,
    soc_mpct integer,
    battery_temp_mc integer,
    received_at timestamptz,
    kind telemetry.reading_kind,
    register_mwh bigint,
    session_no integer,
    level_mwh bigint,
    max_power_kw double precision,
    hour timestamptz NOT NULL DEFAULT '-infinity',
    hour_energy_mwh bigint NOT NULL DEFAULT 0,
    hour_apportioned_mwh bigint NOT NULL DEFAULT 0,
    hour_samples bigint NOT NULL DEFAULT 0,
    hour_first_reading_at timestamptz,
    hour_last_reading_at timestamptz,
    hour_last_received_at timestamptz,
    hour_soc_mpct_min integer,
    hour_soc_mpct_max integer,
    hour_soc_mpct_sum bigint,
    hour_soc_samples bigint NOT NULL DEFAULT 0,
    hour_battery_temp_mc_min integer,
    hour_battery_temp_mc_max integer,
    hour_battery_temp_mc_sum bigint,
    hour_battery_temp_samples bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

COMMENT ON TABLE telemetry.vehicle_state IS
'Each vehicle''s latest reading, the newest reading time winning whenever it arrives, and its energy in the newest hour so far. A reading of a newer hour moves that to telemetry.vehicle_energy_hourly and _daily; until then it is in neither.';
COMMENT ON COLUMN telemetry.vehicle_state.vehicle_id IS 'The vehicle''s id.';
COMMENT ON COLUMN telemetry.vehicle_state.ts IS
'Time of the latest reading, by the vehicle''s clock; null where there are corrections alone.';
COMMENT ON COLUMN telemetry.vehicle_state.earlier_ts IS
'Time of the latest reading that was known when this one came; null for the first.';
COMMENT ON COLUMN telemetry.vehicle_state.energy_mwh IS 'DC energy of the latest reading, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.vehicle_state.soc_mpct IS
'State of charge of the latest reading in thousandths of a percent; null if it had none.';
COMMENT ON COLUMN telemetry.vehicle_state.battery_temp_mc IS
'Battery temperature of the latest reading in thousandths of a degree Celsius; null if it had none.';
COMMENT ON COLUMN telemetry.vehicle_state.received_at IS 'When the latest reading was stored.';
COMMENT ON COLUMN telemetry.vehicle_state.kind IS
'What the latest reading reported; null where that was a difference that a record takes back.';
COMMENT ON COLUMN telemetry.vehicle_state.register_mwh IS
'Level of the counter as the latest reading reported it, in milliwatt-hours; null for a difference.';
COMMENT ON COLUMN telemetry.vehicle_state.session_no IS
'Session of the latest reading, as in telemetry.device_session; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_state.level_mwh IS
'Level that the next reading of the counter counts from at arrival, in milliwatt-hours; null where settling has to judge.';
COMMENT ON COLUMN telemetry.vehicle_state.max_power_kw IS
'The greatest power of the device, in kW, where telemetry.device_setting has one; null: as telemetry.register_rules says.';
COMMENT ON COLUMN telemetry.vehicle_state.hour IS 'Start of the newest hour, in UTC. It never goes back.';
COMMENT ON COLUMN telemetry.vehicle_state.hour_energy_mwh IS 'Energy of all entries of that hour, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.vehicle_state.hour_apportioned_mwh IS
'What of it was apportioned from longer intervals, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.vehicle_state.hour_samples IS 'How many readings that hour has.';
COMMENT ON COLUMN telemetry.vehicle_state.hour_first_reading_at IS
'Time of its first reading; null where there are corrections alone.';
COMMENT ON COLUMN telemetry.vehicle_state.hour_last_reading_at IS
'Time of its last reading; null where there are corrections alone.';
COMMENT ON COLUMN telemetry.vehicle_state.hour_last_received_at IS
'When the newest of them was stored; null where there are none any more.';
COMMENT ON COLUMN telemetry.vehicle_state.hour_soc_mpct_min IS
'Least state of charge in thousandths of a percent; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_state.hour_soc_mpct_max IS
'Greatest state of charge in thousandths of a percent; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_state.hour_soc_mpct_sum IS
'Sum of the state of charge in thousandths of a percent, for averages; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_state.hour_soc_samples IS 'How many readings reported it.';
COMMENT ON COLUMN telemetry.vehicle_state.hour_battery_temp_mc_min IS
'Least battery temperature in thousandths of a degree Celsius; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_state.hour_battery_temp_mc_max IS
'Greatest battery temperature in thousandths of a degree Celsius; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_state.hour_battery_temp_mc_sum IS
'Sum of the battery temperature in thousandths of a degree Celsius, for averages; null where none was reported.';
COMMENT ON COLUMN telemetry.vehicle_state.hour_battery_temp_samples IS 'How many readings reported it.';
