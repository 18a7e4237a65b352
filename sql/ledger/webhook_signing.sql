-- Signatures of webhooks, made here so that no secret leaves the database.

CREATE OR REPLACE FUNCTION telemetry.hmac_sha256(message bytea, secret bytea)
RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- a block of SHA-256 is of 64 bytes
    v_key bytea := CASE WHEN length(secret) > 64 THEN sha256(secret) ELSE secret END;
    v_inner bytea;
    v_outer bytea;
BEGIN
    v_key := v_key || decode(repeat('00', 64 - length(v_key)), 'hex');
    v_inner := v_key;
    v_outer := v_key;
    FOR v_place IN 0..63 LOOP
        v_inner := set_byte(v_inner, v_place, get_byte(v_key, v_place) # 54);
        v_outer := set_byte(v_outer, v_place, get_byte(v_key, v_place) # 92);
    END LOOP;
    RETURN sha256(v_outer || sha256(v_inner || message));
END;
$$;

COMMENT ON FUNCTION telemetry.hmac_sha256(bytea, bytea) IS
'Takes a message and a key. Returns its HMAC-SHA256 (RFC 2104), 32 bytes; NULL where either is NULL. PostgreSQL has it only in an extension that not every host offers.';

CREATE OR REPLACE FUNCTION telemetry.webhook_signatures(
    message_id text,
    signed_at bigint,
    body text,
    secret bytea,
    former_secret bytea
)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT string_agg('v1,' || encode(telemetry.hmac_sha256(m.message, k.secret), 'base64'), ' ' ORDER BY k.place)
    FROM (SELECT convert_to(concat_ws('.', message_id, signed_at, body), 'UTF8') AS message) AS m
    CROSS JOIN (VALUES (1, webhook_signatures.secret), (2, former_secret)) AS k (place, secret)
    WHERE k.secret IS NOT NULL
$$;

COMMENT ON FUNCTION telemetry.webhook_signatures(text, bigint, text, bytea, bytea) IS
'Takes a message''s id, the moment of signing in seconds since 1970, the body, the webhook''s secret, and the one before it or NULL. Returns the value of the header webhook-signature, as Standard Webhooks has it: v1, and base64 of the HMAC-SHA256 of id.moment.body, once per secret.';

REVOKE ALL ON FUNCTION
    telemetry.hmac_sha256(bytea, bytea),
    telemetry.webhook_signatures(text, bigint, text, bytea, bytea)
FROM PUBLIC;
