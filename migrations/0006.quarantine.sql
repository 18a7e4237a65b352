-- Nothing sent is lost: what was refused is kept as it came.

SET LOCAL ROLE wattledger_owner;

CREATE TABLE telemetry.quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now(),
    reading_index integer,
    reason text NOT NULL,
    detail text NOT NULL,
    content_type text NOT NULL,
    raw bytea NOT NULL
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
COMMENT ON COLUMN telemetry.quarantine.content_type IS 'Media type of raw.';
COMMENT ON COLUMN telemetry.quarantine.raw IS 'The reading, or the whole body, byte for byte after decompression.';
