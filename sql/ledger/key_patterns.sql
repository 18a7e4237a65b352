-- Patterns of devices: which ones a key may speak for.

CREATE OR REPLACE FUNCTION telemetry.matches_pattern(device_id text, pattern text)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT device_id LIKE replace(
        replace(replace(replace(pattern, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%'
    )
$$;

COMMENT ON FUNCTION telemetry.matches_pattern(text, text) IS
'Takes a meter''s or vehicle''s id and a pattern of ids, in which * stands for any characters, also none. Returns whether the whole id matches.';

CREATE OR REPLACE FUNCTION telemetry.pattern_of_ids(device_pattern text, side text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    -- the first side said counts: meter:meter:1 is the meter whose id is meter:1
    SELECT CASE
        WHEN starts_with(device_pattern, 'meter:') THEN CASE WHEN side = 'meter' THEN substr(device_pattern, 7) END
        WHEN starts_with(device_pattern, 'vehicle:') THEN
            CASE WHEN side = 'vehicle' THEN substr(device_pattern, 9) END
        WHEN side IN ('meter', 'vehicle') THEN device_pattern
    END
$$;

COMMENT ON FUNCTION telemetry.pattern_of_ids(text, text) IS
'Takes a pattern of devices and a side: meter or vehicle. Returns the pattern of that side''s ids, which is what follows meter: or vehicle:, or all of it where it has neither; NULL where it is of the other side.';

CREATE OR REPLACE FUNCTION telemetry.is_pattern(device_pattern text)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(device_pattern NOT IN ('', 'meter:', 'vehicle:'), FALSE)
$$;

COMMENT ON FUNCTION telemetry.is_pattern(text) IS
'Takes a pattern of devices. Returns whether any device can match it: NULL, nothing, and a side alone match none.';

CREATE OR REPLACE FUNCTION telemetry.key_covers(patterns text[], fleet text, side text, device_id text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        (
            key_covers.patterns IS NULL
            OR EXISTS (
                SELECT FROM unnest(key_covers.patterns) AS p (pattern)
                WHERE telemetry.matches_pattern(
                    key_covers.device_id, telemetry.pattern_of_ids(p.pattern, key_covers.side)
                )
            )
        )
        AND (
            key_covers.fleet IS NULL
            OR EXISTS (
                SELECT FROM telemetry.fleet_device AS f
                WHERE f.fleet = key_covers.fleet
                    AND telemetry.matches_pattern(
                        key_covers.device_id, telemetry.pattern_of_ids(f.device_pattern, key_covers.side)
                    )
            )
        )
$$;

COMMENT ON FUNCTION telemetry.key_covers(text[], text, text, text) IS
'Takes a key''s patterns and fleet, either NULL where it sets no limit, a side (meter or vehicle) and the id of a device on it. Returns whether the key may speak for that device: both limits must allow it.';

CREATE OR REPLACE FUNCTION telemetry.key_covers_link(key_id text, vehicle_id text, meter_id text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        key_covers_link.key_id IS NULL
        OR EXISTS (
            SELECT FROM telemetry.api_key AS k
            WHERE k.key_id = key_covers_link.key_id
                AND telemetry.key_covers(k.device_patterns, k.fleet, 'vehicle', key_covers_link.vehicle_id)
                AND telemetry.key_covers(k.device_patterns, k.fleet, 'meter', key_covers_link.meter_id)
        )
$$;

COMMENT ON FUNCTION telemetry.key_covers_link(text, text, text) IS
'Takes a key''s id (NULL: whoever asks has none, and no limit), a vehicle and a meter. Returns whether the key may speak for both; false for a key that is not known.';

CREATE OR REPLACE FUNCTION telemetry.key_name(key_id text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT coalesce(
        (
            SELECT 'key ' || k.key_id || CASE WHEN k.note = '' THEN '' ELSE ' (' || k.note || ')' END
            FROM telemetry.api_key AS k
            WHERE k.key_id = $1
        ),
        session_user
    )
$$;

COMMENT ON FUNCTION telemetry.key_name(text) IS
'Takes the id of the key that asks (NULL: none). Returns how records name it: key, its id and its note; the login where there is none.';

REVOKE ALL ON FUNCTION
    telemetry.matches_pattern(text, text),
    telemetry.pattern_of_ids(text, text),
    telemetry.is_pattern(text),
    telemetry.key_covers(text[], text, text, text),
    telemetry.key_covers_link(text, text, text),
    telemetry.key_name(text)
FROM PUBLIC;
