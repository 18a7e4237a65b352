-- API keys: make, list, revoke and rotate them, and say which devices make up a fleet.

CREATE OR REPLACE VIEW ops.keys AS
SELECT
    k.key_id,
    CASE
        WHEN k.revoked_at IS NOT NULL THEN 'revoked'
        WHEN k.expires_at <= now() THEN 'expired'
        ELSE 'valid'
    END AS status,
    k.scopes,
    k.device_patterns AS devices,
    k.fleet,
    k.readings_per_second,
    k.burst_readings,
    k.note,
    k.created_at,
    k.created_by,
    k.expires_at,
    k.revoked_at,
    k.rotated_from,
    k.last_used_at
FROM telemetry.api_key AS k;

COMMENT ON VIEW ops.keys IS 'Every API key but its secret, which nobody has but its holder.';
COMMENT ON COLUMN ops.keys.key_id IS 'The public part of the key: wl_, this, _ and the secret make the key.';
COMMENT ON COLUMN ops.keys.status IS 'valid, expired or revoked.';
COMMENT ON COLUMN ops.keys.scopes IS 'What the key may do: ingest, read, metrics, or admin, which is all.';
COMMENT ON COLUMN ops.keys.devices IS
'Ids, or patterns of ids, that it may speak for, of both sides unless meter: or vehicle: stands before; NULL: no limit.';
COMMENT ON COLUMN ops.keys.fleet IS 'The fleet that it may speak for; NULL: no limit.';
COMMENT ON COLUMN ops.keys.readings_per_second IS 'Readings, or other requests, per second on average; NULL: no limit.';
COMMENT ON COLUMN ops.keys.burst_readings IS 'How many at once after a pause; NULL: no limit.';
COMMENT ON COLUMN ops.keys.note IS 'What it is for, in words.';
COMMENT ON COLUMN ops.keys.created_at IS 'When it was made.';
COMMENT ON COLUMN ops.keys.created_by IS 'The login that made it.';
COMMENT ON COLUMN ops.keys.expires_at IS 'When it stops working; NULL: never.';
COMMENT ON COLUMN ops.keys.revoked_at IS 'When it was revoked; NULL: it was not.';
COMMENT ON COLUMN ops.keys.rotated_from IS 'The key that it replaces; NULL where it replaces none.';
COMMENT ON COLUMN ops.keys.last_used_at IS 'When it was last used, to the hour; NULL: never.';

CREATE OR REPLACE VIEW ops.fleets AS
SELECT
    f.fleet,
    array_agg(f.device_pattern ORDER BY f.device_pattern) AS devices
FROM telemetry.fleet_device AS f
GROUP BY f.fleet;

COMMENT ON VIEW ops.fleets IS 'Which devices make up each fleet.';
COMMENT ON COLUMN ops.fleets.fleet IS 'The fleet''s name.';
COMMENT ON COLUMN ops.fleets.devices IS
'Ids, or patterns of ids in which * stands for any characters, of both sides unless meter: or vehicle: stands before.';

CREATE OR REPLACE FUNCTION ops.set_fleet(fleet text, devices text[])
RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM telemetry.fleet_device AS f
    WHERE f.fleet = set_fleet.fleet AND NOT f.device_pattern = ANY (set_fleet.devices);
    INSERT INTO telemetry.fleet_device (fleet, device_pattern)
    SELECT DISTINCT set_fleet.fleet, d.pattern
    FROM unnest(set_fleet.devices) AS d (pattern)
    ON CONFLICT DO NOTHING
$$;

COMMENT ON FUNCTION ops.set_fleet(text, text[]) IS
'Says which devices make up a fleet, in place of what was said before. Takes the fleet''s name and ids, or patterns of ids in which * stands for any characters, of both sides unless meter: or vehicle: stands before; an empty array leaves its keys without any device. Keys of the fleet follow within seconds. Returns nothing.';

