-- Who may post and read: API keys, of which only a hash is stored, and the devices that a key may speak for.

SET LOCAL ROLE wattledger_owner;

CREATE TABLE telemetry.fleet_device (
    fleet text COLLATE "C" NOT NULL CHECK (length(fleet) BETWEEN 1 AND 128),
    -- an id, and its side before it
    device_pattern text COLLATE "C" NOT NULL CHECK (
        length(device_pattern) BETWEEN 1 AND 136 AND device_pattern NOT IN ('meter:', 'vehicle:')
    ),
    PRIMARY KEY (fleet, device_pattern)
);

COMMENT ON TABLE telemetry.fleet_device IS 'Which devices make up a fleet, by patterns of their ids.';
COMMENT ON COLUMN telemetry.fleet_device.fleet IS 'The fleet''s name.';
COMMENT ON COLUMN telemetry.fleet_device.device_pattern IS
'A device''s id, in which * stands for any characters; of a meter alone where meter: stands before, of a vehicle alone where vehicle: does.';

CREATE TABLE telemetry.api_key (
    key_id text COLLATE "C" PRIMARY KEY CHECK (key_id ~ '^[0-9a-f]{12}$'),
    secret_sha256 bytea NOT NULL CHECK (length(secret_sha256) = 32),
    scopes text[] NOT NULL CHECK (
        cardinality(scopes) > 0 AND scopes <@ ARRAY['ingest', 'read', 'metrics', 'admin']
    ),
    device_patterns text[] CHECK (cardinality(device_patterns) > 0),
    fleet text COLLATE "C",
    readings_per_second double precision CHECK (readings_per_second > 0),
    burst_readings double precision CHECK (burst_readings >= 1),
    note text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL DEFAULT session_user,
    expires_at timestamptz,
    revoked_at timestamptz,
    rotated_from text COLLATE "C" REFERENCES telemetry.api_key (key_id),
    last_used_at timestamptz,
    CHECK ((readings_per_second IS NULL) = (burst_readings IS NULL)),
    -- of years that every client can show, in any time zone
    CONSTRAINT api_key_times CHECK (
        least(created_at, expires_at, revoked_at, last_used_at) >= '0001-01-02 00:00+00'
        AND greatest(created_at, expires_at, revoked_at, last_used_at) < '9999-12-31 00:00+00'
    )
);

COMMENT ON TABLE telemetry.api_key IS
'API keys. A key is wl_, its id, _ and its secret; the secret is shown once and nowhere stored.';
COMMENT ON COLUMN telemetry.api_key.key_id IS 'The public part of the key, by which it is listed and revoked.';
COMMENT ON COLUMN telemetry.api_key.secret_sha256 IS 'SHA-256 of the secret, which is as random as the hash is long.';
COMMENT ON COLUMN telemetry.api_key.scopes IS 'What the key may do: ingest, read, metrics, or admin, which is all.';
COMMENT ON COLUMN telemetry.api_key.device_patterns IS
'Devices that the key may speak for, by patterns as in telemetry.fleet_device; null: no limit.';
COMMENT ON COLUMN telemetry.api_key.fleet IS
'The fleet whose devices alone the key may speak for; null: no limit.';
COMMENT ON COLUMN telemetry.api_key.readings_per_second IS
'How many readings (or other requests) a second the key may send on average; null: no limit.';
COMMENT ON COLUMN telemetry.api_key.burst_readings IS
'How many it may send at once after a pause; null: no limit.';
COMMENT ON COLUMN telemetry.api_key.note IS 'What it is for, in words.';
COMMENT ON COLUMN telemetry.api_key.created_at IS 'When it was made.';
COMMENT ON COLUMN telemetry.api_key.created_by IS 'The login that made it.';
COMMENT ON COLUMN telemetry.api_key.expires_at IS 'When it stops working; null: never.';
COMMENT ON COLUMN telemetry.api_key.revoked_at IS 'When it was revoked; null: it was not.';
COMMENT ON COLUMN telemetry.api_key.rotated_from IS 'The key that it replaces; null where it replaces none.';
COMMENT ON COLUMN telemetry.api_key.last_used_at IS 'When it was last used, to the hour; null: never.';

CREATE TABLE telemetry.cookie_secret (
    only_row boolean PRIMARY KEY DEFAULT TRUE CHECK (only_row),
    secret bytea NOT NULL DEFAULT sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()))
    CHECK (length(secret) = 32)
);

COMMENT ON TABLE telemetry.cookie_secret IS
'What seals the cookies of browsers that are signed in: exactly one row. Another secret signs all of them out.';
COMMENT ON COLUMN telemetry.cookie_secret.only_row IS 'Always true: the key that keeps this table at one row.';
COMMENT ON COLUMN telemetry.cookie_secret.secret IS
'32 random bytes. Alone it signs nobody in: what it seals are keys, of which only a hash is stored.';

INSERT INTO telemetry.cookie_secret DEFAULT VALUES;
