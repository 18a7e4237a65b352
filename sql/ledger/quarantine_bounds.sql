-- Bounds of the quarantine, of each key and in all, and what goes first where it holds too much.

-- Locks: whoever adds or removes locks the row of telemetry.quarantine_bounds first, then rows of
-- telemetry.quarantine_share, and holds both until the transaction ends; rows that are removed come after it. Who
-- quarantines passes over rows that another session holds, such as a replay, which counts nothing: so there is no
-- deadlock, and who quarantines waits for no replay, but where a DBA waits to remove what one holds. SKIP LOCKED alone
-- is not enough: PostgreSQL waits for the newer version of a row that was changed while it was looked at.

CREATE OR REPLACE FUNCTION telemetry.current_quarantine_bounds()
RETURNS telemetry.quarantine_bounds
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_bounds telemetry.quarantine_bounds;
BEGIN
    SELECT b.* INTO v_bounds FROM telemetry.quarantine_bounds AS b;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the bounds of the quarantine are missing'
            USING ERRCODE = 'WL050',
                HINT = 'INSERT INTO telemetry.quarantine_bounds (kept_bytes)'
                    ' SELECT coalesce(sum(s.kept_bytes), 0) FROM telemetry.quarantine_share AS s;';
    END IF;
    RETURN v_bounds;
END;
$$;

COMMENT ON FUNCTION telemetry.current_quarantine_bounds() IS
'Takes nothing. Returns the row of telemetry.quarantine_bounds. Raises WL050 where it is missing.';

CREATE OR REPLACE FUNCTION telemetry.count_quarantine(key_ids text[], bytes bigint[])
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE telemetry.quarantine_bounds AS b
    SET kept_bytes = b.kept_bytes + (SELECT coalesce(sum(c.bytes), 0) FROM unnest(count_quarantine.bytes) AS c (bytes));
    IF NOT FOUND THEN
        PERFORM telemetry.current_quarantine_bounds();  -- raises
    END IF;
    INSERT INTO telemetry.quarantine_share AS s (key_id, kept_bytes)
    SELECT coalesce(c.key_id, ''), sum(c.bytes)
    FROM unnest(key_ids, count_quarantine.bytes) AS c (key_id, bytes)
    GROUP BY 1
    ORDER BY 1
    ON CONFLICT ON CONSTRAINT quarantine_share_pkey DO UPDATE SET kept_bytes = s.kept_bytes + excluded.kept_bytes;
END;
$$;

COMMENT ON FUNCTION telemetry.count_quarantine(text[], bigint[]) IS
'Takes key ids (NULL: none) and by how many bytes of each the quarantine grew; below zero where it shrank. Counts them, of each key and in all. Raises WL050 where telemetry.quarantine_bounds has no row.';

CREATE OR REPLACE FUNCTION telemetry.lock_quarantine_bounds()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM FROM telemetry.quarantine_bounds AS b FOR NO KEY UPDATE;
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.lock_quarantine_bounds() IS
'Trigger: locks the counter of all before any row that is removed or changed, whoever does it.';

CREATE OR REPLACE FUNCTION telemetry.count_added_quarantine()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM telemetry.count_quarantine(array_agg(c.key_id), array_agg(c.bytes))
    FROM (SELECT a.key_id, sum(length(a.raw))::bigint AS bytes FROM added AS a GROUP BY 1) AS c
    HAVING count(*) > 0;
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.count_added_quarantine() IS
'Trigger: counts the bytes of new rows of telemetry.quarantine.';

CREATE OR REPLACE FUNCTION telemetry.count_removed_quarantine()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM telemetry.count_quarantine(array_agg(c.key_id), array_agg(c.bytes))
    FROM (SELECT r.key_id, -sum(length(r.raw))::bigint AS bytes FROM removed AS r GROUP BY 1) AS c
    HAVING count(*) > 0;
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.count_removed_quarantine() IS
'Trigger: takes the bytes of removed rows of telemetry.quarantine off the counters, whoever removed them.';

