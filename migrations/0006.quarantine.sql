-- Nothing sent is lost: what was refused is kept as it came, within bounds of age and size.

SET LOCAL ROLE wattledger_owner;

CREATE TABLE telemetry.quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now(),
    reading_index integer,
    reason text NOT NULL,
    detail text NOT NULL,
    content_type text NOT NULL,
    raw bytea NOT NULL,
    dataset text CHECK (dataset IN ('meter_reading', 'vehicle_reading')),
    device_id text COLLATE "C",
    read_at timestamptz,
    energy_kwh double precision,
    voltage_v double precision,
    soc_percent double precision,
    battery_temp_c double precision,
    replayed_at timestamptz
);

CREATE INDEX quarantine_received_at ON telemetry.quarantine (received_at);

COMMENT ON TABLE telemetry.quarantine IS 'Every refused reading, in its raw form, with the reason.';
COMMENT ON COLUMN telemetry.quarantine.quarantine_id IS 'Number in order of arrival.';
COMMENT ON COLUMN telemetry.quarantine.received_at IS 'When it was refused, by the database''s clock.';
COMMENT ON COLUMN telemetry.quarantine.reading_index IS
'Zero-based position in the batch it came in; null where the whole body could not be read.';
COMMENT ON COLUMN telemetry.quarantine.reason IS
'future, too_old, out_of_range, conflict or malformed.';
COMMENT ON COLUMN telemetry.quarantine.detail IS 'What to fix, as the sender was told.';
COMMENT ON COLUMN telemetry.quarantine.content_type IS 'Media type of raw; with its content encoding where that could not be undone.';
COMMENT ON COLUMN telemetry.quarantine.raw IS 'The reading, or the whole body, byte for byte; after decompression, unless that failed.';
COMMENT ON COLUMN telemetry.quarantine.dataset IS
'meter_reading or vehicle_reading: what it would have become; null where it could not be decoded.';
COMMENT ON COLUMN telemetry.quarantine.device_id IS 'The meter''s or vehicle''s id, decoded.';
COMMENT ON COLUMN telemetry.quarantine.read_at IS 'The reading''s time, decoded.';
COMMENT ON COLUMN telemetry.quarantine.energy_kwh IS 'The reading''s energy in kWh, decoded.';
COMMENT ON COLUMN telemetry.quarantine.voltage_v IS 'A meter''s voltage in V, decoded.';
COMMENT ON COLUMN telemetry.quarantine.soc_percent IS 'A vehicle''s state of charge in percent, decoded.';
COMMENT ON COLUMN telemetry.quarantine.battery_temp_c IS 'A vehicle''s battery temperature in °C, decoded.';
COMMENT ON COLUMN telemetry.quarantine.replayed_at IS
'When it was stored after all by ops.replay_quarantine; null while it is refused.';

CREATE TABLE telemetry.quarantine_bounds (
    only_row boolean PRIMARY KEY DEFAULT TRUE CHECK (only_row),
    keep interval NOT NULL DEFAULT '30 days' CHECK (keep > '0'),
    max_bytes bigint NOT NULL DEFAULT 1073741824 CHECK (max_bytes > 0),
    kept_bytes bigint NOT NULL DEFAULT 0
);

COMMENT ON TABLE telemetry.quarantine_bounds IS 'How much the quarantine may hold, and holds: exactly one row.';
COMMENT ON COLUMN telemetry.quarantine_bounds.only_row IS 'Always true: the key that keeps this table at one row.';
COMMENT ON COLUMN telemetry.quarantine_bounds.keep IS 'How long a refused reading is kept.';
COMMENT ON COLUMN telemetry.quarantine_bounds.max_bytes IS
'How many bytes of raw readings are kept; past it the oldest go first.';
COMMENT ON COLUMN telemetry.quarantine_bounds.kept_bytes IS 'How many bytes of raw readings there are now.';

INSERT INTO telemetry.quarantine_bounds DEFAULT VALUES;
