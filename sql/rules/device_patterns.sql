-- Which devices a key may speak for.

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
'Takes a meter''s or vehicle''s id and a pattern, in which * stands for any characters, also none. Returns whether the whole id matches.';
REVOKE ALL ON FUNCTION telemetry.matches_pattern(text, text) FROM PUBLIC;

CREATE OR REPLACE FUNCTION telemetry.key_covers(patterns text[], fleet text, device_id text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        (
            key_covers.patterns IS NULL
            OR EXISTS (
                SELECT FROM unnest(key_covers.patterns) AS p (pattern)
                WHERE telemetry.matches_pattern(key_covers.device_id, p.pattern)
            )
        )
        AND (
            key_covers.fleet IS NULL
            OR EXISTS (
                SELECT FROM telemetry.fleet_device AS f
                WHERE f.fleet = key_covers.fleet
                    AND telemetry.matches_pattern(key_covers.device_id, f.device_pattern)
            )
        )
$$;

COMMENT ON FUNCTION telemetry.key_covers(text[], text, text) IS
'Takes a key''s patterns and fleet, either null where it sets no limit, and a meter''s or vehicle''s id. Returns whether the key may speak for that device: both limits must allow it.';
REVOKE ALL ON FUNCTION telemetry.key_covers(text[], text, text) FROM PUBLIC;
