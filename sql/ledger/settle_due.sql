-- Settling what is queued, a piece at a time.

CREATE OR REPLACE FUNCTION telemetry.postpone(dataset text, device_ids text[], error text)
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE telemetry.settle_queue AS q
    SET
        last_error = error,
        retry_at = CASE
            WHEN error IS NOT NULL OR telemetry.newest_item(q.dataset, q.device_id) IS NULL
                THEN now() + INTERVAL '1 minute'
            ELSE now() + INTERVAL '1 second'
        END
    FROM (
        SELECT d.dataset, d.device_id, d.day
        FROM telemetry.settle_queue AS d
        WHERE d.dataset = postpone.dataset AND d.device_id = ANY (postpone.device_ids)
        -- who has it open puts it there anew
        FOR UPDATE SKIP LOCKED
    ) AS k
    WHERE q.dataset = k.dataset AND q.device_id = k.device_id AND q.day = k.day
$$;

COMMENT ON FUNCTION telemetry.postpone(text, text[], text) IS
'Leaves queued devices for later: for a second; for a minute where something went wrong, or nothing is stored of them yet. Takes meter_reading or vehicle_reading, the devices, and what went wrong (NULL: another session has them). Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.settle_or_postpone(
    dataset text,
    device_ids text[],
    wait boolean,
    may_claim boolean,
    until timestamptz,
    OUT settled integer,
    OUT entries integer
)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_done record;
    v_error text;
    v_until timestamptz;
BEGIN
    settled := 0;
    entries := 0;
    -- what is read here may be about to be dropped, and cannot be while something is placed in it: see drop_proven
    LOCK TABLE telemetry.settled_day IN ROW EXCLUSIVE MODE;
    -- before any state, as all writers do it
    IF dataset = 'meter_reading' THEN
        LOCK TABLE ONLY telemetry.meter_reading IN ROW EXCLUSIVE MODE;
    ELSE
        LOCK TABLE ONLY telemetry.vehicle_reading IN ROW EXCLUSIVE MODE;
    END IF;
    BEGIN
        IF may_claim THEN
            v_done := telemetry.settle_claimed(dataset, device_ids, wait, until);
        ELSE
            v_done := telemetry.settle_devices(dataset, device_ids, wait, until, '{}');
        END IF;
        IF v_done.left_over <> '{}' THEN
            PERFORM telemetry.postpone(dataset, v_done.left_over, NULL);
        END IF;
        settled := cardinality(v_done.settled);
        entries := v_done.entries;
        RETURN;
    EXCEPTION
        WHEN SQLSTATE 'WL060' THEN
            RAISE;
        WHEN OTHERS THEN
            v_error := SQLERRM;
    END;
    IF cardinality(device_ids) = 1 THEN
        RAISE WARNING 'settling of % (%) failed: %', device_ids[1], dataset, v_error;
        PERFORM telemetry.postpone(dataset, device_ids, v_error);
        RETURN;
    END IF;
    -- one device holds up none of the others: each by itself, and the time for nothing is not theirs
    v_until := greatest(until, clock_timestamp() + INTERVAL '50 milliseconds');
    FOR i IN 1..cardinality(device_ids) LOOP
        BEGIN
            v_done := telemetry.settle_or_postpone(dataset, device_ids[i:i], wait, may_claim AND i = 1, v_until);
        EXCEPTION WHEN SQLSTATE 'WL060' THEN
            -- its turn to make a chunk comes before any state is locked: in another call
            EXIT;
        END;
        settled := settled + v_done.settled;
        entries := entries + v_done.entries;
        EXIT WHEN clock_timestamp() > v_until;
    END LOOP;
END;
$$;

COMMENT ON FUNCTION telemetry.settle_or_postpone(text, text[], boolean, boolean, timestamptz) IS
'Takes meter_reading or vehicle_reading, devices, whether to wait for who stores readings of them, whether nothing else is locked yet, so that chunks may be made, and the moment at which to start with no other device. Settles them; one that another session has is left for a second, one that fails for a minute, told by a warning. Returns how many were settled, and how many entries were posted. Raises WL060 where a chunk has to be made first.';

CREATE OR REPLACE FUNCTION telemetry.is_quiet(
    day date,
    due_at timestamptz,
    changed_at timestamptz,
    queued_for interval
)
RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    -- an upload of what was kept for long settles each day once, when it has all of it; nobody waits for days like these
    SELECT CASE
        WHEN queued_for = INTERVAL '0' THEN TRUE
        WHEN day < telemetry.utc_day(now()) - 1
            THEN changed_at <= telemetry.utc_minus(now(), queued_for * 10)
                OR due_at <= telemetry.utc_minus(now(), queued_for * 60)
        ELSE changed_at <= telemetry.utc_minus(now(), queued_for)
            OR due_at <= telemetry.utc_minus(now(), queued_for * 3)
    END
$$;

COMMENT ON FUNCTION telemetry.is_quiet(date, timestamptz, timestamptz, interval) IS
'Takes a queued day, since when it has been due, when readings of it came last, and for how long none is to have come. Returns whether none has, or it has been due for three times as long; before yesterday, for ten times as long, or sixty.';

CREATE OR REPLACE FUNCTION telemetry.next_due(only_dataset text, before timestamptz, queued_for interval)
RETURNS telemetry.settle_queue
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_found telemetry.settle_queue;
    v_other telemetry.settle_queue;
    v_dataset text;
    v_day date;
