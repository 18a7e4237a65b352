-- Turns: one session at a time refreshes, compresses or drops, be it a job's or a DBA's. Of two refreshes that overlap
-- TimescaleDB ends one with an error, and a refresh beside a drop would compute hours from what is gone.

CREATE OR REPLACE FUNCTION telemetry.is_at_work(pid integer)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- whoever is at work is in a transaction, but for a moment between two, which may last on a busy machine
    FOR v_look IN 1..100 LOOP
        IF EXISTS (
            SELECT FROM pg_locks AS l WHERE l.locktype = 'virtualxid' AND l.pid = is_at_work.pid AND l.granted
        ) THEN
            RETURN TRUE;
        END IF;
        PERFORM pg_sleep(0.01);
    END LOOP;
    RETURN FALSE;
END;
$$;

COMMENT ON FUNCTION telemetry.is_at_work(integer) IS
'Takes the number of a server process. Returns whether its session is in a transaction: not where it is idle, after an error perhaps, or gone.';

CREATE OR REPLACE FUNCTION telemetry.try_turn(work text)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_pid integer;
BEGIN
    -- without a lock first, so that who only waits disturbs nobody; numbers of processes start anew with the server
    SELECT t.pid INTO v_pid
    FROM telemetry.turn AS t
    WHERE t.server_started_at = pg_postmaster_start_time() AND t.pid <> pg_backend_pid();
    IF v_pid IS NOT NULL AND telemetry.is_at_work(v_pid) THEN
        RETURN FALSE;
    END IF;
    PERFORM FROM telemetry.turn AS t
    WHERE t.pid IS NOT DISTINCT FROM v_pid OR t.server_started_at <> pg_postmaster_start_time() OR t.pid = pg_backend_pid()
    FOR UPDATE SKIP LOCKED;
    IF NOT found THEN
        RETURN FALSE;
    END IF;
    UPDATE telemetry.turn AS t
    SET pid = pg_backend_pid(),
        server_started_at = pg_postmaster_start_time(),
        work = try_turn.work,
        taken_at = clock_timestamp();
    RETURN TRUE;
END;
$$;

COMMENT ON FUNCTION telemetry.try_turn(text) IS
'Takes what is to be done. Returns whether it is this session''s turn now, which it keeps until telemetry.end_turn, or until it is idle.';

CREATE OR REPLACE FUNCTION telemetry.end_turn()
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE telemetry.turn AS t SET pid = NULL, work = NULL, taken_at = NULL WHERE t.pid = pg_backend_pid()
$$;

COMMENT ON FUNCTION telemetry.end_turn() IS
'Lets the next session have its turn. Takes and returns nothing.';

CREATE OR REPLACE PROCEDURE telemetry.take_turn(work text, patience interval DEFAULT INTERVAL '30 minutes')
LANGUAGE plpgsql
AS $$
DECLARE
    v_since timestamptz := clock_timestamp();
    v_other record;
BEGIN
    LOOP
        -- transactions of its own, so that it cannot pin its path: see ops.maintain
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        IF telemetry.try_turn(work) THEN
            COMMIT;
            RETURN;
        END IF;
        IF clock_timestamp() - v_since > patience THEN
            SELECT t.* INTO v_other FROM telemetry.turn AS t;
            RAISE EXCEPTION 'process % is still at it: %', v_other.pid, v_other.work
                USING ERRCODE = 'WL024', HINT = 'Try again when it is done; pg_terminate_backend ends it.';
        END IF;
        COMMIT;
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        PERFORM pg_sleep(0.1);
    END LOOP;
END;
$$;

COMMENT ON PROCEDURE telemetry.take_turn (text, interval) IS
'Waits until it is this session''s turn to keep history in shape. Takes what is to be done, and how long to wait. Commits. Raises WL024 where another session is at it for longer.';

CREATE OR REPLACE PROCEDURE telemetry.yield_turn()
LANGUAGE plpgsql
AS $$
DECLARE
    v_work text;
BEGIN
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    SELECT t.work INTO v_work
    FROM telemetry.turn AS t
    WHERE t.pid = pg_backend_pid() AND t.taken_at < clock_timestamp() - INTERVAL '60 seconds';
    IF v_work IS NOT NULL THEN
        PERFORM telemetry.end_turn();
        COMMIT;
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        -- who waits looks ten times a second
        PERFORM pg_sleep(0.3);
        CALL telemetry.take_turn(v_work);
    END IF;
    COMMIT;
END;
$$;

COMMENT ON PROCEDURE telemetry.yield_turn () IS
'Lets others have their turn, between two parts of long work: where this session has had it for a minute, it waits for another one. Takes and returns nothing. Commits. Raises WL024 as telemetry.take_turn does.';

REVOKE ALL ON FUNCTION
    telemetry.is_at_work(integer),
    telemetry.try_turn(text),
    telemetry.end_turn()
FROM PUBLIC;
REVOKE ALL ON PROCEDURE telemetry.take_turn(text, interval), telemetry.yield_turn() FROM PUBLIC;
