-- Settling: devices' entries, days and events brought in line with their stored readings and records.

CREATE OR REPLACE FUNCTION telemetry.settle_devices(
    dataset text,
    device_ids text[],
    wait boolean,
    until timestamptz,
    claimed timestamptz[],
    OUT settled text[],
    OUT left_over text[],
    OUT entries integer
)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_device_id text;
    v_queued telemetry.settle_queue[] := ARRAY[]::telemetry.settle_queue[];
    v_rows telemetry.settle_queue[];
    v_folded telemetry.folded[] := ARRAY[]::telemetry.folded[];
    v_missing telemetry.due_entry[];
    v_hours timestamptz[];
BEGIN
    settled := ARRAY[]::text[];
    left_over := ARRAY[]::text[];
    entries := 0;
    FOREACH v_device_id IN ARRAY device_ids LOOP
        -- one by one: what is not reached is not kept from anybody
        IF NOT telemetry.lock_state(dataset, v_device_id, wait) THEN
            -- another session has it; or nothing is stored of it, or about to be: who does that relies on what is queued
            left_over := left_over || v_device_id;
            CONTINUE;
        END IF;
        -- new statements, to see what was committed before the state was to be had
        v_rows := ARRAY(
            SELECT q
            FROM telemetry.settle_queue AS q
            WHERE q.dataset = settle_devices.dataset AND q.device_id = v_device_id
            -- what somebody has open is queued for what they do, which this would not see
            FOR UPDATE SKIP LOCKED
        );
        IF v_rows <> '{}' THEN
            v_queued := v_queued || v_rows;
            v_folded := v_folded || (
                SELECT telemetry.fold(
                    settle_devices.dataset, v_device_id, min(r.day), greatest(min(r.day), max(r.through))
                )
                FROM unnest(v_rows) AS r
            );
        ELSIF EXISTS (
            SELECT
            FROM telemetry.settle_queue AS q
            WHERE q.dataset = settle_devices.dataset AND q.device_id = v_device_id
        ) THEN
            left_over := left_over || v_device_id;
            CONTINUE;
        END IF;
        settled := settled || v_device_id;
        -- who waited has no other state, so that nobody waits for two
        EXIT WHEN wait OR clock_timestamp() > settle_devices.until;
    END LOOP;
    IF cardinality(v_folded) = 0 THEN
        RETURN;
    END IF;
    v_missing := ARRAY(SELECT e FROM telemetry.entries_missing(v_folded) AS e);
    -- one look tells of most
    IF (
        SELECT telemetry.is_in_one_chunk(settle_devices.dataset, min(m.hour), max(m.hour))
        FROM unnest(v_missing) AS m
    ) IS NOT TRUE THEN
        v_hours := telemetry.hours_without_chunk(
            dataset,
            ARRAY(SELECT DISTINCT m.hour FROM unnest(v_missing) AS m WHERE m.hour <> ALL (settle_devices.claimed)),
            '-infinity',
            'infinity'
        );
    END IF;
    IF v_hours <> '{}' THEN
        -- whoever makes a chunk waits for it before any state is locked
        SELECT m.device_id, array_agg(DISTINCT m.hour) INTO v_device_id, v_hours
        FROM unnest(v_missing) AS m
        WHERE m.hour = ANY (v_hours)
        GROUP BY m.device_id
        ORDER BY array_position(settled, m.device_id)
        LIMIT 1;
        RAISE EXCEPTION 'hours of % have no chunk yet', v_device_id
            USING ERRCODE = 'WL060',
                DETAIL = jsonb_build_object('device_id', v_device_id, 'hours', v_hours)::text,
                HINT = 'Claim the chunks, and settle the device again.';
    END IF;
    IF v_missing <> '{}' THEN
        PERFORM telemetry.post_entries(dataset, v_missing);
    END IF;
    PERFORM telemetry.keep_folded(v_folded);
    PERFORM telemetry.queue_charging(
        dataset, array_agg(k.device_id), array_agg(k.first_day), array_agg(k.last_day), array_agg(k.is_certain)
    )
    FROM (
        SELECT
            f.device_id,
            greatest(min(q.day), f.first_day) AS first_day,
            f.last_day,
            -- what is cut at the hours is explained as before
            EXISTS (
                SELECT
                FROM unnest(v_missing) AS m
                WHERE m.device_id = f.device_id AND m.reason NOT IN ('taken', 'apportioned', 'booking')
            ) AS is_certain
        FROM unnest(v_folded) AS f
        INNER JOIN unnest(v_queued) AS q ON q.device_id = f.device_id
        GROUP BY f.device_id, f.first_day, f.last_day
    ) AS k
    WHERE k.first_day <= k.last_day;
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

COMMENT ON FUNCTION telemetry.settle_devices(text, text[], boolean, timestamptz, timestamptz[]) IS
'Takes meter_reading or vehicle_reading, devices, whether to wait for who stores readings of the first one and settle that alone, the moment at which to start with no other one, and hours whose chunks it is this transaction''s turn to make. Settles them in that order, each from its earliest queued day on, until a day ends as it did before. Returns which were settled, which were left since another one has them or nothing is stored of them yet (those in neither were not reached), and how many entries were posted. Raises WL060 where a chunk has to be made first, with the device and its hours as JSON.';

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
    v_detail text;
    v_hours timestamptz[];
BEGIN
    BEGIN
        SELECT d.settled, d.left_over, d.entries INTO settled, left_over, entries
        FROM telemetry.settle_devices(dataset, device_ids, wait, until, '{}') AS d;
        RETURN;
    EXCEPTION WHEN SQLSTATE 'WL060' THEN
        -- undone up to here, the states' locks as well
        GET STACKED DIAGNOSTICS v_detail = PG_EXCEPTION_DETAIL;
    END;
    v_hours := ARRAY(SELECT h.hour::timestamptz FROM jsonb_array_elements_text(v_detail::jsonb -> 'hours') AS h (hour));
    IF telemetry.claim_chunks(dataset, v_hours, '-infinity', 'infinity') <> '{}' THEN
        -- rollups have what was dropped there by other hands: nothing can be placed before it any more
        PERFORM telemetry.note_dropped();
    END IF;
    -- that device alone, of whose hours this is known
    SELECT d.settled, d.left_over, d.entries INTO settled, left_over, entries
    FROM telemetry.settle_devices(dataset, ARRAY[v_detail::jsonb ->> 'device_id'], wait, until, v_hours) AS d;
END;
$$;

COMMENT ON FUNCTION telemetry.settle_claimed(text, text[], boolean, timestamptz) IS
'Does what telemetry.settle_devices does; where one of them needs chunks, it makes its turn to make them, and settles that one alone: to be called before any state or row is locked.';

REVOKE ALL ON FUNCTION
    telemetry.settle_devices(text, text[], boolean, timestamptz, timestamptz[]),
    telemetry.settle_claimed(text, text[], boolean, timestamptz)
FROM PUBLIC;
