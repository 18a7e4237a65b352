-- Nothing sent is lost: what was refused is kept as it came, within bounds of age and size.

SET LOCAL ROLE wattledger_owner;

CREATE TABLE telemetry.quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now(),
    key_id text COLLATE "C",
    reading_index integer,
    reason text NOT NULL,
    detail text NOT NULL,
    content_type text NOT NULL,
    raw bytea NOT NULL,
    dataset text CHECK (dataset IN ('meter_reading', 'vehicle_reading')),
    device_id text COLLATE "C",
    read_at timestamptz,
    kind text,
    energy_kwh double precision,
    interval_start timestamptz,
    session_id text,
    voltage_v double precision,
    soc_percent double precision,
    battery_temp_c double precision,
    awaits_time boolean NOT NULL DEFAULT FALSE,
    replayed_at timestamptz,
    source text COLLATE "C",
    CHECK (NOT awaits_time OR (reason = 'future' AND dataset IS NOT NULL AND replayed_at IS NULL))
);

CREATE INDEX quarantine_received_at ON telemetry.quarantine (received_at);
-- the oldest of a key, of those that may be removed
CREATE INDEX quarantine_removable ON telemetry.quarantine (coalesce(key_id, ''), quarantine_id) WHERE NOT awaits_time;
-- those that are due next
CREATE INDEX quarantine_awaits_time ON telemetry.quarantine (read_at, quarantine_id) WHERE awaits_time;

-- what a buffer delivers twice is kept once; a topic that was made again has other records at the same places
CREATE UNIQUE INDEX quarantine_source ON telemetry.quarantine (source, coalesce(reading_index, -1), sha256(raw))
WHERE source IS NOT NULL;

COMMENT ON TABLE telemetry.quarantine IS 'Every refused reading, in its raw form, with the reason.';
COMMENT ON COLUMN telemetry.quarantine.quarantine_id IS 'Number in order of arrival.';
COMMENT ON COLUMN telemetry.quarantine.received_at IS 'When it was refused, by the database''s clock.';
COMMENT ON COLUMN telemetry.quarantine.key_id IS 'The API key that it was sent with; null where keys are off.';
COMMENT ON COLUMN telemetry.quarantine.reading_index IS
'Zero-based position in the batch it came in; null where the whole body could not be read.';
COMMENT ON COLUMN telemetry.quarantine.reason IS
'future, too_old, out_of_range, conflict or malformed.';
COMMENT ON COLUMN telemetry.quarantine.detail IS
'What to fix: as the sender was told, or, where its time had come and it was refused again, why then.';
COMMENT ON COLUMN telemetry.quarantine.content_type IS 'Media type of raw; with its content encoding where that could not be undone.';
COMMENT ON COLUMN telemetry.quarantine.raw IS 'The reading, or the whole body, byte for byte; after decompression, unless that failed.';
COMMENT ON COLUMN telemetry.quarantine.dataset IS
'meter_reading or vehicle_reading: what it would have become; null where it could not be decoded.';
COMMENT ON COLUMN telemetry.quarantine.device_id IS 'The meter''s or vehicle''s id, decoded.';
COMMENT ON COLUMN telemetry.quarantine.read_at IS 'The reading''s time, decoded.';
COMMENT ON COLUMN telemetry.quarantine.kind IS
'What the energy is, decoded: lifetime_register or session_counter where it is a level; null for a difference.';
COMMENT ON COLUMN telemetry.quarantine.energy_kwh IS
'The reading''s energy, or the level of its counter, in kWh, decoded.';
COMMENT ON COLUMN telemetry.quarantine.interval_start IS
'Since when the energy of a difference flowed, decoded; null where not reported.';
COMMENT ON COLUMN telemetry.quarantine.session_id IS
'The charging session that the reading belongs to, decoded; null where none was reported.';
COMMENT ON COLUMN telemetry.quarantine.voltage_v IS 'A meter''s voltage in V, decoded.';
COMMENT ON COLUMN telemetry.quarantine.soc_percent IS 'A vehicle''s state of charge in percent, decoded.';
COMMENT ON COLUMN telemetry.quarantine.battery_temp_c IS 'A vehicle''s battery temperature in °C, decoded.';
COMMENT ON COLUMN telemetry.quarantine.awaits_time IS
'Whether it came too early alone, and is stored by itself when its time has come: until then it is not removed.';
COMMENT ON COLUMN telemetry.quarantine.replayed_at IS
'When it was stored after all, by itself or by ops.replay_quarantine; null while it is refused.';

COMMENT ON COLUMN telemetry.quarantine.source IS
'Where in a buffer it was, topic/partition/offset; null for what came to the database directly.';

CREATE TABLE telemetry.quarantine_bounds (
    only_row boolean PRIMARY KEY DEFAULT TRUE CHECK (only_row),
    keep interval NOT NULL DEFAULT '30 days' CHECK (keep > '0'),
    max_bytes bigint NOT NULL DEFAULT 1073741824 CHECK (max_bytes > 0),
    max_bytes_per_key bigint NOT NULL DEFAULT 134217728 CHECK (max_bytes_per_key > 0),
    kept_bytes bigint NOT NULL DEFAULT 0
);

COMMENT ON TABLE telemetry.quarantine_bounds IS 'How much the quarantine may hold, and holds: exactly one row.';
COMMENT ON COLUMN telemetry.quarantine_bounds.only_row IS 'Always true: the key that keeps this table at one row.';
COMMENT ON COLUMN telemetry.quarantine_bounds.keep IS 'How long a refused reading is kept.';
COMMENT ON COLUMN telemetry.quarantine_bounds.max_bytes IS
'How many bytes of raw readings are kept; past it the key that holds most loses its oldest first.';
COMMENT ON COLUMN telemetry.quarantine_bounds.max_bytes_per_key IS
'How many bytes of raw readings are kept of one API key; past it its oldest go first. What came without a key is one more.';
COMMENT ON COLUMN telemetry.quarantine_bounds.kept_bytes IS
'How many bytes of raw readings there are now, counted by triggers.';

INSERT INTO telemetry.quarantine_bounds DEFAULT VALUES;

CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.quarantine_bounds
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();

CREATE TABLE telemetry.quarantine_share (
    key_id text COLLATE "C" PRIMARY KEY,
    kept_bytes bigint NOT NULL
);

CREATE INDEX quarantine_share_kept_bytes ON telemetry.quarantine_share (kept_bytes);

COMMENT ON TABLE telemetry.quarantine_share IS 'How much of the quarantine is of which API key: one row per key.';
COMMENT ON COLUMN telemetry.quarantine_share.key_id IS 'The API key''s id; empty for what came without a key.';
COMMENT ON COLUMN telemetry.quarantine_share.kept_bytes IS
'How many bytes of its raw readings there are now, counted by triggers.';
