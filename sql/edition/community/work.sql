-- Work that keeps history in shape on the Community edition, by TimescaleDB's jobs or by hand.

-- procedures with transactions of their own cannot pin their path, so they set it, again after each commit: whatever is
-- first in the caller's path would run as the owner. Variables whose types a caller's path could name stand in
-- procedures that are called when it is set. The role is changed for the session, since a refresh goes on after a
-- commit, which would end SET LOCAL; and put back as it was

CREATE OR REPLACE PROCEDURE telemetry.do_work(dataset text, work text, since timestamptz, INOUT problem text)
LANGUAGE plpgsql
AS $$
BEGIN
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    INSERT INTO telemetry.work_done AS w (dataset, work, last_started_at)
    VALUES (do_work.dataset, do_work.work, clock_timestamp())
    ON CONFLICT ON CONSTRAINT work_done_pkey DO UPDATE SET last_started_at = excluded.last_started_at;
    COMMIT;
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    problem := NULL;
    CASE do_work.work
        WHEN 'refresh' THEN
            CALL telemetry.refresh_rollup(do_work.dataset, since, 'infinity', FALSE);
        WHEN 'compress' THEN
            CALL telemetry.compress_due(do_work.dataset, problem);
        WHEN 'retain' THEN
            -- what anybody dropped meanwhile without asking
            PERFORM telemetry.note_dropped();
            CALL telemetry.drop_due(do_work.dataset, problem);
        WHEN 'settle' THEN
            CALL telemetry.settle_all_due(do_work.dataset);
            SET LOCAL ROLE wattledger_owner;
            SET LOCAL search_path = pg_catalog, pg_temp;
            CALL telemetry.settle_all_charging();
    END CASE;
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    -- what could not be dropped is not done, and told when that lasts
    IF problem IS NULL AND NOT (do_work.work = 'retain' AND telemetry.has_expired(do_work.dataset)) THEN
        UPDATE telemetry.work_done AS w
        SET last_finished_at = clock_timestamp(),
            last_complete_at = CASE WHEN since = '-infinity' THEN w.last_started_at ELSE w.last_complete_at END
        WHERE w.dataset = do_work.dataset AND w.work = do_work.work;
    END IF;
    COMMIT;
END;
$$;

COMMENT ON PROCEDURE telemetry.do_work (text, text, timestamptz, text) IS
'Does one kind of work for one dataset, in the caller''s turn, and notes that in telemetry.work_done. Takes the dataset, the work, and the moment from which on a refresh looks for changes. Returns in problem what could not be done and why; NULL where all was done. It commits as it goes.';

CREATE OR REPLACE FUNCTION telemetry.refresh_since(dataset text)
RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    -- an hour is computed anew for the whole fleet, however few of its devices were late: so that is done once an hour
    SELECT coalesce(max(telemetry.floor_hour(telemetry.utc_minus(now(), d.refresh_lag)) - INTERVAL '2 hours'), '-infinity')
    FROM telemetry.dataset AS d
    INNER JOIN telemetry.work_done AS w ON w.dataset = d.dataset AND w.work = 'refresh'
    WHERE d.dataset = refresh_since.dataset
        AND d.dataset LIKE '%hourly'
        AND w.last_complete_at > now() - INTERVAL '55 minutes'
$$;

COMMENT ON FUNCTION telemetry.refresh_since(text) IS
'Takes a dataset. Returns the moment from which on a scheduled refresh looks for changes: -infinity once an hour, else two hours before its end.';
REVOKE ALL ON FUNCTION telemetry.refresh_since(text) FROM PUBLIC;

CREATE OR REPLACE PROCEDURE telemetry.run_policy(job_id integer, config jsonb)
LANGUAGE plpgsql
AS $$
DECLARE
    v_problem text;
    v_since timestamptz;
BEGIN
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    -- settling neither refreshes nor drops, and is to be done soon
    IF config ->> 'work' <> 'settle' THEN
        CALL telemetry.take_turn(format('%s of %s, job %s', config ->> 'work', config ->> 'dataset', job_id));
    END IF;
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    v_since := telemetry.refresh_since(config ->> 'dataset');
    CALL telemetry.do_work(config ->> 'dataset', config ->> 'work', v_since, v_problem);
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    IF config ->> 'work' <> 'settle' THEN
        PERFORM telemetry.end_turn();
    END IF;
    COMMIT;
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    PERFORM telemetry.raise_problem(v_problem);
END;
$$;

