-- Webhooks: make, change, test and remove them, and try anew what was given up.

CREATE OR REPLACE VIEW ops.webhooks AS
SELECT
    w.webhook_id AS webhook,
    w.url,
    w.kinds,
    w.severities,
    w.changes,
    w.enabled,
    w.disabled_because,
    d.waiting,
    d.dead,
    d.delivered_at,
    w.former_secret_until,
    w.created_at,
    w.created_by,
    w.changed_at,
    w.changed_by
FROM telemetry.webhook AS w
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE e.state = 'pending') AS waiting,
        count(*) FILTER (WHERE e.state = 'dead') AS dead,
        max(e.ended_at) FILTER (WHERE e.state = 'delivered') AS delivered_at
    FROM telemetry.webhook_delivery AS e
    WHERE e.webhook_id = w.webhook_id
) AS d;

COMMENT ON VIEW ops.webhooks IS 'Every webhook but its secret, which nobody has but the receiver.';
COMMENT ON COLUMN ops.webhooks.webhook IS 'Its name.';
COMMENT ON COLUMN ops.webhooks.url IS 'Where it is posted to.';
COMMENT ON COLUMN ops.webhooks.kinds IS 'Kinds of alerts that it is told of; NULL: all.';
COMMENT ON COLUMN ops.webhooks.severities IS 'Severities of alerts that it is told of; NULL: all.';
COMMENT ON COLUMN ops.webhooks.changes IS 'Changes of alerts that it is told of; NULL: all.';
COMMENT ON COLUMN ops.webhooks.enabled IS 'Whether it is told anything.';
COMMENT ON COLUMN ops.webhooks.disabled_because IS 'Why the service disabled it; NULL where it did not.';
COMMENT ON COLUMN ops.webhooks.waiting IS 'Deliveries that are still to be made.';
COMMENT ON COLUMN ops.webhooks.dead IS 'Deliveries that were given up, of the last 30 days.';
COMMENT ON COLUMN ops.webhooks.delivered_at IS 'When it last took one, of the last 30 days; NULL: not since.';
COMMENT ON COLUMN ops.webhooks.former_secret_until IS
'Until when requests are signed by the secret before too; NULL where there is none.';
COMMENT ON COLUMN ops.webhooks.created_at IS 'When it was made.';
COMMENT ON COLUMN ops.webhooks.created_by IS 'The login that made it.';
COMMENT ON COLUMN ops.webhooks.changed_at IS 'When it was last changed.';
COMMENT ON COLUMN ops.webhooks.changed_by IS 'The login that changed it last.';

CREATE OR REPLACE FUNCTION ops.set_webhook(
    webhook text,
    url text,
    kinds text[] DEFAULT NULL,
    severities text[] DEFAULT NULL,
    changes text[] DEFAULT NULL,
    enabled boolean DEFAULT TRUE,
    new_secret boolean DEFAULT FALSE,
    overlap interval DEFAULT NULL
)
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_secret bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
    v_overlap interval := coalesce(set_webhook.overlap, '24 hours');
    v_is_new boolean;
    v_fault text;
    v_constraint text;
BEGIN
    -- the number of webhooks bounds what a sender does at once
    PERFORM pg_advisory_xact_lock(hashtext('telemetry.webhook'));
    v_is_new := NOT EXISTS (SELECT FROM telemetry.webhook AS w WHERE w.webhook_id = set_webhook.webhook);
    v_fault := CASE
        WHEN v_overlap < '0' OR v_overlap > '365 days' THEN
            'both secrets are used for a time from 0 to 365 days'
        WHEN v_is_new AND (SELECT count(*) FROM telemetry.webhook) >= 32 THEN
            'there are 32 webhooks already, and that is all that there can be'
    END;
    IF v_fault IS NOT NULL THEN
        RAISE EXCEPTION '%', v_fault USING ERRCODE = 'WL080';
    END IF;
    INSERT INTO telemetry.webhook AS w (webhook_id, url, secret, kinds, severities, changes, enabled)
    VALUES (
        set_webhook.webhook,
        set_webhook.url,
        v_secret,
        nullif(set_webhook.kinds, '{}'),
        nullif(set_webhook.severities, '{}'),
        nullif(set_webhook.changes, '{}'),
        coalesce(set_webhook.enabled, TRUE)
    )
    ON CONFLICT ON CONSTRAINT webhook_pkey DO UPDATE SET
        url = excluded.url,
        kinds = excluded.kinds,
        severities = excluded.severities,
        changes = excluded.changes,
        enabled = excluded.enabled,
        disabled_because = NULL,
        secret = CASE WHEN new_secret THEN excluded.secret ELSE w.secret END,
        former_secret = CASE WHEN new_secret THEN w.secret ELSE w.former_secret END,
        former_secret_until = CASE
            WHEN new_secret THEN telemetry.utc_minus(now(), -v_overlap)
            ELSE w.former_secret_until
        END,
        changed_at = now(),
        changed_by = session_user;
    RETURN CASE WHEN v_is_new OR new_secret THEN 'whsec_' || encode(v_secret, 'base64') END;