CREATE OR REPLACE FUNCTION ops.create_key(
    scopes text[],
    devices text[] DEFAULT NULL,
    fleet text DEFAULT NULL,
    expires_at timestamptz DEFAULT NULL,
    readings_per_second double precision DEFAULT NULL,
    burst_readings double precision DEFAULT NULL,
    note text DEFAULT '',
    OUT key_id text,
    OUT key text
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_secret text := encode(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 'hex');
    v_fault text := CASE
        WHEN cardinality(create_key.scopes) > 0 IS NOT TRUE
            OR NOT create_key.scopes <@ ARRAY['ingest', 'read', 'metrics', 'admin'] THEN
            'a scope is one of ingest, read, metrics, admin'
        WHEN cardinality(create_key.devices) = 0 OR EXISTS (
            SELECT FROM unnest(create_key.devices) AS d (pattern) WHERE NOT telemetry.is_pattern(d.pattern)
        ) THEN
            'a device is an id, or a pattern with * in it; meter: or vehicle: before it says the side'
        WHEN create_key.fleet IS NOT NULL AND NOT EXISTS (
            SELECT FROM telemetry.fleet_device AS f WHERE f.fleet = create_key.fleet
        ) THEN format('there is no fleet %s: say which devices it has by ops.set_fleet', create_key.fleet)
        WHEN create_key.expires_at <= now() THEN 'the key would have expired already'
        WHEN create_key.expires_at >= '9999-12-31 00:00+00' THEN
            'a key expires before the year 9999 ends; one that never does has no such time'
        WHEN create_key.readings_per_second > 0 IS FALSE OR create_key.burst_readings >= 1 IS FALSE THEN
            'a rate is more than 0, a burst at least 1'
        WHEN create_key.burst_readings IS NOT NULL AND create_key.readings_per_second IS NULL THEN
            'a burst needs a rate'
    END;
BEGIN
    IF v_fault IS NOT NULL THEN
        RAISE EXCEPTION '%', v_fault USING ERRCODE = 'WL030';
    END IF;
    create_key.key_id := left(encode(uuid_send(gen_random_uuid()), 'hex'), 12);
    create_key.key := 'wl_' || create_key.key_id || '_' || v_secret;
    INSERT INTO telemetry.api_key AS k (
        key_id, secret_sha256, scopes, device_patterns, fleet, expires_at, readings_per_second, burst_readings, note
    )
    VALUES (
        create_key.key_id,
        sha256(convert_to(v_secret, 'UTF8')),
        create_key.scopes,
        create_key.devices,
        create_key.fleet,
        create_key.expires_at,
        create_key.readings_per_second,
        -- what it may send in a minute, unless told
        coalesce(
            create_key.burst_readings,
            CASE WHEN create_key.readings_per_second > 0 THEN greatest(1, 60 * create_key.readings_per_second) END
        ),
        coalesce(create_key.note, '')
    );
END;
$$;

COMMENT ON FUNCTION ops.create_key(text[], text[], text, timestamptz, double precision, double precision, text) IS
'Makes an API key. Takes its scopes (ingest, read, metrics, admin); ids of the devices that it may speak for, or patterns with * in them, of both sides unless meter: or vehicle: stands before, and a fleet (NULL: any device); when it expires (NULL: never); how many readings per second it may send on average and how many at once after a pause (NULL: no limit, and a minute''s worth); and a note. Returns its id and the key itself, which cannot be had again. Raises WL030 where these do not fit together.';

CREATE OR REPLACE FUNCTION ops.revoke_key(key_id text)
RETURNS timestamptz
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_revoked_at timestamptz;
BEGIN
    UPDATE telemetry.api_key AS k
    SET revoked_at = coalesce(k.revoked_at, now())
    WHERE k.key_id = revoke_key.key_id
    RETURNING k.revoked_at INTO v_revoked_at;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no key of that id'
            USING ERRCODE = 'WL031', HINT = 'The id is the middle part of a key; ops.keys lists them.';
    END IF;
    RETURN v_revoked_at;
END;
$$;

COMMENT ON FUNCTION ops.revoke_key(text) IS
'Makes a key useless for ever. Takes its id. Returns when it was revoked, now or before. Services that know the key notice within WATTLEDGER_KEY_CACHE_SECONDS. Raises WL031 where there is none of that id.';

CREATE OR REPLACE FUNCTION ops.rotate_key(
    key_id text,
    overlap interval DEFAULT '1 day',
    OUT new_key_id text,
    OUT new_key text,
    OUT old_expires_at timestamptz
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_old telemetry.api_key;
BEGIN
    SELECT k.* INTO v_old FROM telemetry.api_key AS k WHERE k.key_id = rotate_key.key_id FOR UPDATE;
    IF NOT FOUND OR v_old.revoked_at IS NOT NULL OR v_old.expires_at <= now()
        OR rotate_key.overlap BETWEEN '0' AND '100 years' IS NOT TRUE THEN
        RAISE EXCEPTION 'there is no valid key of that id, or the overlap is not of 0 to 100 years'
            USING ERRCODE = 'WL031', HINT = 'The id is the middle part of a key; ops.keys lists them.';
    END IF;
    SELECT c.key_id, c.key INTO rotate_key.new_key_id, rotate_key.new_key
    FROM ops.create_key(
        v_old.scopes,
        v_old.device_patterns,
        v_old.fleet,
        v_old.expires_at,
        v_old.readings_per_second,
        v_old.burst_readings,
        v_old.note
    ) AS c;
    UPDATE telemetry.api_key AS k SET rotated_from = v_old.key_id WHERE k.key_id = rotate_key.new_key_id;
    UPDATE telemetry.api_key AS k
    SET expires_at = least(k.expires_at, telemetry.utc_minus(now(), -rotate_key.overlap))
    WHERE k.key_id = v_old.key_id
    RETURNING k.expires_at INTO rotate_key.old_expires_at;
END;
$$;

COMMENT ON FUNCTION ops.rotate_key(text, interval) IS
'Makes a key that may do what another may, and lets that one expire. Takes the old key''s id, and how long both are to work, for devices to change over. Returns the new key''s id, the new key itself, which cannot be had again, and when the old one expires. Raises WL031 where there is no valid key of that id.';

REVOKE ALL ON ops.keys, ops.fleets FROM PUBLIC;
GRANT SELECT ON ops.keys, ops.fleets TO wattledger_dba;
REVOKE ALL ON FUNCTION ops.set_fleet(text, text[]),
ops.create_key(text[], text[], text, timestamptz, double precision, double precision, text),
ops.revoke_key(text), ops.rotate_key(text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ops.set_fleet(text, text[]),
ops.create_key(text[], text[], text, timestamptz, double precision, double precision, text),
ops.revoke_key(text), ops.rotate_key(text, interval) TO wattledger_dba;
