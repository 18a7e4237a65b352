-- Signing in by a browser: what seals its cookie, and whom that names.

CREATE OR REPLACE FUNCTION api.cookie_secret()
RETURNS bytea
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.secret FROM telemetry.cookie_secret AS s
$$;

COMMENT ON FUNCTION api.cookie_secret() IS
'Takes nothing. Returns the 32 bytes that the service seals cookies with.';

CREATE OR REPLACE FUNCTION api.signed_in(of_key_id text DEFAULT NULL)
RETURNS TABLE (note text, devices text[], fleet text, expires_at timestamptz, zone text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        k.note,
        k.device_patterns,
        k.fleet,
        k.expires_at,
        (
            SELECT t.zone
            FROM telemetry.standing_tariff AS t
            WHERE t.since <= now() AND t.until > now()
            -- one of all meters before one of a meter
            ORDER BY t.meter_id NULLS FIRST, t.tariff_id DESC
            LIMIT 1
        )
    FROM (VALUES (TRUE)) AS one (is_row)
    LEFT JOIN telemetry.api_key AS k ON k.key_id = signed_in.of_key_id
$$;

COMMENT ON FUNCTION api.signed_in(text) IS
'Takes a key''s id (NULL: none). Returns one row of what a person who is signed in by it is told: what the key is for in words, the patterns of ids and the fleet that it is limited to (NULL: no limit), when it expires (NULL: never), each also NULL for a key that is not known; and the time zone of the tariff that holds now, best of all meters (NULL: there is none).';

REVOKE ALL ON FUNCTION api.cookie_secret(), api.signed_in(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.cookie_secret(), api.signed_in(text) TO wattledger_service;
