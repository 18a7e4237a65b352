-- Imports of history: readings older than what raw history keeps, staged until they are folded.

SET LOCAL ROLE wattledger_owner;

CREATE TABLE telemetry.history_import (
    import_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    label text NOT NULL CHECK (length(label) BETWEEN 1 AND 200),
    begun_at timestamptz NOT NULL DEFAULT now(),
    begun_by text NOT NULL DEFAULT session_user,
    held_until timestamptz NOT NULL,
    ended_at timestamptz
);

CREATE UNIQUE INDEX history_import_open ON telemetry.history_import (label) WHERE ended_at IS NULL;

COMMENT ON TABLE telemetry.history_import IS 'Imports of history, one row each; open ones hold retention off.';
COMMENT ON COLUMN telemetry.history_import.import_id IS 'Which import, in order.';
COMMENT ON COLUMN telemetry.history_import.label IS 'What the import is called; one that is open is found again by it.';
COMMENT ON COLUMN telemetry.history_import.begun_at IS 'When it was begun.';
COMMENT ON COLUMN telemetry.history_import.begun_by IS 'The login that began it.';
COMMENT ON COLUMN telemetry.history_import.held_until IS 'Until when it holds retention off, unless it ends before.';
COMMENT ON COLUMN telemetry.history_import.ended_at IS 'When it was ended; null while it is open.';

CREATE TABLE telemetry.history_device (
    import_id bigint NOT NULL REFERENCES telemetry.history_import (import_id),
    dataset text COLLATE "C" NOT NULL CHECK (dataset IN ('meter_reading', 'vehicle_reading')),
    device_id text COLLATE "C" NOT NULL,
    readings bigint NOT NULL DEFAULT 0,
    folded_at timestamptz,
    refused_because text,
    PRIMARY KEY (import_id, dataset, device_id)
) WITH (fillfactor = 70);

CREATE INDEX history_device_id ON telemetry.history_device (dataset, device_id);
-- what is left to do
CREATE INDEX history_device_staged ON telemetry.history_device (import_id, dataset, device_id)
WHERE folded_at IS NULL AND refused_because IS NULL;

COMMENT ON TABLE telemetry.history_device IS 'Devices of which history was staged, one row per import and device.';
COMMENT ON COLUMN telemetry.history_device.import_id IS 'The import.';
COMMENT ON COLUMN telemetry.history_device.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.history_device.device_id IS 'The meter''s or vehicle''s id.';
COMMENT ON COLUMN telemetry.history_device.readings IS 'How many readings of it were staged.';
COMMENT ON COLUMN telemetry.history_device.folded_at IS 'When they were folded; null: not yet.';
COMMENT ON COLUMN telemetry.history_device.refused_because IS 'Why none of them was; null where they were, or wait.';

CREATE TABLE telemetry.staged_reading (
    import_id bigint NOT NULL,
    dataset text COLLATE "C" NOT NULL CHECK (dataset IN ('meter_reading', 'vehicle_reading')),
    device_id text COLLATE "C" NOT NULL,
    ts timestamptz NOT NULL,
    reported_mwh bigint NOT NULL,
    interval_start timestamptz,
    kind telemetry.reading_kind NOT NULL,
    voltage_mv integer,
    soc_mpct integer,
    battery_temp_mc integer,
    session_id text COLLATE "C",
    PRIMARY KEY (import_id, dataset, device_id, ts),
    FOREIGN KEY (import_id, dataset, device_id)
    REFERENCES telemetry.history_device (import_id, dataset, device_id)
);

COMMENT ON TABLE telemetry.staged_reading IS
'Readings of history that wait to be folded; they are removed in the transaction that keeps their hours and days.';
COMMENT ON COLUMN telemetry.staged_reading.import_id IS 'The import.';
COMMENT ON COLUMN telemetry.staged_reading.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.staged_reading.device_id IS 'The meter''s or vehicle''s id.';
COMMENT ON COLUMN telemetry.staged_reading.ts IS 'When the reading was taken.';
COMMENT ON COLUMN telemetry.staged_reading.reported_mwh IS
'What was reported, in milliwatt-hours: energy of a difference, or the level of a counter.';
COMMENT ON COLUMN telemetry.staged_reading.interval_start IS
'Since when the energy of a difference flowed, as reported; null where not reported.';
COMMENT ON COLUMN telemetry.staged_reading.kind IS 'What was reported.';
COMMENT ON COLUMN telemetry.staged_reading.voltage_mv IS 'A meter''s voltage in millivolts; null if not reported.';
COMMENT ON COLUMN telemetry.staged_reading.soc_mpct IS
'A vehicle''s state of charge in thousandths of a percent; null if not reported.';
COMMENT ON COLUMN telemetry.staged_reading.battery_temp_mc IS
'A vehicle''s battery temperature in thousandths of a degree Celsius; null if not reported.';
COMMENT ON COLUMN telemetry.staged_reading.session_id IS 'The charging session; null where none was reported.';
