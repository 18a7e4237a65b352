-- What webhooks were told of alerts, and what could not be delivered.

CREATE OR REPLACE VIEW bi.webhook_delivery AS
SELECT
    d.webhook_id AS webhook,
    d.change_id,
    d.alert_id,
    d.payload #>> '{data,kind}' AS kind,
    d.payload #>> '{data,change}' AS change,
    d.state,
    d.attempts,
    d.queued_at,
    d.attempted_at,
    CASE WHEN d.state = 'pending' THEN greatest(d.next_attempt_at, d.leased_until) END AS next_attempt_at,
    d.ended_at,
    d.last_status,
    d.last_error
FROM telemetry.webhook_delivery AS d;

COMMENT ON VIEW bi.webhook_delivery IS
'What each webhook is to be told and was, one row per change of an alert; kept for 30 days after it ended.';
COMMENT ON COLUMN bi.webhook_delivery.webhook IS 'The webhook''s name.';
COMMENT ON COLUMN bi.webhook_delivery.change_id IS 'The change of an alert; below zero for a test.';
COMMENT ON COLUMN bi.webhook_delivery.alert_id IS 'The alert; NULL for a test.';
COMMENT ON COLUMN bi.webhook_delivery.kind IS 'The alert''s kind; NULL for a test.';
COMMENT ON COLUMN bi.webhook_delivery.change IS 'What happened to the alert, such as opened; NULL for a test.';
COMMENT ON COLUMN bi.webhook_delivery.state IS
'pending; delivered: the receiver took it; dead: it was given up, after about three days or since the receiver is gone.';
COMMENT ON COLUMN bi.webhook_delivery.attempts IS 'How often it was tried, one that still runs included.';
COMMENT ON COLUMN bi.webhook_delivery.queued_at IS 'When the alert changed.';
COMMENT ON COLUMN bi.webhook_delivery.attempted_at IS 'When it was last tried; NULL: never.';
COMMENT ON COLUMN bi.webhook_delivery.next_attempt_at IS 'From when on it may be tried again; NULL where it is not.';
COMMENT ON COLUMN bi.webhook_delivery.ended_at IS 'When it was delivered or given up; NULL while it is pending.';
COMMENT ON COLUMN bi.webhook_delivery.last_status IS 'The HTTP status that was answered last; NULL without an answer.';
COMMENT ON COLUMN bi.webhook_delivery.last_error IS
'Why the last attempt failed, with up to 200 characters of what was answered; NULL where it did not.';

CREATE OR REPLACE VIEW bi.webhook_dead_letter AS
SELECT
    d.webhook,
    d.change_id,
    d.alert_id,
    d.kind,
    d.change,
    d.attempts,
    d.queued_at,
    d.attempted_at,
    d.ended_at,
    d.last_status,
    d.last_error
FROM bi.webhook_delivery AS d
WHERE d.state = 'dead';

COMMENT ON VIEW bi.webhook_dead_letter IS
'What could not be delivered to a webhook, and is not tried again unless ops.retry_webhook_delivery says so.';
COMMENT ON COLUMN bi.webhook_dead_letter.webhook IS 'The webhook''s name.';
COMMENT ON COLUMN bi.webhook_dead_letter.change_id IS 'The change of an alert; below zero for a test.';
COMMENT ON COLUMN bi.webhook_dead_letter.alert_id IS 'The alert; NULL for a test.';
COMMENT ON COLUMN bi.webhook_dead_letter.kind IS 'The alert''s kind; NULL for a test.';
COMMENT ON COLUMN bi.webhook_dead_letter.change IS 'What happened to the alert, such as opened; NULL for a test.';
COMMENT ON COLUMN bi.webhook_dead_letter.attempts IS 'How often it was tried.';
COMMENT ON COLUMN bi.webhook_dead_letter.queued_at IS 'When the alert changed.';
COMMENT ON COLUMN bi.webhook_dead_letter.attempted_at IS 'When it was last tried; NULL: never.';
COMMENT ON COLUMN bi.webhook_dead_letter.ended_at IS 'When it was given up.';
COMMENT ON COLUMN bi.webhook_dead_letter.last_status IS 'The HTTP status that was answered last; NULL without an answer.';
COMMENT ON COLUMN bi.webhook_dead_letter.last_error IS
'Why the last attempt failed, with up to 200 characters of what was answered.';

REVOKE ALL ON bi.webhook_delivery, bi.webhook_dead_letter FROM PUBLIC;
GRANT SELECT ON bi.webhook_delivery, bi.webhook_dead_letter TO wattledger_bi;
