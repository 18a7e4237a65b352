-- Compression on the Community edition: a chunk at a time, so that writers of late readings wait for one at most.

CREATE OR REPLACE FUNCTION telemetry.chunks_to_compress(dataset text)
RETURNS TABLE (chunk text, again boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.chunk, s.status & 1 = 1
    FROM (
        SELECT
            format('%I.%I', c.chunk_schema, c.chunk_name) AS chunk,
            c.range_start,
            -- 1: compressed, 2: out of order, 4: frozen, 8: with rows that came later
            _timescaledb_functions.chunk_status(format('%I.%I', c.chunk_schema, c.chunk_name)::regclass) AS status
        FROM telemetry.dataset AS d
        INNER JOIN telemetry.dataset_hypertable() AS h ON h.dataset = d.dataset
        INNER JOIN timescaledb_information.chunks AS c
            ON c.hypertable_schema = h.hypertable_schema AND c.hypertable_name = h.hypertable_name
        WHERE d.dataset = chunks_to_compress.dataset
            AND c.range_end <= telemetry.utc_minus(now(), d.compress_after)
            -- where raw readings are kept longer than when that was chosen, what they change waits
            AND c.range_end <= telemetry.utc_minus(now(), telemetry.settled_after(d.dataset))
    ) AS s
    WHERE s.status <> 1 AND s.status & 4 = 0
    ORDER BY s.range_start
$$;

COMMENT ON FUNCTION telemetry.chunks_to_compress(text) IS
'Takes a dataset. Returns its chunks that are old enough to be compressed, oldest first: the name, and whether it is compressed already, but got rows since.';
REVOKE ALL ON FUNCTION telemetry.chunks_to_compress(text) FROM PUBLIC;

CREATE OR REPLACE PROCEDURE telemetry.compress_due(
    dataset text,
    INOUT problem text DEFAULT NULL,
    patience interval DEFAULT INTERVAL '1 minute'
)
LANGUAGE plpgsql
AS $$
DECLARE
    -- in seconds
    v_pause integer := 1;
    v_waited integer := 0;
    v_chunks text[];
    v_chunk text;
    v_left text[];
    v_done integer := 0;
    v_failed integer := 0;
    v_message text;
    v_state text;
BEGIN
    -- what the caller did is done, and its settings are its own
    COMMIT;
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    SELECT array_agg(c.chunk ORDER BY c.place) INTO v_chunks
    FROM telemetry.chunks_to_compress(compress_due.dataset) WITH ORDINALITY AS c (chunk, again, place);
    WHILE v_chunks <> '{}' LOOP
        v_left := ARRAY[]::text[];
        FOREACH v_chunk IN ARRAY v_chunks LOOP
            COMMIT;
            CALL telemetry.yield_turn();
            -- transactions of its own, so that it cannot pin its path: see ops.refresh
            SET LOCAL ROLE wattledger_owner;
            SET LOCAL search_path = pg_catalog, pg_temp;
            -- all writers of the chunk queue behind whoever waits for its lock; and far less than deadlock_timeout, so
            -- that in a circle it is always this one that gives way
            PERFORM set_config(
                'lock_timeout',
                least(
                    250, greatest(10, extract(EPOCH FROM current_setting('deadlock_timeout')::interval) * 250)
                )::integer::text,
                TRUE
            );
            BEGIN
                -- a chunk that was dropped meanwhile has no number
                PERFORM public.compress_chunk(to_regclass(v_chunk), if_not_compressed => TRUE)
                WHERE to_regclass(v_chunk) IS NOT NULL;
                v_done := v_done + 1;
                -- a compressed chunk is open to writers while it is compressed again: what they add is for the next time
                RAISE NOTICE 'compressed % of %', v_chunk, compress_due.dataset;
            EXCEPTION
                WHEN lock_not_available OR deadlock_detected OR serialization_failure THEN
                    v_left := v_left || v_chunk;
                WHEN others THEN
                    GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT, v_state = RETURNED_SQLSTATE;
                    v_failed := v_failed + 1;
                    RAISE WARNING 'could not compress % of %: %', v_chunk, compress_due.dataset, v_message
                        USING ERRCODE = v_state;
            END;
        END LOOP;
        v_chunks := v_left;
        EXIT WHEN v_chunks = '{}' OR v_waited + v_pause > extract(EPOCH FROM patience);
        -- without any lock
        COMMIT;
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        PERFORM pg_sleep(v_pause);
        v_waited := v_waited + v_pause;
        v_pause := v_pause * 2;
    END LOOP;
    COMMIT;
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    FOREACH v_chunk IN ARRAY coalesce(v_chunks, '{}') LOOP
        v_failed := v_failed + 1;
        RAISE WARNING 'could not compress % of %: it is in use', v_chunk, compress_due.dataset
            USING ERRCODE = 'lock_not_available';
    END LOOP;
    IF v_failed > 0 AND v_done = 0 THEN
        problem := format('none of %s chunks of %s could be compressed: warnings said why', v_failed, compress_due.dataset);
    END IF;
END;
$$;

COMMENT ON PROCEDURE telemetry.compress_due (text, text, interval) IS
'Moves the chunks of a dataset to the columnstore that are old enough, oldest first, and those again that got rows since. Takes the dataset, and how long to wait, all in all, for those that others use (at first for a second, then for twice as long each time). Tells by notices what it did, and by warnings which it could not compress. Returns in problem that it was none of them, where that is so. It commits as it goes: one chunk per transaction.';
REVOKE ALL ON PROCEDURE telemetry.compress_due(text, text, interval) FROM PUBLIC;
