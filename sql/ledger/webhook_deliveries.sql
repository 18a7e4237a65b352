-- Each change of an alert is to be told once to each webhook that asks for it.

CREATE OR REPLACE FUNCTION telemetry.wire_time(moment timestamptz)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
$$;

COMMENT ON FUNCTION telemetry.wire_time(timestamptz) IS
'Takes a moment. Returns it as RFC 3339 in UTC with microseconds, whatever the session''s time zone; NULL for NULL.';

-- It runs in the transaction that changes the alert. Numbers of changes are given before they are committed, so whoever
-- followed them by the greatest one that was seen would miss those that are committed later.
CREATE OR REPLACE FUNCTION telemetry.queue_webhook_deliveries()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO telemetry.webhook_delivery (webhook_id, change_id, alert_id, payload, next_attempt_at)
    SELECT
        w.webhook_id,
        c.change_id,
        c.alert_id,
        jsonb_build_object(
            'id', 'alert_change_' || c.change_id,
            'type', 'alert.' || c.change,
            'timestamp', telemetry.wire_time(c.changed_at),
            'data', jsonb_build_object(
                'changeId', c.change_id,
                'alertId', c.alert_id,
                'kind', a.kind,
                'change', c.change,
                'changedBy', c.changed_by,
                'meterId', a.meter_id,
                'vehicleId', a.vehicle_id,
                'severity', n.severity,
                'since', telemetry.wire_time(n.since),
                'openedAt', telemetry.wire_time(a.opened_at),
                'cause', coalesce(c.detail ->> 'cause', n.cause),
                'lostKwh', coalesce(c.detail -> 'lostKwh', a.detail -> 'lostKwh'),
                'detail', a.detail || c.detail
            )
        ),
        -- not before what is to be told first of the same alert
        greatest(now(), (
            -- a filter, or the planner would look for the latest of the whole webhook first
            SELECT max(e.next_attempt_at) FILTER (WHERE e.change_id < c.change_id)
            FROM telemetry.webhook_delivery AS e
            WHERE e.webhook_id = w.webhook_id AND e.alert_id = c.alert_id AND e.state = 'pending'
        ))
    FROM added AS c
    INNER JOIN telemetry.alert AS a ON a.alert_id = c.alert_id
    -- an alert stays as it was at its opening; what holds from a change on is told by that, and else by what is open
    LEFT JOIN telemetry.open_alert AS o ON o.alert_id = c.alert_id
    LEFT JOIN telemetry.alert_change AS x ON x.alert_id = c.alert_id AND x.change = 'closed'
    CROSS JOIN LATERAL (
        SELECT
            coalesce(c.detail ->> 'severity', o.severity, x.detail ->> 'severity', a.severity) AS severity,
            coalesce(o.cause, x.detail ->> 'cause', a.cause) AS cause,
            CASE
                WHEN pg_input_is_valid(c.detail ->> 'since', 'timestamptz') THEN (c.detail ->> 'since')::timestamptz
                ELSE coalesce(o.since, a.since)
            END AS since
    ) AS n
    INNER JOIN telemetry.webhook AS w
        ON w.enabled
        AND (w.kinds IS NULL OR a.kind = ANY (w.kinds))
        AND (
            w.severities IS NULL
            OR n.severity = ANY (w.severities)
            -- who was told of it is told how it ends
            OR a.severity = ANY (w.severities)
            OR EXISTS (
                SELECT FROM telemetry.alert_change AS b
                WHERE b.alert_id = c.alert_id AND b.detail ->> 'severity' = ANY (w.severities)
            )
        )
        AND (w.changes IS NULL OR c.change = ANY (w.changes));
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.queue_webhook_deliveries() IS
'Trigger: queues what changed of alerts for each webhook that is enabled and asks for it, as the alert is now.';

CREATE OR REPLACE FUNCTION telemetry.webhook_pause(attempts integer)
RETURNS interval
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN attempts BETWEEN 6 AND 17 THEN INTERVAL '6 hours'
        WHEN attempts > 17 THEN NULL
        ELSE (ARRAY[
            INTERVAL '10 seconds', INTERVAL '1 minute', INTERVAL '10 minutes', INTERVAL '1 hour', INTERVAL '3 hours'
        ])[greatest(attempts, 1)]
    END
$$;

COMMENT ON FUNCTION telemetry.webhook_pause(integer) IS
'Takes how often a delivery was tried. Returns how long to wait before the next attempt, which may be a fifth longer by chance; NULL after the last one, the 18th, about three days after the first.';

CREATE OR REPLACE FUNCTION telemetry.webhook_is_blocked(webhook_id text, alert_id bigint, change_id bigint)
RETURNS boolean
LANGUAGE sql STABLE
AS $$
    SELECT EXISTS (
        SELECT FROM telemetry.webhook_delivery AS e
        WHERE e.webhook_id = webhook_is_blocked.webhook_id
            AND e.alert_id = webhook_is_blocked.alert_id
            AND e.change_id < webhook_is_blocked.change_id
            AND e.state = 'pending'
    )
$$;

COMMENT ON FUNCTION telemetry.webhook_is_blocked(text, bigint, bigint) IS
'Takes a webhook, an alert and a change of it. Returns whether an earlier change of that alert is still to be delivered to that webhook: an alert is opened before it is closed.';

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = 'telemetry.alert_change'::regclass AND t.tgname = 'queue_webhooks'
    ) THEN
        CREATE TRIGGER queue_webhooks AFTER INSERT ON telemetry.alert_change REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_webhook_deliveries();
    END IF;
END;
$$;

REVOKE ALL ON FUNCTION
    telemetry.wire_time(timestamptz),
    telemetry.queue_webhook_deliveries(),
    telemetry.webhook_pause(integer),
    telemetry.webhook_is_blocked(text, bigint, bigint)
FROM PUBLIC;
