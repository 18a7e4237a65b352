-- Alerts of devices that are due are looked at, a bounded number at a time.

CREATE OR REPLACE FUNCTION telemetry.newest_charge_ended_at(side text, device_id text)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF side = 'meter' THEN
        RETURN (
            SELECT m.ended_at
            FROM telemetry.charging_session AS m
            WHERE m.meter_id = newest_charge_ended_at.device_id
            ORDER BY m.started_at DESC
            LIMIT 1
        );
    END IF;
    RETURN (
        SELECT v.ended_at
        FROM telemetry.charging_session AS v
        WHERE v.vehicle_id = newest_charge_ended_at.device_id
        ORDER BY v.started_at DESC
        LIMIT 1
    );
END;
$$;

COMMENT ON FUNCTION telemetry.newest_charge_ended_at(text, text) IS
'Takes meter or vehicle, and a device. Returns when energy last flowed in its newest charge; NULL where it has none.';

CREATE OR REPLACE FUNCTION telemetry.settle_alerts(most integer, OUT judged integer, OUT waiting integer)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_due telemetry.alert_queue[];
    v_due_one telemetry.alert_queue;
BEGIN
    -- two would open the same alerts
    IF NOT pg_try_advisory_xact_lock(hashtextextended('telemetry.settle_alerts', 0)) THEN
        RETURN;
    END IF;
    WITH due AS MATERIALIZED (
        SELECT q.side, q.device_id, q.queued_at
        FROM telemetry.alert_queue AS q
        WHERE q.due_at <= now()
        ORDER BY q.due_at
        LIMIT settle_alerts.most
        FOR UPDATE OF q SKIP LOCKED
    ),
    taken AS (
        DELETE FROM telemetry.alert_queue AS q
        USING due AS d
        WHERE q.side = d.side AND q.device_id = d.device_id AND q.queued_at = d.queued_at
        RETURNING q
    )
    SELECT array_agg(t.q) INTO v_due FROM taken AS t;
    judged := coalesce(cardinality(v_due), 0);
    BEGIN
        PERFORM telemetry.judge_alerts(
            ARRAY(SELECT DISTINCT d.device_id FROM unnest(v_due) AS d WHERE d.side = 'meter'),
            ARRAY(SELECT DISTINCT d.device_id FROM unnest(v_due) AS d WHERE d.side = 'vehicle')
        )
        WHERE judged > 0;
    EXCEPTION
        WHEN lock_not_available OR deadlock_detected OR query_canceled THEN
            RAISE;
        WHEN OTHERS THEN
            -- one of which nothing can be said holds up none of the others
            FOREACH v_due_one IN ARRAY v_due LOOP
                PERFORM telemetry.judge_alerts_of(v_due_one.side, v_due_one.device_id);
            END LOOP;
    END;
    -- of a charge that goes on nothing is known yet, and its devices may report no more
    PERFORM telemetry.queue_alerts(g.side, array_agg(g.device_id), max(g.over_at))
    FROM (
        SELECT d.side, d.device_id, s.ended_at + r.session_ends_after AS over_at
        FROM unnest(v_due) AS d
        CROSS JOIN telemetry.rules AS r
        CROSS JOIN LATERAL telemetry.newest_charge_ended_at(d.side, d.device_id) AS s (ended_at)
    ) AS g
    WHERE g.over_at > now()
    GROUP BY g.side;
    -- who changes rules holds it, and has all looked at afterwards: nobody waits for that
    PERFORM FROM telemetry.alert_watch AS w
    WHERE w.looked_at <= now() - INTERVAL '5 minutes'
    FOR UPDATE SKIP LOCKED;
    IF found THEN
        PERFORM telemetry.judge_silence();
    END IF;
    SELECT count(*)::integer INTO waiting
    FROM (
        SELECT FROM telemetry.alert_queue AS q WHERE q.due_at <= now() LIMIT settle_alerts.most
    ) AS w;
END;
$$;

COMMENT ON FUNCTION telemetry.settle_alerts(integer) IS
'Opens, changes and closes alerts of devices that are due, and every five minutes of meters that fell silent. Takes how many devices at most. Returns of how many it looked at alerts (NULL: another session is at it), and how many more are known to be due.';

CREATE OR REPLACE FUNCTION telemetry.judge_alerts_of(side text, device_id text)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM telemetry.judge_alerts(
        CASE WHEN side = 'meter' THEN ARRAY[device_id] ELSE ARRAY[]::text[] END,
        CASE WHEN side = 'vehicle' THEN ARRAY[device_id] ELSE ARRAY[]::text[] END
    );
EXCEPTION
    WHEN lock_not_available OR deadlock_detected OR query_canceled THEN
        RAISE;
    WHEN OTHERS THEN
        RAISE WARNING 'alerts of % (%) cannot be judged: %', device_id, side, SQLERRM;
        PERFORM telemetry.queue_alerts(side, ARRAY[device_id], now() + INTERVAL '1 minute');
END;
$$;

COMMENT ON FUNCTION telemetry.judge_alerts_of(text, text) IS
'Opens, changes and closes alerts of one device. Takes meter or vehicle, and the device; where that fails it is tried again in a minute, told by a warning. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.alerts_are_late()
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (SELECT FROM telemetry.alert_queue AS q WHERE q.due_at <= now() - INTERVAL '10 minutes' LIMIT 1)
$$;

COMMENT ON FUNCTION telemetry.alerts_are_late() IS
'Takes nothing. Returns whether alerts of a device should have been looked at ten minutes ago.';

REVOKE ALL ON FUNCTION
    telemetry.newest_charge_ended_at(text, text),
    telemetry.settle_alerts(integer),
    telemetry.alerts_are_late(),
    telemetry.judge_alerts_of(text, text)
FROM PUBLIC;
