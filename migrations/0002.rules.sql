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
    degraded_below double precision NOT NULL DEFAULT 0.85 CHECK (degraded_below BETWEEN 0 AND 1),
    full_kw double precision NOT NULL DEFAULT 4.2 CHECK (full_kw > slow_kw),
    slow_degraded_below double precision NOT NULL DEFAULT 0.75
    CHECK (slow_degraded_below BETWEEN 0 AND 1),
    slow_kw double precision NOT NULL DEFAULT 2.3 CHECK (slow_kw > 0),
    cold_below_c double precision NOT NULL DEFAULT 7,
    cold_allowance double precision NOT NULL DEFAULT 0.15 CHECK (cold_allowance BETWEEN 0 AND 1),
    cold_heating_kwh double precision NOT NULL DEFAULT 3 CHECK (cold_heating_kwh >= 0),
    drifting_below_usual double precision NOT NULL DEFAULT 0.05
    CHECK (drifting_below_usual BETWEEN 0 AND 1),
    drifting_after integer NOT NULL DEFAULT 3 CHECK (drifting_after > 0),
    idle_below_kw double precision NOT NULL DEFAULT 0.1 CHECK (idle_below_kw >= 0),
    session_ends_after interval NOT NULL DEFAULT '30 minutes' CHECK (session_ends_after > '0'),
    smallest_session_kwh double precision NOT NULL DEFAULT 0.1 CHECK (smallest_session_kwh >= 0),
    frozen_above_kwh double precision NOT NULL DEFAULT 1 CHECK (frozen_above_kwh >= 0),
    greatest_uncertainty double precision NOT NULL DEFAULT 0.1 CHECK (greatest_uncertainty > 0),
    sufficient_energy_kwh double precision NOT NULL DEFAULT 5 CHECK (sufficient_energy_kwh >= 0),
    sufficient_coverage double precision NOT NULL DEFAULT 0.5
    CHECK (sufficient_coverage BETWEEN 0 AND 1),
    alert_after integer NOT NULL DEFAULT 2 CHECK (alert_after > 0),
    alert_ends_after integer NOT NULL DEFAULT 3 CHECK (alert_ends_after > 0),
    drift_alert_after integer NOT NULL DEFAULT 1 CHECK (drift_alert_after > 0),
    critical_below_expected double precision NOT NULL DEFAULT 0.1
    CHECK (critical_below_expected BETWEEN 0 AND 1),
    unlinked_above_kwh double precision NOT NULL DEFAULT 2 CHECK (unlinked_above_kwh > 0),
    silent_after interval NOT NULL DEFAULT '26 hours' CHECK (silent_after > '0'),
    standby_above_w double precision NOT NULL DEFAULT 35 CHECK (standby_above_w >= 0),
    standby_share_of_peak double precision NOT NULL DEFAULT 0.0025
    CHECK (standby_share_of_peak BETWEEN 0 AND 1)
);

COMMENT ON TABLE telemetry.rules IS 'The rules of time, of charging and of alerts: exactly one row.';
COMMENT ON COLUMN telemetry.rules.only_row IS 'Always true: the key that keeps this table at one row.';
COMMENT ON COLUMN telemetry.rules.clock_skew IS
'How far ahead of the database''s clock a reading may be. Past it the reading is refused as future.';
COMMENT ON COLUMN telemetry.rules.reading_interval IS
'How often a device is expected to report: what the coverage of readings is measured against.';
COMMENT ON COLUMN telemetry.rules.degraded_below IS 'Efficiency (DC / AC) below this is degraded, at full_kw and more.';
COMMENT ON COLUMN telemetry.rules.full_kw IS
'Mean power from which on degraded_below holds, in kW; below it what is expected falls to slow_degraded_below.';
COMMENT ON COLUMN telemetry.rules.slow_degraded_below IS 'Efficiency below this is degraded, at slow_kw and less.';
COMMENT ON COLUMN telemetry.rules.slow_kw IS 'Mean power up to which slow_degraded_below holds, in kW.';
COMMENT ON COLUMN telemetry.rules.cold_below_c IS
'Battery temperature in °C below which less is expected, since the battery is heated.';
COMMENT ON COLUMN telemetry.rules.cold_allowance IS
'How much less is expected 10 degrees below that and colder, as a share of AC.';
COMMENT ON COLUMN telemetry.rules.cold_heating_kwh IS
'How much energy in kWh may go into heating a battery that is so cold, where that is more.';
COMMENT ON COLUMN telemetry.rules.drifting_below_usual IS
'How far below the usual efficiency of its pair a session has to be to count as one of a drift.';
COMMENT ON COLUMN telemetry.rules.drifting_after IS 'After so many of these in a row a pair is drifting.';
COMMENT ON COLUMN telemetry.rules.idle_below_kw IS 'Mean power in kW below which a step is idle.';
COMMENT ON COLUMN telemetry.rules.session_ends_after IS 'A pause this long ends a charging session.';
COMMENT ON COLUMN telemetry.rules.smallest_session_kwh IS
'What flows with less energy than this in kWh is not shown as a charging session.';
COMMENT ON COLUMN telemetry.rules.frozen_above_kwh IS
'Energy in kWh of one side from which on the other''s value, which stands, is frozen.';
COMMENT ON COLUMN telemetry.rules.greatest_uncertainty IS
'Efficiency that is less certain than this is not judged: insufficient.';
COMMENT ON COLUMN telemetry.rules.sufficient_energy_kwh IS
'With less matched AC energy than this, in kWh, efficiency is not judged: insufficient.';
COMMENT ON COLUMN telemetry.rules.sufficient_coverage IS
'With a smaller share of AC energy matched, efficiency is not judged: insufficient.';
COMMENT ON COLUMN telemetry.rules.alert_after IS
'An alert opens after so many bad charges, or days of standby, in a row; those of which nothing can be said are left out.';
COMMENT ON COLUMN telemetry.rules.alert_ends_after IS 'It closes after so many good ones in a row.';
COMMENT ON COLUMN telemetry.rules.drift_alert_after IS
'The same as alert_after for charges that are drifting, each of which has others before it.';
COMMENT ON COLUMN telemetry.rules.critical_below_expected IS
'An alert is critical from charges on whose efficiency is so far below what is expected.';
COMMENT ON COLUMN telemetry.rules.unlinked_above_kwh IS
'A charge of no vehicle is a bad one from this energy on, in kWh.';
COMMENT ON COLUMN telemetry.rules.silent_after IS
'A meter that reported nothing for so long, while others did, is silent; of one that was as long silent before, three times as long.';
COMMENT ON COLUMN telemetry.rules.standby_above_w IS 'Idle power in W from which on a day of a meter is a bad one.';
COMMENT ON COLUMN telemetry.rules.standby_share_of_peak IS
'Idle power that a charger may have where that is more, as a share of the greatest power that it gave.';

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
