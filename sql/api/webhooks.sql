-- Webhooks: what is due is claimed and signed, and what became of it is noted.

CREATE OR REPLACE FUNCTION api.claim_webhook_deliveries(
    base_url text DEFAULT '',
    per_webhook integer DEFAULT 4,
    lease interval DEFAULT '1 minute'
)
RETURNS TABLE (
    webhook_id text,
    change_id bigint,
    attempt integer,
    url text,
    message_id text,
    signed_at bigint,
    signatures text,
    body text
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_webhook record;
    v_now bigint := floor(extract(EPOCH FROM now()))::bigint;
BEGIN
    FOR v_webhook IN
        SELECT w.webhook_id, w.url, w.secret, CASE WHEN w.former_secret_until > now() THEN w.former_secret END AS former
        FROM telemetry.webhook AS w
        WHERE w.enabled AND EXISTS (
            SELECT FROM telemetry.webhook_delivery AS d
            WHERE d.webhook_id = w.webhook_id AND d.state = 'pending' AND d.next_attempt_at <= now()
        )
        ORDER BY w.webhook_id
        -- another sender is at it: what runs is counted by one at a time
        FOR NO KEY UPDATE OF w SKIP LOCKED
    LOOP
        -- a sender that dies on each attempt is not followed by another for ever
        UPDATE telemetry.webhook_delivery AS d
        SET state = 'dead',
            ended_at = now(),
            leased_until = NULL,
            last_error = coalesce(d.last_error, 'no sender has told what became of it')
        WHERE d.webhook_id = v_webhook.webhook_id
            AND d.state = 'pending'
            AND d.next_attempt_at <= now()
            AND d.leased_until <= now()
            AND telemetry.webhook_pause(d.attempts) IS NULL;

        RETURN QUERY
        WITH due AS MATERIALIZED (
            SELECT q.change_id
            FROM telemetry.webhook_delivery AS q
            WHERE q.webhook_id = v_webhook.webhook_id
                AND q.state = 'pending'
                AND q.next_attempt_at <= now()
                AND (q.leased_until IS NULL OR q.leased_until <= now())
                AND NOT telemetry.webhook_is_blocked(q.webhook_id, q.alert_id, q.change_id)
            ORDER BY q.next_attempt_at, q.change_id
            LIMIT greatest(0, per_webhook - (
                SELECT count(*)
                FROM telemetry.webhook_delivery AS r
                WHERE r.webhook_id = v_webhook.webhook_id AND r.state = 'pending' AND r.leased_until > now()
            ))
            FOR UPDATE OF q SKIP LOCKED
        ),
        claimed AS (
            UPDATE telemetry.webhook_delivery AS d
            SET attempts = d.attempts + 1,
                attempted_at = now(),
                -- a lease is of minutes
                leased_until = telemetry.utc_minus(now(), -claim_webhook_deliveries.lease)
            FROM due AS u
            WHERE d.webhook_id = v_webhook.webhook_id AND d.change_id = u.change_id
            RETURNING d.change_id, d.alert_id, d.attempts, d.payload
        ),
        written AS (
            SELECT
                c.change_id,
                c.attempts,
                c.payload ->> 'id' AS message_id,
                (
                    CASE
                        WHEN c.alert_id IS NULL THEN c.payload
                        ELSE jsonb_set(c.payload, '{data,links}', jsonb_build_object(
                            'alert', base_url || '/v1/alerts/' || c.alert_id,
                            'acknowledge', base_url || '/v1/alerts/' || c.alert_id || '/acknowledge'
                        ))
                    END
                )::text AS body
            FROM claimed AS c
        )
        SELECT
            v_webhook.webhook_id,
            t.change_id,
            t.attempts,
            v_webhook.url,
            t.message_id,
            v_now,
            telemetry.webhook_signatures(t.message_id, v_now, t.body, v_webhook.secret, v_webhook.former),
            t.body
        FROM written AS t
        ORDER BY t.change_id;
    END LOOP;
END;
$$;

COMMENT ON FUNCTION api.claim_webhook_deliveries(text, integer, interval) IS
'Claims what is due of each webhook that is enabled. Takes what to put before the API''s paths in links, how many deliveries of one webhook may run at once, by all senders together, and how long a claim holds: after that its sender counts as dead, and it is due again. Returns one row per delivery: its webhook and change, which attempt it is, where to post, the id of the message, the moment of signing in seconds since 1970, the value of the header webhook-signature, and the body. A change of an alert is claimed once the earlier ones of that alert are delivered to that webhook, or dead. To be committed before anything is sent.';

CREATE OR REPLACE FUNCTION api.note_webhook_delivery(
    webhook_id text,
    change_id bigint,
    attempt integer,
    status integer,
    error text,
    retry_after_seconds double precision DEFAULT NULL
)
RETURNS TABLE (state text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_is_delivered boolean := coalesce(status BETWEEN 200 AND 299, FALSE);
    v_is_gone boolean := coalesce(status = 410, FALSE);
    -- not all that failed together come back together
    v_pause interval := telemetry.webhook_pause(attempt) * (1 + random() / 5);
    v_asked interval := make_interval(secs => least(greatest(retry_after_seconds, 0), 86400));
    v_noted record;
BEGIN
    IF v_is_gone THEN
        UPDATE telemetry.webhook AS w
        SET enabled = FALSE, disabled_because = 'the receiver answered 410: it is gone'
        WHERE w.webhook_id = note_webhook_delivery.webhook_id AND w.enabled;
    END IF;
    UPDATE telemetry.webhook_delivery AS d
    SET state = n.state,
        last_status = note_webhook_delivery.status,
        last_error = CASE WHEN NOT v_is_delivered THEN left(note_webhook_delivery.error, 400) END,
        leased_until = NULL,
        ended_at = CASE WHEN n.state <> 'pending' THEN now() END,
        next_attempt_at = CASE
            WHEN n.state = 'pending' THEN telemetry.utc_minus(now(), -greatest(v_pause, v_asked))
            ELSE d.next_attempt_at
        END
    FROM (
        SELECT CASE
            WHEN v_is_delivered THEN 'delivered'
            WHEN v_is_gone OR v_pause IS NULL THEN 'dead'
            ELSE 'pending'
        END AS state
    ) AS n
    WHERE d.webhook_id = note_webhook_delivery.webhook_id
        AND d.change_id = note_webhook_delivery.change_id
        AND d.state <> 'delivered'
        -- what was claimed again meanwhile is the other sender's, unless it has arrived already
        AND (v_is_delivered OR (d.state = 'pending' AND d.attempts = note_webhook_delivery.attempt))
    RETURNING d.state, d.alert_id, d.next_attempt_at INTO v_noted;
    IF NOT found THEN
        RETURN;
    END IF;
    -- what comes after it in the same alert has its turn with it, and is not looked at until then
    UPDATE telemetry.webhook_delivery AS d
    SET next_attempt_at = CASE WHEN v_noted.state = 'pending' THEN v_noted.next_attempt_at ELSE now() END
    WHERE d.webhook_id = note_webhook_delivery.webhook_id
        AND d.alert_id = v_noted.alert_id
        AND d.change_id > note_webhook_delivery.change_id
        AND d.state = 'pending'
        AND d.attempts = 0
        AND CASE
            WHEN v_noted.state = 'pending' THEN d.next_attempt_at < v_noted.next_attempt_at
            ELSE d.next_attempt_at > now()
        END;
    note_webhook_delivery.state := v_noted.state;
    RETURN NEXT;
END;
$$;

COMMENT ON FUNCTION api.note_webhook_delivery(text, bigint, integer, integer, text, double precision) IS
'Notes what became of a claimed delivery. Takes its webhook and change, which attempt it was, the HTTP status (NULL without an answer), why it failed, and how many seconds the receiver asks to wait, a day at most. From 200 to 299 it is delivered; 410 disables the webhook; anything else is tried again after telemetry.webhook_pause, and after the last attempt it is dead. Returns its state then; no row where it is no longer this attempt''s.';

CREATE OR REPLACE FUNCTION api.forget_webhook_deliveries(at_most integer DEFAULT 10000)
RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_before timestamptz := now() - INTERVAL '720 hours';
    v_forgotten integer;
BEGIN
    UPDATE telemetry.webhook AS w
    SET former_secret = NULL, former_secret_until = NULL
    WHERE w.former_secret_until <= now();
    DELETE FROM telemetry.webhook_delivery AS d
    USING (
        SELECT o.webhook_id, o.change_id
        FROM (
            SELECT e.webhook_id, e.change_id
            FROM telemetry.webhook_delivery AS e
            WHERE e.state <> 'pending' AND e.ended_at < v_before
            UNION ALL
            -- of a webhook that was removed, or disabled for long
            SELECT p.webhook_id, p.change_id
            FROM telemetry.webhook_delivery AS p
            LEFT JOIN telemetry.webhook AS w ON w.webhook_id = p.webhook_id
            WHERE w.webhook_id IS NULL OR (p.state = 'pending' AND NOT w.enabled AND p.queued_at < v_before)
        ) AS o
        LIMIT at_most
    ) AS old
    WHERE d.webhook_id = old.webhook_id AND d.change_id = old.change_id;
    GET DIAGNOSTICS v_forgotten = ROW_COUNT;
    RETURN v_forgotten;
END;
$$;

COMMENT ON FUNCTION api.forget_webhook_deliveries(integer) IS
'Removes deliveries that ended 30 days ago, those that have waited as long for a webhook that is disabled, and those of webhooks that are no more; and secrets that no longer sign. Takes how many deliveries at most. Returns how many there were.';

REVOKE ALL ON FUNCTION
    api.claim_webhook_deliveries(text, integer, interval),
    api.note_webhook_delivery(text, bigint, integer, integer, text, double precision),
    api.forget_webhook_deliveries(integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    api.claim_webhook_deliveries(text, integer, interval),
    api.note_webhook_delivery(text, bigint, integer, integer, text, double precision),
    api.forget_webhook_deliveries(integer)
TO wattledger_service;
