-- Drops of what is kept no longer, in steps that are committed one by one:
--   1. move the bound of what is accepted;
--   2. wait for every transaction that may have looked at the old one;
--   3. bring the rollups up to it, whatever their schedule, settle what is queued of it for good, keep its charging;
--   4. chunk by chunk, refreshes and writers kept out: prove that hours and days hold all of it, note that, and drop.

CREATE OR REPLACE FUNCTION telemetry.await_writers(dataset text, patience interval)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_relation oid := format('telemetry.%I', dataset)::regclass::oid;
    v_since timestamptz := clock_timestamp();
    v_writers text[];
BEGIN
    -- ingestion takes this lock before it looks at what is accepted, and everybody else before a row is written
    SELECT array_agg(l.virtualtransaction) INTO v_writers
    FROM pg_locks AS l
    INNER JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database()
    WHERE l.relation = v_relation
        AND l.granted
        AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
        -- none of ours; a prepared transaction has no process
        AND l.pid IS DISTINCT FROM pg_backend_pid();
    WHILE EXISTS (
        SELECT
        FROM pg_locks AS l
        WHERE l.relation = v_relation AND l.granted AND l.virtualtransaction = ANY (v_writers)
    ) LOOP
        IF clock_timestamp() - v_since > patience THEN
            RETURN FALSE;
        END IF;
        PERFORM pg_sleep(0.02);
    END LOOP;
    RETURN TRUE;
END;
$$;

COMMENT ON FUNCTION telemetry.await_writers(text, interval) IS
'Takes meter_reading or vehicle_reading and how long to wait. Waits for the end of all transactions that may write it now, not for those that start meanwhile. Returns whether they have ended.';

CREATE OR REPLACE FUNCTION telemetry.drop_proven(
    dataset text,
    chunk regclass,
    chunk_start timestamptz,
    chunk_end timestamptz,
    since timestamptz,
    OUT step text,
    OUT detail text
)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_relation regclass := (SELECT h.relation FROM telemetry.dataset_hypertable() AS h WHERE h.dataset = drop_proven.dataset);
    v_attempt integer := 1;
BEGIN
    -- whoever reads or writes an old chunk may itself wait for what is locked here, and then one of the two has to give
    -- way: the drop, long before PostgreSQL finds the deadlock and ends the other
    PERFORM set_config(
        'lock_timeout',
        greatest(10, extract(EPOCH FROM current_setting('deadlock_timeout')::interval) * 100)::integer::text,
        TRUE
    );
    -- settling reads chunks before it writes them: it starts before this, or waits with nothing in its hands
    LOCK TABLE telemetry.settled_day IN SHARE MODE;
    PERFORM telemetry.lock_rollups(dataset);
    PERFORM telemetry.lock_chunk(chunk);
    IF since < chunk_end AND telemetry.is_refreshed(dataset, since, chunk_end) IS NOT TRUE THEN
        step := 'refresh';
        RETURN;
    END IF;
    detail := coalesce(
        telemetry.stray_reading(dataset, chunk_start, least(since, chunk_end)),
        CASE WHEN since < chunk_end THEN telemetry.unproven(dataset, since, chunk_end) END
    );
    IF detail IS NOT NULL THEN
        step := 'unproven';
        RETURN;
    END IF;
    -- by what is chosen now: who lengthens the retention meanwhile waits no longer than this drop takes
    UPDATE telemetry.dataset AS d
    SET complete_since = greatest(d.complete_since, drop_proven.chunk_end)
    WHERE d.dataset = drop_proven.dataset
        AND drop_proven.chunk_end <= telemetry.drop_before(d.keep, d.held_until);
    IF NOT found THEN
        step := 'kept';
        RETURN;
    END IF;
    PERFORM telemetry.note_proven(dataset, since, chunk_end);
    LOOP
        BEGIN
            PERFORM public.drop_chunks(v_relation, older_than => chunk_end, newer_than => chunk_start);
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            -- what was proven holds as long as its lock does
            IF v_attempt = 20 THEN
                RAISE;
            END IF;
            v_attempt := v_attempt + 1;
            PERFORM pg_sleep(0.05);
        END;
    END LOOP;
    step := 'dropped';
EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
    step := 'busy';
    detail := 'it is being read or written';
END;
$$;

COMMENT ON FUNCTION telemetry.drop_proven(text, regclass, timestamptz, timestamptz, timestamptz) IS
'Drops a chunk once it is proven that hours and days hold all of it. Takes its dataset, the chunk, its start and end, and since when it has rows that are not dropped yet. Returns what was done, or is to be done first: dropped; refresh (of its time); busy (somebody reads or writes it); kept (for longer, as was chosen meanwhile); unproven; and for busy and unproven a sentence that says more.';

CREATE OR REPLACE FUNCTION telemetry.drop_next(
    dataset text,
    OUT step text,
    OUT chunk text,
    OUT since timestamptz,
    OUT chunk_end timestamptz,
    OUT detail text
)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_cutoff timestamptz;
    v_accepted timestamptz;
    v_complete timestamptz;
    v_start timestamptz;
    v_last timestamptz;
BEGIN
    SELECT telemetry.drop_before(d.keep, d.held_until), d.accepted_since, d.complete_since
    INTO v_cutoff, v_accepted, v_complete
    FROM telemetry.dataset AS d
    WHERE d.dataset = drop_next.dataset;
    IF v_cutoff IS NULL THEN
        RETURN;
    END IF;
    SELECT c.chunk, c.chunk_start, c.chunk_end, telemetry.ceiling_day(max(c.chunk_end) OVER ())
    INTO chunk, v_start, chunk_end, v_last
    FROM telemetry.chunks_before(dataset, v_cutoff) AS c
    ORDER BY c.chunk_start
    LIMIT 1;
    IF chunk IS NULL
        -- what it is built from goes first
        OR telemetry.first_chunk_start(telemetry.source_of(dataset)) < chunk_end
    THEN
        chunk := NULL;
        -- a longer retention has come before anything went
        IF v_accepted > v_complete AND pg_try_advisory_xact_lock(hashtextextended('telemetry.drop_next', 0)) THEN
            UPDATE telemetry.dataset AS d SET accepted_since = d.complete_since WHERE d.dataset = drop_next.dataset;
        END IF;
        RETURN;
    END IF;
    -- a chunk that is longer than those before it may reach below what was dropped: none of its rows does
    since := greatest(v_start, v_complete);
    -- another service or a DBA is at it
    IF NOT pg_try_advisory_xact_lock(hashtextextended('telemetry.drop_next', 0)) THEN
        step := 'busy';
        detail := 'another session drops';
        RETURN;
    END IF;
    IF dataset LIKE '%reading' THEN
        IF v_accepted < v_last THEN
            UPDATE telemetry.dataset AS d SET accepted_since = v_last WHERE d.dataset = drop_next.dataset;
            step := 'bound';
            RETURN;
        END IF;
        IF NOT telemetry.await_writers(dataset, INTERVAL '1 second') THEN
            step := 'busy';
            detail := 'a transaction that writes readings has been open for long';
            RETURN;
        END IF;
    END IF;
    IF since < chunk_end AND telemetry.is_refreshed(dataset, since, chunk_end) IS NOT TRUE THEN
        step := 'refresh';
        RETURN;
    END IF;
    IF dataset LIKE '%reading' THEN
        SELECT s.step, s.detail INTO step, detail
        FROM telemetry.settle_before(dataset, since, chunk_end, v_last) AS s;
        IF step IS NOT NULL THEN
            RETURN;
        END IF;
    END IF;
    SELECT d.step, d.detail INTO step, detail
    FROM telemetry.drop_proven(dataset, chunk::regclass, v_start, chunk_end, since) AS d;
END;
$$;

COMMENT ON FUNCTION telemetry.drop_next(text) IS
'Takes the next step in dropping what a dataset keeps no longer, to be committed before the one after. Takes the dataset. Returns what was done, or is to be done first: bound (older readings are no longer accepted), settle (some of it was), or what telemetry.drop_proven says of the oldest chunk, which is named, with since when it has rows and its end; NULL where nothing is left to be dropped.';

