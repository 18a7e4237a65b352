-- What a reading may say and when, and what efficiency is judged by. Rows, which a DBA changes without a release.

SET LOCAL ROLE wattledger_owner;

CREATE TABLE telemetry.limits (
    dataset text NOT NULL CHECK (dataset IN ('meter_reading', 'vehicle_reading')),
    field text NOT NULL,
    minimum double precision NOT NULL,
    maximum double precision NOT NULL,
    when_outside text NOT NULL DEFAULT 'refuse' CHECK (when_outside IN ('refuse', 'store_null')),
    PRIMARY KEY (dataset, field),
    -- energy is billed: without it there is no reading
    CHECK (field NOT IN ('energy_kwh', 'register_kwh') OR when_outside = 'refuse'),
    CHECK (minimum <= maximum),
    -- a level is kept to the milliwatt-hour, which a double precision is exact to below 2^53; what else is measured is
    -- stored in thousandths as a 32-bit integer
    CHECK (
        CASE field
            WHEN 'register_kwh' THEN minimum >= 0 AND maximum <= 1e9
            ELSE minimum >= -2e6 AND maximum <= 2e6
        END
    )
);

COMMENT ON TABLE telemetry.limits IS
'Bounds of each measured field, both ends included, and what becomes of a value outside. Every field needs its row.';
COMMENT ON COLUMN telemetry.limits.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.limits.field IS 'The measured quantity, with its unit in the name.';
COMMENT ON COLUMN telemetry.limits.minimum IS 'The least value accepted, in the unit that the field''s name gives.';
COMMENT ON COLUMN telemetry.limits.maximum IS 'The greatest value accepted, in the unit that the field''s name gives.';
COMMENT ON COLUMN telemetry.limits.when_outside IS
'refuse: the whole reading is refused as out_of_range. store_null: the value is taken as not reported, and counted in ops.discarded_measurements; the reading''s energy counts.';

CREATE TABLE telemetry.discarded_measurement (
    dataset text COLLATE "C" NOT NULL,
    field text COLLATE "C" NOT NULL,
    device_id text COLLATE "C" NOT NULL,
    discarded bigint NOT NULL,
    last_value double precision NOT NULL,
    last_read_at timestamptz NOT NULL,
    last_received_at timestamptz NOT NULL,
    PRIMARY KEY (dataset, field, device_id)
);

COMMENT ON TABLE telemetry.discarded_measurement IS
'How often a device sent a value outside its bounds that was stored as null, one row per device and field.';
COMMENT ON COLUMN telemetry.discarded_measurement.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.discarded_measurement.field IS 'The measured quantity, with its unit in the name.';
COMMENT ON COLUMN telemetry.discarded_measurement.device_id IS 'The meter''s or vehicle''s id.';
COMMENT ON COLUMN telemetry.discarded_measurement.discarded IS 'How many stored readings had such a value.';
COMMENT ON COLUMN telemetry.discarded_measurement.last_value IS 'The value of the one that was stored last.';
COMMENT ON COLUMN telemetry.discarded_measurement.last_read_at IS 'When that one was taken, by the device''s clock.';
COMMENT ON COLUMN telemetry.discarded_measurement.last_received_at IS 'When that one was stored.';

-- energy: 1,000 kWh is four hours of a 250 kW charger in one reading, which a device that was offline may send.
-- registers: seven digits, the widest that are common
INSERT INTO telemetry.limits (dataset, field, minimum, maximum) VALUES
('meter_reading', 'energy_kwh', 0, 1000),
('meter_reading', 'register_kwh', 0, 1e7),
('meter_reading', 'voltage_v', 0, 1000),
('vehicle_reading', 'energy_kwh', 0, 1000),
('vehicle_reading', 'register_kwh', 0, 1e7),
('vehicle_reading', 'soc_percent', 0, 100),
('vehicle_reading', 'battery_temp_c', -60, 150);

CREATE TABLE telemetry.rules (
    only_row boolean PRIMARY KEY DEFAULT TRUE CHECK (only_row),
    clock_skew interval NOT NULL DEFAULT '5 minutes' CHECK (clock_skew >= '0'),
    reading_interval interval NOT NULL DEFAULT '1 minute' CHECK (reading_interval > '0'),
    degraded_below numeric NOT NULL DEFAULT 0.85 CHECK (degraded_below BETWEEN 0 AND 1),
    sufficient_energy_kwh numeric NOT NULL DEFAULT 0.1 CHECK (sufficient_energy_kwh >= 0),
    sufficient_coverage numeric NOT NULL DEFAULT 0.5 CHECK (sufficient_coverage BETWEEN 0 AND 1)
);

COMMENT ON TABLE telemetry.rules IS 'The rules of time and of efficiency: exactly one row.';
COMMENT ON COLUMN telemetry.rules.only_row IS 'Always true: the key that keeps this table at one row.';
COMMENT ON COLUMN telemetry.rules.clock_skew IS
'How far ahead of the database''s clock a reading may be. Past it the reading is refused as future.';
COMMENT ON COLUMN telemetry.rules.reading_interval IS
'How often a device is expected to report: what coverage is measured against.';
COMMENT ON COLUMN telemetry.rules.degraded_below IS 'Efficiency (DC / AC) below this is degraded.';
COMMENT ON COLUMN telemetry.rules.sufficient_energy_kwh IS
'With less energy than this, in kWh, on both sides, efficiency is not judged: insufficient.';
COMMENT ON COLUMN telemetry.rules.sufficient_coverage IS
'With a smaller share of the expected readings than this on either side, efficiency is not judged: insufficient.';

INSERT INTO telemetry.rules DEFAULT VALUES;

CREATE FUNCTION telemetry.refuse_removal()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% on telemetry.% is refused: without its rows nothing could be judged or answered',
        TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'WL052', HINT = 'Change the row instead.';
END;
$$;

COMMENT ON FUNCTION telemetry.refuse_removal() IS
'Trigger: raises WL052 on whatever would remove a row of settings that there must be.';

CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.rules
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();