EXCEPTION WHEN check_violation OR not_null_violation THEN
    GET STACKED DIAGNOSTICS v_constraint = CONSTRAINT_NAME;
    -- not the row, which has the secret
    RAISE EXCEPTION 'this webhook cannot be kept: %', CASE v_constraint
        WHEN 'webhook_name' THEN 'its name cannot be used'
        WHEN 'webhook_url' THEN 'its address cannot be used'
        ELSE 'it asks for a kind, severity or change that alerts do not have'
    END
        USING ERRCODE = 'WL080',
            HINT = 'A name has up to 63 of a-z, 0-9, _ and -; an address is like https://example.org/path, of ASCII, without a user or a fragment; kinds are degraded, drifting, impossible, frozen, silent, register, unlinked and standby, severities warning and critical, changes opened, worsened, revised, acknowledged and closed.';
END;
$$;

COMMENT ON FUNCTION ops.set_webhook(text, text, text[], text[], text[], boolean, boolean, interval) IS
'Makes a webhook, or says anew what one is told, in place of what was said before. Takes its name, where to post to, the kinds, severities and changes of alerts that it is told of (NULL: all), whether it is enabled, whether it gets a new secret, and how long requests are signed by the old one too then, for the receiver to change over (NULL: a day). It is told of what changes from now on. Returns the secret, whsec_ and base64, where one was made, this once; else NULL: the secret stays. Raises WL080 for what cannot be kept, and beyond 32 webhooks.';

CREATE OR REPLACE FUNCTION ops.remove_webhook(webhook text)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM telemetry.webhook AS w WHERE w.webhook_id = remove_webhook.webhook;
    IF NOT found THEN
        PERFORM telemetry.raise_no_webhook(remove_webhook.webhook);
    END IF;
    DELETE FROM telemetry.webhook_delivery AS d WHERE d.webhook_id = remove_webhook.webhook;
END;
$$;

COMMENT ON FUNCTION ops.remove_webhook(text) IS
'Removes a webhook with its secret and all its deliveries. Takes its name. Returns nothing. Raises WL081 where there is none of that name.';

CREATE OR REPLACE FUNCTION ops.retry_webhook_delivery(webhook text, change_id bigint DEFAULT NULL)
RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_count integer;
BEGIN
    IF NOT EXISTS (
        SELECT FROM telemetry.webhook AS w WHERE w.webhook_id = retry_webhook_delivery.webhook
    ) THEN
        PERFORM telemetry.raise_no_webhook(retry_webhook_delivery.webhook);
    END IF;
    UPDATE telemetry.webhook_delivery AS d
    SET state = 'pending',
        attempts = CASE WHEN d.state = 'dead' THEN 0 ELSE d.attempts END,
        next_attempt_at = now(),
        ended_at = NULL
    WHERE d.webhook_id = retry_webhook_delivery.webhook
        AND CASE
            WHEN retry_webhook_delivery.change_id IS NULL THEN d.state = 'dead'
            ELSE d.state <> 'delivered' AND d.change_id = retry_webhook_delivery.change_id
        END;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END;
$$;

COMMENT ON FUNCTION ops.retry_webhook_delivery(text, bigint) IS
'Has deliveries tried at once: dead ones as if they were new, and one that waits without its pause. Takes the webhook, and the change of an alert (NULL: all that are dead). Returns how many there are; none of those that were delivered. Raises WL081 where there is no such webhook.';

CREATE OR REPLACE FUNCTION ops.test_webhook(webhook text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_change_id bigint;
BEGIN
    PERFORM FROM telemetry.webhook AS w WHERE w.webhook_id = test_webhook.webhook FOR NO KEY UPDATE;
    IF NOT found THEN
        PERFORM telemetry.raise_no_webhook(test_webhook.webhook);
    END IF;
    INSERT INTO telemetry.webhook_delivery AS d (webhook_id, change_id, payload)
    SELECT
        test_webhook.webhook,
        least(0, min(e.change_id)) - 1,
        jsonb_build_object(
            'id', 'test_' || gen_random_uuid(),
            'type', 'webhook.test',
            'timestamp', telemetry.wire_time(now()),
            'data', jsonb_build_object('webhook', test_webhook.webhook)
        )
    FROM telemetry.webhook_delivery AS e
    WHERE e.webhook_id = test_webhook.webhook
    RETURNING d.change_id INTO v_change_id;
    RETURN v_change_id;
END;
$$;

COMMENT ON FUNCTION ops.test_webhook(text) IS
'Has a message of the type webhook.test delivered, as any other. Takes the webhook. Returns the number, below zero, by which bi.webhook_delivery tells what became of it. Raises WL081 where there is no such webhook.';

REVOKE ALL ON ops.webhooks FROM PUBLIC;
GRANT SELECT ON ops.webhooks TO wattledger_dba;
REVOKE ALL ON FUNCTION
    ops.set_webhook(text, text, text[], text[], text[], boolean, boolean, interval),
    ops.remove_webhook(text),
    ops.retry_webhook_delivery(text, bigint),
    ops.test_webhook(text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    ops.set_webhook(text, text, text[], text[], text[], boolean, boolean, interval),
    ops.remove_webhook(text),
    ops.retry_webhook_delivery(text, bigint),
    ops.test_webhook(text)
TO wattledger_dba;