CREATE OR REPLACE FUNCTION telemetry.count_changed_quarantine()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM telemetry.count_quarantine(
        ARRAY[old.key_id, new.key_id], ARRAY[-length(old.raw), length(new.raw)]::bigint[]
    );
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.count_changed_quarantine() IS
'Trigger: counts what a row of telemetry.quarantine grew or shrank by, such as one whose raw form was blackened.';

CREATE OR REPLACE FUNCTION telemetry.count_emptied_quarantine()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    UPDATE telemetry.quarantine_bounds AS b SET kept_bytes = 0;
    DELETE FROM telemetry.quarantine_share;
    RETURN NULL;
END;
$$;

COMMENT ON FUNCTION telemetry.count_emptied_quarantine() IS
'Trigger: sets the counters of an emptied telemetry.quarantine to zero.';

CREATE OR REPLACE FUNCTION telemetry.remove_oldest(key_id text, excess_bytes bigint, most integer)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_removed bigint := 0::bigint;
    v_piece_bytes bigint;
    v_seen integer := 0;
    v_last bigint := 0::bigint;
BEGIN
    WHILE v_removed < excess_bytes AND v_seen < most LOOP
        WITH oldest AS MATERIALIZED (
            SELECT q.quarantine_id, length(q.raw) AS bytes
            FROM telemetry.quarantine AS q
            WHERE coalesce(q.key_id, '') = remove_oldest.key_id AND NOT q.awaits_time AND q.quarantine_id > v_last
            ORDER BY q.quarantine_id
            LIMIT 1000
        ),
        enough AS MATERIALIZED (
            SELECT s.quarantine_id
            FROM (
                SELECT
                    o.quarantine_id,
                    sum(o.bytes) OVER (ORDER BY o.quarantine_id) - o.bytes AS bytes_before
                FROM oldest AS o
            ) AS s
            WHERE s.bytes_before < excess_bytes - v_removed
        ),
        free AS MATERIALIZED (
            SELECT q.quarantine_id
            FROM telemetry.quarantine AS q
            INNER JOIN enough AS e ON e.quarantine_id = q.quarantine_id
            FOR UPDATE OF q SKIP LOCKED
        ),
        removed AS (
            DELETE FROM telemetry.quarantine AS q
            USING free AS f
            WHERE q.quarantine_id = f.quarantine_id
            RETURNING length(q.raw) AS bytes
        )
        SELECT
            max(e.quarantine_id),
            v_seen + count(*)::integer,
            (SELECT coalesce(sum(r.bytes), 0)::bigint FROM removed AS r)
        INTO v_last, v_seen, v_piece_bytes
        FROM enough AS e;
        EXIT WHEN v_last IS NULL;
        v_removed := v_removed + v_piece_bytes;
    END LOOP;
    RETURN v_removed;
END;
$$;

COMMENT ON FUNCTION telemetry.remove_oldest(text, bigint, integer) IS
'Takes a key id (empty: what came without a key), how many bytes are too many, and how many rows to look at, at most about. Removes the oldest refused readings of that key until there are so many bytes less, but none that awaits its time or that another session holds. Returns how many bytes were removed.';