COMMENT ON PROCEDURE telemetry.run_policy (integer, jsonb) IS
'What TimescaleDB''s scheduler calls. Takes the job''s number, and its work and dataset. It commits as it goes. Raises WL024 where another session is at it for half an hour, WL025 where a chunk stays that should be dropped.';

CREATE OR REPLACE PROCEDURE telemetry.refresh_by_hand(since timestamptz, until timestamptz, force boolean)
LANGUAGE plpgsql
AS $$
DECLARE
    v_since timestamptz;
    v_until timestamptz;
    v_dataset text;
BEGIN
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    SELECT w.since, w.until INTO v_since, v_until FROM telemetry.refresh_window(since, until) AS w;
    CALL telemetry.take_turn('ops.refresh');
    -- hours first, since days are built on them
    FOREACH v_dataset IN ARRAY ARRAY[
        'meter_energy_hourly', 'vehicle_energy_hourly', 'meter_energy_daily', 'vehicle_energy_daily'
    ] LOOP
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        CALL telemetry.refresh_rollup(v_dataset, v_since, v_until, force);
    END LOOP;
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    PERFORM telemetry.end_turn();
END;
$$;

COMMENT ON PROCEDURE telemetry.refresh_by_hand (timestamptz, timestamptz, boolean) IS
'Does the work of ops.refresh, as the owner.';

CREATE OR REPLACE PROCEDURE telemetry.maintain_by_hand(INOUT problem text)
LANGUAGE plpgsql
AS $$
DECLARE
    v_work record;
    v_problem text;
BEGIN
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    CALL telemetry.take_turn('ops.maintain');
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    PERFORM telemetry.note_dropped();
    CALL telemetry.settle_all_due(NULL);
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    CALL telemetry.settle_all_charging();
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    FOR v_work IN
        SELECT w.dataset, w.work
        FROM telemetry.wanted_policy AS w
        INNER JOIN telemetry.dataset_level AS l ON l.dataset = w.dataset
        LEFT JOIN telemetry.work_done AS d ON d.dataset = w.dataset AND d.work = w.work
        LEFT JOIN telemetry.timescaledb_job() AS j ON j.dataset = w.dataset AND j.work = w.work
        -- a refresh always: the jobs leave late readings to the next one that is due once an hour
        WHERE w.work NOT IN ('compress', 'settle')
            OR d.last_finished_at IS NULL
            OR d.last_finished_at < d.last_started_at
            OR d.last_finished_at < telemetry.utc_minus(pg_catalog.now(), coalesce(j.every, w.every))
        -- refreshes first, so that what is dropped next has been counted
        ORDER BY w.work <> 'refresh', w.work <> 'retain', l.level, l.side
    LOOP
        RAISE NOTICE '% of %', v_work.work, v_work.dataset;
        CALL telemetry.do_work(v_work.dataset, v_work.work, '-infinity', v_problem);
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        problem := coalesce(problem || '; ' || v_problem, problem, v_problem);
    END LOOP;
    PERFORM telemetry.end_turn();
    CALL telemetry.replay_all_due();
END;
$$;

COMMENT ON PROCEDURE telemetry.maintain_by_hand (text) IS
'Does the work of ops.maintain, as the owner. Returns in problem what could not be done and why; NULL where all was.';

CREATE OR REPLACE PROCEDURE ops.refresh(since timestamptz, until timestamptz, force boolean DEFAULT FALSE)
LANGUAGE plpgsql
AS $$
DECLARE
    v_role pg_catalog.text := pg_catalog.current_setting('role');
BEGIN
    SET ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    CALL telemetry.refresh_by_hand(since, until, force);
    PERFORM pg_catalog.set_config('role', v_role, FALSE);
END;
$$;

CREATE OR REPLACE PROCEDURE ops.maintain()
LANGUAGE plpgsql
AS $$
DECLARE
    v_role pg_catalog.text := pg_catalog.current_setting('role');
    v_problem pg_catalog.text;
BEGIN
    SET ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    CALL telemetry.maintain_by_hand(v_problem);
    PERFORM pg_catalog.set_config('role', v_role, FALSE);
    -- for the session, also where this ends with an error
    COMMIT;
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    PERFORM telemetry.raise_problem(v_problem);
END;
$$;

REVOKE ALL ON PROCEDURE
    telemetry.do_work(text, text, timestamptz, text),
    telemetry.run_policy(integer, jsonb),
    telemetry.refresh_by_hand(timestamptz, timestamptz, boolean),
    telemetry.maintain_by_hand(text)
FROM PUBLIC;