BEGIN
    -- what waits longest, or what is newest: a backlog of old days holds up neither itself nor today
    IF random() < 0.5 THEN
        SELECT q.* INTO v_found
        FROM telemetry.settle_queue AS q
        WHERE q.due_at <= before
            AND q.retry_at <= now()
            AND telemetry.is_quiet(q.day, q.due_at, q.changed_at, queued_for)
            AND (only_dataset IS NULL OR q.dataset = only_dataset)
        ORDER BY q.due_at
        LIMIT 1;
        RETURN v_found;
    END IF;
    FOREACH v_dataset IN ARRAY CASE
        WHEN only_dataset IS NULL THEN ARRAY['meter_reading', 'vehicle_reading']
        ELSE ARRAY[only_dataset]
    END LOOP
        v_day := date 'infinity';
        LOOP
            -- from day to day, since of a long queue few rows can be looked at
            SELECT max(q.day) INTO v_day
            FROM telemetry.settle_queue AS q
            WHERE q.dataset = v_dataset AND q.day < v_day;
            EXIT WHEN v_day IS NULL OR v_day < v_found.day;
            SELECT q.* INTO v_other
            FROM telemetry.settle_queue AS q
            WHERE q.dataset = v_dataset
                AND q.day = v_day
                AND q.due_at <= before
                AND q.retry_at <= now()
                AND telemetry.is_quiet(q.day, q.due_at, q.changed_at, queued_for)
            ORDER BY q.due_at
            LIMIT 1;
            CONTINUE WHEN NOT found;
            IF v_found.day IS NULL OR (v_other.day, v_found.due_at) > (v_found.day, v_other.due_at) THEN
                v_found := v_other;
            END IF;
            EXIT;
        END LOOP;
    END LOOP;
    RETURN v_found;
END;
$$;

COMMENT ON FUNCTION telemetry.next_due(text, timestamptz, interval) IS
'Takes meter_reading or vehicle_reading (NULL: both), the moment until which it was due, and what telemetry.is_quiet takes. Returns a queued day of a device: by chance what has waited longest, or of the newest day that has any; all NULL where nothing is due.';

CREATE OR REPLACE FUNCTION telemetry.settle_due(
    only_dataset text,
    most integer,
    before timestamptz,
    wait boolean,
    queued_for interval DEFAULT INTERVAL '0'
)
RETURNS TABLE (settled integer, entries integer)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
-- the queue is empty at most times, and long after an outage
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    -- so many share the statements that post what was found
    v_together integer := 25;
    -- readings of these devices wait for as long as this lasts
    v_until timestamptz := CASE WHEN wait THEN timestamptz 'infinity' ELSE clock_timestamp() + INTERVAL '15 milliseconds' END;
    v_first telemetry.settle_queue;
    v_device_ids text[];
    v_place integer := 1;
    v_done record;
BEGIN
    settled := 0;
    entries := 0;
    v_first := telemetry.next_due(only_dataset, before, queued_for);
    IF v_first.device_id IS NULL THEN
        RETURN NEXT;
        RETURN;
    END IF;
    IF v_first.last_error IS NOT NULL THEN
        -- those that failed would fail the others as well
        v_together := 1;
    END IF;
    -- one day at a time: what is written at once spans few hours, and all between are computed anew
    v_device_ids := v_first.device_id || ARRAY(
        SELECT q.device_id
        FROM telemetry.settle_queue AS q
        WHERE q.dataset = v_first.dataset
            AND q.day = v_first.day
            AND q.due_at <= before
            AND q.retry_at <= now()
            AND telemetry.is_quiet(q.day, q.due_at, q.changed_at, queued_for)
            AND q.device_id <> v_first.device_id
            AND (q.last_error IS NULL) = (v_first.last_error IS NULL)
        ORDER BY q.due_at
        LIMIT most - 1
    );
    LOOP
        BEGIN
            -- from the second time on a state is locked, or a row of the queue
            v_done := telemetry.settle_or_postpone(
                v_first.dataset, v_device_ids[v_place:v_place + v_together - 1], wait, v_place = 1, v_until
            );
        EXCEPTION WHEN SQLSTATE 'WL060' THEN
            -- its turn to make a chunk comes before any state is locked: in a call of its own
            EXIT;
        END;
        settled := settled + v_done.settled;
        entries := entries + v_done.entries;
        v_place := v_place + v_together;
        EXIT WHEN v_place > cardinality(v_device_ids) OR clock_timestamp() > v_until;
    END LOOP;
    RETURN NEXT;
END;
$$;

COMMENT ON FUNCTION telemetry.settle_due(text, integer, timestamptz, boolean, interval) IS
'Takes meter_reading or vehicle_reading (NULL: both), how many devices to settle at most, the moment until which they were due, whether to wait for who stores readings of them, and for how long no late reading is to have come (telemetry.is_quiet; by default they are not waited for). Settles devices of one UTC day; one whose settling fails is told by a warning, and tried again after a minute. Returns how many were settled, and how many entries were posted.';

REVOKE ALL ON FUNCTION
    telemetry.postpone(text, text[], text),
    telemetry.settle_or_postpone(text, text[], boolean, boolean, timestamptz),
    telemetry.is_quiet(date, timestamptz, timestamptz, interval),
    telemetry.next_due(text, timestamptz, interval),
    telemetry.settle_due(text, integer, timestamptz, boolean, interval)
FROM PUBLIC;
