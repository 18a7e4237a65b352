-- Settling what is queued, a piece at a time.

CREATE OR REPLACE FUNCTION telemetry.settle_due(most integer, before timestamptz, wait boolean)
RETURNS TABLE (settled integer, entries integer)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- readings of these devices wait for as long as this lasts
    v_until timestamptz := clock_timestamp() + INTERVAL '50 milliseconds';
    v_first telemetry.settle_queue;
    v_next telemetry.settle_queue;
    v_posted integer;
BEGIN
    settled := 0;
    entries := 0;
    -- what waits longest, or what is newest: a backlog of old days holds up neither itself nor today
    SELECT q.* INTO v_first
    FROM telemetry.settle_queue AS q
    WHERE q.due_at <= before
    ORDER BY CASE WHEN random() < 0.5 THEN q.due_at END, q.day DESC, q.due_at
    LIMIT 1;
    IF NOT found THEN
        RETURN NEXT;
        RETURN;
    END IF;
    -- one day at a time: what is written at once spans few hours, and all between are computed anew
    FOR v_next IN
        SELECT q.*
        FROM telemetry.settle_queue AS q
        WHERE q.dataset = v_first.dataset AND q.day = v_first.day AND q.due_at <= before
        ORDER BY (q.device_id = v_first.device_id) DESC, q.due_at
        LIMIT most
    LOOP
        BEGIN
            IF settled = 0 THEN
                v_posted := telemetry.settle_claimed(v_next.dataset, v_next.device_id, wait);
            ELSE
                v_posted := telemetry.settle_device(v_next.dataset, v_next.device_id, wait);
            END IF;
        EXCEPTION WHEN SQLSTATE 'WL060' THEN
            -- its turn to make a chunk comes before any state is locked: in a call of its own
            EXIT;
        END;
        IF v_posted IS NOT NULL THEN
            settled := settled + 1;
            entries := entries + v_posted;
        END IF;
        EXIT WHEN clock_timestamp() > v_until AND NOT wait;
    END LOOP;
    RETURN NEXT;
END;
$$;

COMMENT ON FUNCTION telemetry.settle_due(integer, timestamptz, boolean) IS
'Takes how many devices to settle at most, the moment until which they were due, and whether to wait for who stores readings of them. Settles devices of one UTC day. Returns how many were settled, and how many entries were posted.';

CREATE OR REPLACE FUNCTION telemetry.settle_all()
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_entries bigint := 0;
    v_done record;
BEGIN
    LOOP
        SELECT s.* INTO v_done FROM telemetry.settle_due(1, 'infinity', TRUE) AS s;
        v_entries := v_entries + v_done.entries;
        EXIT WHEN v_done.settled = 0;
    END LOOP;
    RETURN v_entries;
END;
$$;

COMMENT ON FUNCTION telemetry.settle_all() IS
'Settles all that is queued, whether or not it is due, and waits for who stores readings. Takes nothing. Returns how many entries were posted.';

REVOKE ALL ON FUNCTION
    telemetry.settle_due(integer, timestamptz, boolean),
    telemetry.settle_all()
FROM PUBLIC;
