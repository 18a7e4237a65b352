-- Hot state on the Community edition: each device's latest reading, kept by triggers (sql/edition/community). Nearly
-- every reading rewrites a row, so pages keep room for HOT updates.

SET LOCAL ROLE wattledger_owner;

CREATE TABLE telemetry.meter_state (
    meter_id text COLLATE "C" PRIMARY KEY,
    ts timestamptz NOT NULL,
    earlier_ts timestamptz,
    energy_mwh bigint NOT NULL,
    voltage_mv integer,
    received_at timestamptz NOT NULL,
    kind telemetry.reading_kind,
    register_mwh bigint,
    session_no integer,
    level_mwh bigint,
    max_power_kw double precision
) WITH (fillfactor = 50);

COMMENT ON TABLE telemetry.meter_state IS
'Each meter''s latest reading: the newest reading time wins, whenever it arrives.';
COMMENT ON COLUMN telemetry.meter_state.meter_id IS 'The smart meter''s id.';
COMMENT ON COLUMN telemetry.meter_state.ts IS 'Time of the latest reading, by the meter''s clock.';
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

CREATE TABLE telemetry.vehicle_state (
    vehicle_id text COLLATE "C" PRIMARY KEY,
    ts timestamptz NOT NULL,
    earlier_ts timestamptz,
    energy_mwh bigint NOT NULL,
    soc_mpct integer,
    battery_temp_mc integer,
    received_at timestamptz NOT NULL,
    kind telemetry.reading_kind,
    register_mwh bigint,
    session_no integer,
    level_mwh bigint,
    max_power_kw double precision
) WITH (fillfactor = 50);

COMMENT ON TABLE telemetry.vehicle_state IS
'Each vehicle''s latest reading: the newest reading time wins, whenever it arrives.';
COMMENT ON COLUMN telemetry.vehicle_state.vehicle_id IS 'The vehicle''s id.';
COMMENT ON COLUMN telemetry.vehicle_state.ts IS 'Time of the latest reading, by the vehicle''s clock.';
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
