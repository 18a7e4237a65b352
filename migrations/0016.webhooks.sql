-- Webhooks: who is told of alerts over HTTP, and what of it was delivered.

SET LOCAL ROLE wattledger_owner;

CREATE TABLE telemetry.webhook (
    webhook_id text COLLATE "C" PRIMARY KEY CONSTRAINT webhook_name CHECK (webhook_id ~ '^[a-z0-9][a-z0-9_-]{0,62}$'),
    -- what identifies itself by a name and a password before the host would end up in logs of others
    url text NOT NULL CONSTRAINT webhook_url CHECK (
        length(url) <= 2000
        AND url ~ (
            '^https?://([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])'
            || '(:[0-9]{1,5})?([/?][!-"$-~]*)?$'
        )
    ),
    secret bytea NOT NULL CHECK (length(secret) BETWEEN 24 AND 64),
    former_secret bytea CHECK (length(former_secret) BETWEEN 24 AND 64),
    former_secret_until timestamptz,
    -- what telemetry.alert and telemetry.alert_change can have: a misspelt one would never be told
    kinds text[] CHECK (
        cardinality(kinds) > 0
        AND kinds <@ ARRAY['degraded', 'drifting', 'impossible', 'frozen', 'silent', 'register', 'unlinked', 'standby']
    ),
    severities text[] CHECK (cardinality(severities) > 0 AND severities <@ ARRAY['warning', 'critical']),
    changes text[] CHECK (
        cardinality(changes) > 0
        AND changes <@ ARRAY['opened', 'worsened', 'revised', 'acknowledged', 'closed']
    ),
    enabled boolean NOT NULL DEFAULT TRUE,
    disabled_because text,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL DEFAULT session_user,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL DEFAULT session_user,
    CHECK ((former_secret IS NULL) = (former_secret_until IS NULL)),
    CHECK (NOT enabled OR disabled_because IS NULL)
);

COMMENT ON TABLE telemetry.webhook IS
'Receivers that are told of alerts. Secrets are used by the function that signs, and shown by none but the one that makes them.';
COMMENT ON COLUMN telemetry.webhook.webhook_id IS 'The webhook''s name.';
COMMENT ON COLUMN telemetry.webhook.url IS 'Where to post to: https, or http where the service allows it.';
COMMENT ON COLUMN telemetry.webhook.secret IS 'The key of its signatures.';
COMMENT ON COLUMN telemetry.webhook.former_secret IS
'The key before that, by which requests are signed too while the receiver changes over; null: none.';
COMMENT ON COLUMN telemetry.webhook.former_secret_until IS 'Until when they are; null where there is none.';
COMMENT ON COLUMN telemetry.webhook.kinds IS 'Kinds of alerts that it is told of; null: all.';
COMMENT ON COLUMN telemetry.webhook.severities IS 'Severities of alerts that it is told of; null: all.';
COMMENT ON COLUMN telemetry.webhook.changes IS 'Changes of alerts that it is told of, such as opened; null: all.';
COMMENT ON COLUMN telemetry.webhook.enabled IS 'Whether it is told anything; what waits, waits on while it is not.';
COMMENT ON COLUMN telemetry.webhook.disabled_because IS
'Why the service disabled it: what the receiver answered; null where it did not.';
COMMENT ON COLUMN telemetry.webhook.created_at IS 'When it was made.';
COMMENT ON COLUMN telemetry.webhook.created_by IS 'The login that made it.';
COMMENT ON COLUMN telemetry.webhook.changed_at IS 'When it was last changed.';
COMMENT ON COLUMN telemetry.webhook.changed_by IS 'The login that changed it last.';

-- Neither refers to its webhook or its change by a foreign key: who settles alerts would wait for whoever removes a
-- webhook, or fail with it. What lost its webhook goes with what is old.
CREATE TABLE telemetry.webhook_delivery (
    webhook_id text COLLATE "C" NOT NULL,
    change_id bigint NOT NULL,
    alert_id bigint,
    payload jsonb NOT NULL,
    state text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    queued_at timestamptz NOT NULL DEFAULT now(),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    leased_until timestamptz,
    attempted_at timestamptz,
    ended_at timestamptz,
    last_status integer,
    last_error text CHECK (length(last_error) <= 400),
    PRIMARY KEY (webhook_id, change_id),
    CHECK ((state = 'pending') = (ended_at IS NULL)),
    CHECK (state = 'pending' OR leased_until IS NULL)
);

-- those that are due next
CREATE INDEX webhook_delivery_due ON telemetry.webhook_delivery (webhook_id, next_attempt_at, change_id)
WHERE state = 'pending';
-- whether an earlier change of the same alert waits
CREATE INDEX webhook_delivery_in_order ON telemetry.webhook_delivery (webhook_id, alert_id, change_id)
WHERE state = 'pending';
CREATE INDEX webhook_delivery_dead ON telemetry.webhook_delivery (webhook_id, change_id) WHERE state = 'dead';
-- those that are old
CREATE INDEX webhook_delivery_ended_at ON telemetry.webhook_delivery (ended_at) WHERE state <> 'pending';

COMMENT ON TABLE telemetry.webhook_delivery IS 'What each webhook is to be told and was: one row per change of an alert.';
COMMENT ON COLUMN telemetry.webhook_delivery.webhook_id IS 'The webhook''s name.';
COMMENT ON COLUMN telemetry.webhook_delivery.change_id IS 'The change of an alert; below zero for a test.';
COMMENT ON COLUMN telemetry.webhook_delivery.alert_id IS 'The alert; null for a test.';
COMMENT ON COLUMN telemetry.webhook_delivery.payload IS
'What to post, as the alert was when it changed: the same in each attempt.';
COMMENT ON COLUMN telemetry.webhook_delivery.state IS
'pending; delivered: the receiver took it; dead: it is not tried again unless somebody asks for that.';
COMMENT ON COLUMN telemetry.webhook_delivery.attempts IS 'How often it was tried, one that still runs included.';
COMMENT ON COLUMN telemetry.webhook_delivery.queued_at IS 'When the alert changed.';
COMMENT ON COLUMN telemetry.webhook_delivery.next_attempt_at IS 'From when on it may be tried.';
COMMENT ON COLUMN telemetry.webhook_delivery.leased_until IS
'Until when it is its sender''s, which may have died; null while no attempt runs.';
COMMENT ON COLUMN telemetry.webhook_delivery.attempted_at IS 'When it was last tried; null: never.';
COMMENT ON COLUMN telemetry.webhook_delivery.ended_at IS 'When it was delivered, or given up; null while it is pending.';
COMMENT ON COLUMN telemetry.webhook_delivery.last_status IS 'The HTTP status that was answered last; null without an answer.';
COMMENT ON COLUMN telemetry.webhook_delivery.last_error IS
'Why the last attempt failed, with the start of what was answered; null where it did not.';
