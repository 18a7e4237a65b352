-- Webhooks by name.

CREATE OR REPLACE FUNCTION telemetry.raise_no_webhook(webhook text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'there is no webhook %', webhook
        USING ERRCODE = 'WL081', HINT = 'ops.webhooks lists them.';
END;
$$;

COMMENT ON FUNCTION telemetry.raise_no_webhook(text) IS
'Takes the name of a webhook that there is not. Raises WL081, always.';

REVOKE ALL ON FUNCTION telemetry.raise_no_webhook(text) FROM PUBLIC;
