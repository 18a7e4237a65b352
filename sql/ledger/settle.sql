-- Settling: devices' entries, days and events brought in line with their stored readings and records.

CREATE OR REPLACE FUNCTION telemetry.settle_devices(
    dataset text,
    device_ids text[],
    wait boolean,
    until timestamptz,
    has_claimed boolean,
    OUT settled text[],
    OUT left_over text[],
    OUT entries integer
)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_locked text[] := ARRAY(SELECT l.device_id FROM telemetry.lock_states(dataset, device_ids, wait) AS l (device_id));
    v_queued telemetry.settle_queue[];
    v_device record;
    v_folded telemetry.folded[] := ARRAY[]::telemetry.folded[];
    v_missing telemetry.due_entry[];
    v_hours timestamptz[];
BEGIN
    settled := ARRAY[]::text[];
    -- another session has them; or nothing is stored of them, or about to be: who does that relies on what is queued
    left_over := ARRAY(SELECT d.id FROM unnest(device_ids) AS d (id) WHERE d.id <> ALL (v_locked));
    entries := 0;
    -- new statements, to see what was committed before the states were to be had
    v_queued := ARRAY(
        SELECT q
        FROM telemetry.settle_queue AS q
        WHERE q.dataset = settle_devices.dataset AND q.device_id = ANY (v_locked)
        -- what somebody has open is queued for what they do, which this would not see
        FOR UPDATE SKIP LOCKED
    );
    FOR v_device IN
        SELECT l.device_id, q.since, q.through, q.since IS NULL AND EXISTS (
            SELECT
            FROM telemetry.settle_queue AS o
            WHERE o.dataset = settle_devices.dataset AND o.device_id = l.device_id
        ) AS is_open
        FROM unnest(v_locked) AS l (device_id)
        LEFT JOIN (
            SELECT k.device_id, min(k.day) AS since, greatest(min(k.day), max(k.through)) AS through
            FROM unnest(v_queued) AS k
            GROUP BY k.device_id
        ) AS q ON q.device_id = l.device_id
    LOOP
        IF v_device.is_open THEN
            left_over := left_over || v_device.device_id;
            CONTINUE;
        END IF;
        settled := settled || v_device.device_id;
        CONTINUE WHEN v_device.since IS NULL;
        v_folded := v_folded || telemetry.fold(dataset, v_device.device_id, v_device.since, v_device.through);
        -- those that are not reached stay queued
        EXIT WHEN clock_timestamp() > settle_devices.until;
    END LOOP;
    IF cardinality(v_folded) = 0 THEN
        RETURN;
    END IF;
    v_missing := ARRAY(SELECT e FROM telemetry.entries_missing(v_folded) AS e);
    IF NOT has_claimed
        -- one look tells of most
        AND (
            SELECT telemetry.is_in_one_chunk(settle_devices.dataset, min(m.hour), max(m.hour))
            FROM unnest(v_missing) AS m
        ) IS NOT TRUE
    THEN
        v_hours := ARRAY(SELECT DISTINCT m.hour FROM unnest(v_missing) AS m);
        IF telemetry.hours_without_chunk(dataset, v_hours, '-infinity', 'infinity') <> '{}' THEN
            -- whoever makes a chunk waits for it before any state is locked
            RAISE EXCEPTION 'hours of % have no chunk yet', settled
                USING ERRCODE = 'WL060', DETAIL = v_hours::text, HINT = 'Claim the chunks, and settle the devices again.';
        END IF;
    END IF;
    IF v_missing <> '{}' THEN
        PERFORM telemetry.post_entries(dataset, v_missing);
    END IF;
    PERFORM telemetry.keep_folded(v_folded);
    DELETE FROM telemetry.settle_queue AS q
    USING unnest(v_queued) AS k, unnest(v_folded) AS f
    WHERE q.dataset = k.dataset
        AND q.device_id = k.device_id
        AND q.day = k.day
        AND f.device_id = k.device_id
        AND (k.day <= f.last_day OR f.reaches_end);
    entries := cardinality(v_missing);
END;
$$;

COMMENT ON FUNCTION telemetry.settle_devices(text, text[], boolean, timestamptz, boolean) IS
'Takes meter_reading or vehicle_reading, devices, whether to wait for who stores readings of them, the moment at which to start with no other one, and whether it is this transaction''s turn to make chunks. Settles each from its earliest queued day on, until a day ends as it did before. Returns which were settled, which were left since another one has them or nothing is stored of them yet (those in neither were not reached), and how many entries were posted. Raises WL060 where a chunk has to be made first.';

CREATE OR REPLACE FUNCTION telemetry.settle_claimed(
    dataset text,
    device_ids text[],
    wait boolean,
    until timestamptz,
    OUT settled text[],
    OUT left_over text[],
    OUT entries integer
)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_hours text;
BEGIN
    -- what is read here may be about to be dropped, and cannot be while something is placed in it: see drop_proven
    LOCK TABLE telemetry.settled_day IN ROW EXCLUSIVE MODE;
    -- before any state, as all writers do it
    IF dataset = 'meter_reading' THEN
        LOCK TABLE ONLY telemetry.meter_reading IN ROW EXCLUSIVE MODE;
    ELSE
        LOCK TABLE ONLY telemetry.vehicle_reading IN ROW EXCLUSIVE MODE;
    END IF;
    BEGIN
        SELECT d.settled, d.left_over, d.entries INTO settled, left_over, entries
        FROM telemetry.settle_devices(dataset, device_ids, wait, until, FALSE) AS d;
        RETURN;
    EXCEPTION WHEN SQLSTATE 'WL060' THEN
        -- undone up to here, the states' locks as well
        GET STACKED DIAGNOSTICS v_hours = PG_EXCEPTION_DETAIL;
    END;
    IF telemetry.claim_chunks(dataset, v_hours::timestamptz[], '-infinity', 'infinity') <> '{}' THEN
        -- rollups have what was dropped there by other hands: nothing can be placed before it any more
        PERFORM telemetry.note_dropped();
    END IF;
    -- the first one, of whose hours it is known that they were claimed; the others find the chunks
    SELECT d.settled, d.left_over, d.entries INTO settled, left_over, entries
    FROM telemetry.settle_devices(dataset, device_ids, wait, '-infinity', TRUE) AS d;
END;
$$;

COMMENT ON FUNCTION telemetry.settle_claimed(text, text[], boolean, timestamptz) IS
'Does what telemetry.settle_devices does, and makes its turn to make chunks where it needs any: to be called before anything else is locked.';

REVOKE ALL ON FUNCTION
    telemetry.settle_devices(text, text[], boolean, timestamptz, boolean),
    telemetry.settle_claimed(text, text[], boolean, timestamptz)
FROM PUBLIC;