CREATE OR REPLACE FUNCTION telemetry.bound_quarantine(key_id text, added integer, awaiting boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_key_id text := coalesce(key_id, '');
    v_bounds telemetry.quarantine_bounds;
    v_share bigint;
    v_largest text;
    -- more than comes, so that the bounds are reached; not all at once where a DBA has lowered them by much
    v_most integer := 2 * added + 5000;
BEGIN
    v_bounds := telemetry.current_quarantine_bounds();
    WITH expired AS MATERIALIZED (
        SELECT q.quarantine_id
        FROM telemetry.quarantine AS q
        WHERE NOT q.awaits_time AND q.received_at < telemetry.utc_minus(now(), v_bounds.keep)
        ORDER BY q.received_at
        LIMIT v_most
        FOR UPDATE OF q SKIP LOCKED
    )
    DELETE FROM telemetry.quarantine AS q
    USING expired AS e
    WHERE q.quarantine_id = e.quarantine_id;

    SELECT s.kept_bytes INTO v_share FROM telemetry.quarantine_share AS s WHERE s.key_id = v_key_id;
    IF v_share > v_bounds.max_bytes_per_key THEN
        v_share := v_share - telemetry.remove_oldest(v_key_id, v_share - v_bounds.max_bytes_per_key, v_most);
    END IF;

    v_bounds := telemetry.current_quarantine_bounds();
    WHILE v_bounds.kept_bytes > v_bounds.max_bytes AND v_most > 0 LOOP
        -- who holds most gives most: nobody's few are pushed out by another one's many
        SELECT s.key_id INTO v_largest
        FROM telemetry.quarantine_share AS s
        WHERE EXISTS (
            SELECT
            FROM telemetry.quarantine AS q
            WHERE coalesce(q.key_id, '') = s.key_id AND NOT q.awaits_time
        )
        ORDER BY s.kept_bytes DESC
        LIMIT 1;
        EXIT WHEN v_largest IS NULL;
        PERFORM telemetry.remove_oldest(v_largest, v_bounds.kept_bytes - v_bounds.max_bytes, v_most);
        v_most := v_most - 1000;
        v_bounds := telemetry.current_quarantine_bounds();
    END LOOP;

    -- what counts is never removed: rather is no more of it taken
    IF awaiting AND (
        v_bounds.kept_bytes > v_bounds.max_bytes AND v_largest IS NULL
        OR v_share > v_bounds.max_bytes_per_key AND NOT EXISTS (
            SELECT
            FROM telemetry.quarantine AS q
            WHERE coalesce(q.key_id, '') = v_key_id AND NOT q.awaits_time
        )
    ) THEN
        RAISE EXCEPTION 'too many readings are ahead of the server''s clock to wait for all of them'
            USING ERRCODE = 'WL040',
                HINT = 'Set the device''s clock; send the reading again when its time has come.';
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.bound_quarantine(text, integer, boolean) IS
'Takes the key id (NULL: none) of whom rows were just added to telemetry.quarantine, how many, and whether any of them await their time. Removes what is too old, then the oldest of that key past its share, then, past the bound of all, the oldest of whoever holds most; never what awaits its time. Raises WL040 where that alone is too much, and WL050 where telemetry.quarantine_bounds has no row.';

REVOKE ALL ON FUNCTION
    telemetry.current_quarantine_bounds(),
    telemetry.count_quarantine(text[], bigint[]),
    telemetry.lock_quarantine_bounds(),
    telemetry.count_added_quarantine(),
    telemetry.count_removed_quarantine(),
    telemetry.count_changed_quarantine(),
    telemetry.count_emptied_quarantine(),
    telemetry.remove_oldest(text, bigint, integer),
    telemetry.bound_quarantine(text, integer, boolean)
FROM PUBLIC;

DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_trigger AS t
        WHERE t.tgrelid = 'telemetry.quarantine'::regclass AND t.tgname = 'count_added'
    ) THEN
        CREATE TRIGGER lock_bounds BEFORE DELETE OR UPDATE OF key_id, raw ON telemetry.quarantine
        FOR EACH STATEMENT EXECUTE FUNCTION telemetry.lock_quarantine_bounds();
        CREATE TRIGGER count_added AFTER INSERT ON telemetry.quarantine REFERENCING NEW TABLE AS added
        FOR EACH STATEMENT EXECUTE FUNCTION telemetry.count_added_quarantine();
        CREATE TRIGGER count_removed AFTER DELETE ON telemetry.quarantine REFERENCING OLD TABLE AS removed
        FOR EACH STATEMENT EXECUTE FUNCTION telemetry.count_removed_quarantine();
        CREATE TRIGGER count_changed AFTER UPDATE OF key_id, raw ON telemetry.quarantine
        FOR EACH ROW EXECUTE FUNCTION telemetry.count_changed_quarantine();
        CREATE TRIGGER count_emptied AFTER TRUNCATE ON telemetry.quarantine
        FOR EACH STATEMENT EXECUTE FUNCTION telemetry.count_emptied_quarantine();
    END IF;
END;
$$;