CREATE OR REPLACE FUNCTION telemetry.has_expired(dataset text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT EXISTS (
        SELECT
        FROM telemetry.dataset AS d
        CROSS JOIN LATERAL telemetry.chunks_before(
            d.dataset, telemetry.drop_before(d.keep, d.held_until)
        ) AS c
        WHERE d.dataset = has_expired.dataset
    )
$$;

COMMENT ON FUNCTION telemetry.has_expired(text) IS
'Takes a dataset. Returns whether it has chunks that it keeps no longer.';

CREATE OR REPLACE PROCEDURE telemetry.drop_due(dataset text, INOUT problem text)
LANGUAGE plpgsql
AS $$
DECLARE
    v_next record;
    v_tries integer := 0;
BEGIN
    LOOP
        -- transactions of its own, so that it cannot pin its path: see ops.maintain
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        SELECT n.* INTO v_next FROM telemetry.drop_next(dataset) AS n;
        COMMIT;
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        v_tries := CASE WHEN v_next.step IN ('busy', 'refresh') THEN v_tries + 1 ELSE 0 END;
        CASE
            WHEN v_next.step IS NULL THEN
                RETURN;
            WHEN v_next.step = 'dropped' THEN
                RAISE NOTICE 'dropped % of %', v_next.chunk, dataset;
                CALL telemetry.yield_turn();
            WHEN v_next.step = 'unproven' THEN
                problem := pg_catalog.format('%s of %s stays: %s', v_next.chunk, dataset, v_next.detail);
                RETURN;
            WHEN v_tries > 20 THEN
                RAISE WARNING 'expired chunks of % are dropped at the next run: %', dataset,
                    coalesce(v_next.detail, 'they cannot be refreshed now');
                RETURN;
            WHEN v_next.step = 'refresh' THEN
                CALL telemetry.refresh_above(dataset, v_next.since, v_next.chunk_end);
            WHEN v_next.step = 'busy' THEN
                PERFORM pg_sleep(0.25);
            ELSE NULL;
        END CASE;
    END LOOP;
END;
$$;

COMMENT ON PROCEDURE telemetry.drop_due (text, text) IS
'Drops all that a dataset keeps no longer, as far as nobody is in the way. Takes the dataset. Returns in problem which chunk stays because hours or days lack something of it, and what; NULL where none does. Tells by notices and warnings what it did. It commits as it goes.';

CREATE OR REPLACE FUNCTION telemetry.lock_chunk(chunk regclass)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_schema name;
    v_name name;
BEGIN
    SELECT n.nspname, c.relname INTO v_schema, v_name
    FROM pg_class AS c
    INNER JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = chunk;
    EXECUTE format('LOCK TABLE ONLY %I.%I IN SHARE ROW EXCLUSIVE MODE', v_schema, v_name);
END;
$$;

COMMENT ON FUNCTION telemetry.lock_chunk(regclass) IS
'Keeps everybody from writing a chunk, or another table, until this transaction ends; who reads is let in. Takes the table. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.raise_problem(problem text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION '%', problem
            USING ERRCODE = 'WL025',
                HINT = 'Of readings that a rollup lacks, ops.verify shows all, and CALL ops.refresh(since, until, force => true) fixes that. Devices that cannot be settled are in ops.failing_devices.';
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.raise_problem(text) IS
'Takes what telemetry.drop_due returned. Returns nothing. Raises WL025 with it unless it is NULL.';

REVOKE ALL ON FUNCTION
    telemetry.raise_problem(text),
    telemetry.has_expired(text),
    telemetry.await_writers(text, interval),
    telemetry.drop_proven(text, regclass, timestamptz, timestamptz, timestamptz),
    telemetry.drop_next(text),
    telemetry.lock_chunk(regclass)
FROM PUBLIC;
REVOKE ALL ON PROCEDURE telemetry.drop_due(text, text) FROM PUBLIC;
