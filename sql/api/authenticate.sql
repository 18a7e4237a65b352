-- Keys: whose each is, and what it may do.

CREATE OR REPLACE FUNCTION api.authenticate(key_ids text[], secrets_sha256 bytea[])
RETURNS TABLE (
    place integer,
    refusal text,
    scopes text[],
    every_device boolean,
    meters text[],
    vehicles text[],
    expires_in_seconds double precision,
    readings_per_second double precision,
    burst_readings double precision
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- hashes are compared under another hash that nobody knows: how long that takes tells nothing of them
    v_blind bytea := uuid_send(gen_random_uuid());
BEGIN
    IF cardinality(key_ids) IS DISTINCT FROM cardinality(secrets_sha256) THEN
        RAISE EXCEPTION 'arrays of keys differ in length'
            USING ERRCODE = 'WL001', HINT = 'Send one hash per key.';
    END IF;

    -- a standby is asked while its primary is away
    IF current_setting('transaction_read_only') = 'off' THEN
        UPDATE telemetry.api_key AS k
        SET last_used_at = now()
        FROM (
            SELECT u.key_id
            FROM telemetry.api_key AS u
            INNER JOIN unnest(key_ids, secrets_sha256) AS g (key_id, secret_sha256) ON g.key_id = u.key_id
            WHERE sha256(v_blind || g.secret_sha256) = sha256(v_blind || u.secret_sha256)
                AND (u.last_used_at IS NULL OR u.last_used_at < now() - INTERVAL '1 hour')
                AND u.revoked_at IS NULL AND (u.expires_at IS NULL OR u.expires_at > now())
            -- whoever notes the same keys at this moment does it for us
            FOR UPDATE OF u SKIP LOCKED
        ) AS l
        WHERE k.key_id = l.key_id;
    END IF;

    RETURN QUERY
    WITH given AS (
        SELECT
            (g.place - 1)::integer AS place,
            k.*,
            CASE
                WHEN coalesce(
                    sha256(v_blind || g.secret_sha256) = sha256(v_blind || coalesce(k.secret_sha256, '')), FALSE
                ) IS FALSE THEN 'unknown'
                WHEN k.revoked_at IS NOT NULL THEN 'revoked'
                WHEN k.expires_at <= now() THEN 'expired'
            END AS refusal
        FROM unnest(key_ids, secrets_sha256) WITH ORDINALITY AS g (key_id, secret_sha256, place)
        LEFT JOIN telemetry.api_key AS k ON k.key_id = g.key_id
    )
    SELECT
        g.place,
        g.refusal,
        CASE WHEN 'admin' = ANY (g.scopes) THEN ARRAY['ingest', 'read', 'metrics', 'admin'] ELSE g.scopes END,
        g.device_patterns IS NULL AND g.fleet IS NULL,
        -- those that need no pattern are known at once: the usual key is one device's own
        CASE WHEN g.fleet IS NULL THEN d.meters ELSE ARRAY[]::text[] END,
        CASE WHEN g.fleet IS NULL THEN d.vehicles ELSE ARRAY[]::text[] END,
        extract(EPOCH FROM g.expires_at - now())::double precision,
        g.readings_per_second,
        g.burst_readings
    FROM given AS g
    CROSS JOIN LATERAL (
        SELECT
            coalesce(array_agg(s.meter_id) FILTER (WHERE s.meter_id NOT LIKE '%*%'), ARRAY[]::text[]) AS meters,
            coalesce(array_agg(s.vehicle_id) FILTER (WHERE s.vehicle_id NOT LIKE '%*%'), ARRAY[]::text[]) AS vehicles
        FROM (
            SELECT
                telemetry.pattern_of_ids(p.pattern, 'meter') AS meter_id,
                telemetry.pattern_of_ids(p.pattern, 'vehicle') AS vehicle_id
            FROM unnest(g.device_patterns) AS p (pattern)
        ) AS s
    ) AS d
    ORDER BY g.place;
END;
$$;

COMMENT ON FUNCTION api.authenticate(text[], bytea[]) IS
'Takes keys as arrays with one element per key: its id, and the SHA-256 of its secret. Returns a row for each, with its zero-based place: refusal is NULL where the key is good, else unknown, revoked or expired, and then nothing else counts. Scopes are ingest, read, metrics and admin, which brings the others; every_device is whether the key may speak for any device, and meters and vehicles are ids of either side that it may speak for in any case (api.permitted_devices tells of others); expires_in_seconds is NULL where it never does; the last two are NULL where nothing limits its rate. Notes the use of a key, once an hour, unless it is asked where nothing can be changed, as on a standby. Raises WL001 where the arrays differ in length.';

CREATE OR REPLACE FUNCTION api.permitted_devices(key_id text, meter_ids text[], vehicle_ids text[])
RETURNS TABLE (side text, device_id text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT DISTINCT d.side, d.device_id
    FROM telemetry.api_key AS k
    CROSS JOIN (
        SELECT 'meter' AS side, m.device_id
        FROM unnest(permitted_devices.meter_ids) AS m (device_id)
        UNION ALL
        SELECT 'vehicle' AS side, v.device_id
        FROM unnest(permitted_devices.vehicle_ids) AS v (device_id)
    ) AS d
    WHERE k.key_id = permitted_devices.key_id
        AND telemetry.key_covers(k.device_patterns, k.fleet, d.side, d.device_id)
$$;

COMMENT ON FUNCTION api.permitted_devices(text, text[], text[]) IS
'Takes a key''s id, ids of meters and ids of vehicles. Returns those of them that the key may speak for, each with its side: meter or vehicle; none for a key that is not known.';

REVOKE ALL ON FUNCTION api.authenticate(text[], bytea[]), api.permitted_devices(text, text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    api.authenticate(text[], bytea[]),
    api.permitted_devices(text, text[], text[])
TO wattledger_service;
