-- Devices whose alerts are to be looked at: what was kept anew of them, found at their registers, or told by a DBA.

CREATE OR REPLACE FUNCTION telemetry.queue_alerts(side text, device_ids text[], due_at timestamptz)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    WITH wanted AS MATERIALIZED (
        SELECT DISTINCT d.device_id
        FROM unnest(queue_alerts.device_ids) AS d (device_id)
        WHERE d.device_id <> ''
    ),
    -- nobody waits for who looks at alerts, or keeps charging of others
    free AS MATERIALIZED (
        SELECT q.device_id, q.queued_at
        FROM telemetry.alert_queue AS q
        INNER JOIN wanted AS w ON w.device_id = q.device_id
        WHERE q.side = queue_alerts.side
            -- what is to be looked at now does not wait for a charge to be over
            AND (q.due_at > now()) = (queue_alerts.due_at > now())
        FOR UPDATE OF q SKIP LOCKED
    ),
    changed AS (
        UPDATE telemetry.alert_queue AS q
        SET due_at = least(greatest(queue_alerts.due_at, q.due_at), q.queued_at + INTERVAL '1 hour')
        FROM free AS f
        WHERE q.side = queue_alerts.side AND q.device_id = f.device_id AND q.queued_at = f.queued_at
        RETURNING q.device_id
    )
    INSERT INTO telemetry.alert_queue (side, device_id, due_at)
    SELECT queue_alerts.side, w.device_id, queue_alerts.due_at
    FROM wanted AS w
    WHERE w.device_id NOT IN (SELECT c.device_id FROM changed AS c)
    ON CONFLICT ON CONSTRAINT alert_queue_pkey DO UPDATE SET due_at = excluded.due_at;
END;
$$;

COMMENT ON FUNCTION telemetry.queue_alerts(text, text[], timestamptz) IS
'Takes meter or vehicle, devices of that side (empty ones are left out), and when their charges are over. Has their alerts looked at then; of one that goes on charging an hour after it was queued at the latest. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.queue_alerts_of_sessions()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_meter_ids text[];
    v_vehicle_ids text[];
    v_due_at timestamptz;
BEGIN
    SELECT
        array_agg(DISTINCT s.meter_id),
        array_agg(DISTINCT s.vehicle_id),
        -- what lies behind is looked at at once
        max(s.ended_at) + (SELECT r.session_ends_after FROM telemetry.rules AS r)
    INTO v_meter_ids, v_vehicle_ids, v_due_at
    FROM changed AS s;
    IF v_meter_ids IS NOT NULL THEN
        PERFORM telemetry.queue_alerts('meter', v_meter_ids, v_due_at);
        PERFORM telemetry.queue_alerts('vehicle', v_vehicle_ids, v_due_at);
    END IF;
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.queue_alerts_of_sessions() IS
'Trigger: has alerts of meters and vehicles looked at whose charges were kept anew.';

CREATE OR REPLACE FUNCTION telemetry.queue_alerts_of_days()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM telemetry.queue_alerts('meter', k.meter_ids, now())
    FROM (
        SELECT array_agg(DISTINCT d.meter_id) AS meter_ids
        FROM changed AS d
        WHERE d.day < telemetry.utc_day(now())
            AND (
                d.standby_us > 0
                -- or what was told of it was wrong
                OR EXISTS (
                    SELECT FROM telemetry.open_alert AS o
                    WHERE o.meter_id = d.meter_id AND o.vehicle_id = '' AND o.kind = 'standby'
                )
            )
    ) AS k
    WHERE k.meter_ids IS NOT NULL;
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.queue_alerts_of_days() IS
'Trigger: has alerts of meters looked at of which a day that is over was kept anew.';

CREATE OR REPLACE FUNCTION telemetry.queue_alerts_of_events()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM telemetry.queue_alerts(replace(k.dataset, '_reading', ''), k.device_ids, now())
    FROM (
        SELECT e.dataset, array_agg(DISTINCT e.device_id) AS device_ids
        FROM changed AS e
        GROUP BY e.dataset
    ) AS k;
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.queue_alerts_of_events() IS
'Trigger: has alerts of devices looked at of whose registers something was found, or of which a record was made.';

CREATE OR REPLACE FUNCTION telemetry.queue_all_alerts()
RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM telemetry.queue_alerts('meter', ARRAY(SELECT m.meter_id FROM telemetry.meter_state AS m), now());
    PERFORM telemetry.queue_alerts('vehicle', ARRAY(SELECT v.vehicle_id FROM telemetry.vehicle_state AS v), now());
    UPDATE telemetry.alert_watch SET looked_at = '-infinity';
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.queue_all_alerts() IS
'Trigger: has alerts of all devices looked at, after the rules changed.';

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = 'telemetry.charging_session'::regclass AND t.tgname = 'alerts_added'
    ) THEN
        CREATE TRIGGER alerts_added AFTER INSERT ON telemetry.charging_session REFERENCING NEW TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_alerts_of_sessions();
        CREATE TRIGGER alerts_changed AFTER UPDATE ON telemetry.charging_session REFERENCING NEW TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_alerts_of_sessions();
        CREATE TRIGGER alerts_removed AFTER DELETE ON telemetry.charging_session REFERENCING OLD TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_alerts_of_sessions();
        CREATE TRIGGER alerts_added AFTER INSERT ON telemetry.charging_day REFERENCING NEW TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_alerts_of_days();
        CREATE TRIGGER alerts_added AFTER INSERT ON telemetry.register_event REFERENCING NEW TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_alerts_of_events();
        CREATE TRIGGER alerts_removed AFTER DELETE ON telemetry.register_event REFERENCING OLD TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_alerts_of_events();
        CREATE TRIGGER alerts_added AFTER INSERT ON telemetry.ledger_record REFERENCING NEW TABLE AS changed
        FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_alerts_of_events();
        CREATE TRIGGER alerts_changed AFTER UPDATE ON telemetry.rules
        FOR EACH STATEMENT EXECUTE FUNCTION telemetry.queue_all_alerts();
    END IF;
END;
$$;

REVOKE ALL ON FUNCTION
    telemetry.queue_alerts(text, text[], timestamptz),
    telemetry.queue_alerts_of_sessions(),
    telemetry.queue_alerts_of_days(),
    telemetry.queue_alerts_of_events(),
    telemetry.queue_all_alerts()
FROM PUBLIC;
