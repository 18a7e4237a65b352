-- Hot state on the Community edition: each device's latest reading, kept by triggers (sql/edition/community). Nearly
-- every reading rewrites a row, so pages keep room for HOT updates.

SET LOCAL ROLE wattledger_owner;

CREATE TABLE telemetry.meter_state (
    meter_id text COLLATE "C" PRIMARY KEY,
    ts timestamptz NOT NULL,
    energy_mwh bigint NOT NULL,
    voltage_mv integer,
    received_at timestamptz NOT NULL
) WITH (fillfactor = 50);

COMMENT ON TABLE telemetry.meter_state IS
'Each meter''s latest reading: the newest reading time wins, whenever it arrives.';
COMMENT ON COLUMN telemetry.meter_state.meter_id IS 'The smart meter''s id.';
COMMENT ON COLUMN telemetry.meter_state.ts IS 'Time of the latest reading, by the meter''s clock.';
COMMENT ON COLUMN telemetry.meter_state.energy_mwh IS 'AC energy of the latest reading, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.meter_state.voltage_mv IS
'Voltage of the latest reading in millivolts; null if it had none.';
COMMENT ON COLUMN telemetry.meter_state.received_at IS 'When the latest reading was stored.';

CREATE TABLE telemetry.vehicle_state (
    vehicle_id text COLLATE "C" PRIMARY KEY,
    ts timestamptz NOT NULL,
    energy_mwh bigint NOT NULL,
    soc_mpct integer,
    battery_temp_mc integer,
    received_at timestamptz NOT NULL
) WITH (fillfactor = 50);

COMMENT ON TABLE telemetry.vehicle_state IS
'Each vehicle''s latest reading: the newest reading time wins, whenever it arrives.';
COMMENT ON COLUMN telemetry.vehicle_state.vehicle_id IS 'The vehicle''s id.';
COMMENT ON COLUMN telemetry.vehicle_state.ts IS 'Time of the latest reading, by the vehicle''s clock.';
COMMENT ON COLUMN telemetry.vehicle_state.energy_mwh IS 'DC energy of the latest reading, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.vehicle_state.soc_mpct IS
'State of charge of the latest reading in thousandths of a percent; null if it had none.';
COMMENT ON COLUMN telemetry.vehicle_state.battery_temp_mc IS
'Battery temperature of the latest reading in thousandths of a degree Celsius; null if it had none.';
COMMENT ON COLUMN telemetry.vehicle_state.received_at IS 'When the latest reading was stored.';
