-- Settling what is queued, a piece at a time.

CREATE OR REPLACE FUNCTION telemetry.settle_due(
    only_dataset text,
    most integer,
    before timestamptz,
    wait boolean
)
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
        AND q.retry_at <= now()
        AND (only_dataset IS NULL OR q.dataset = only_dataset)
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
        WHERE q.dataset = v_first.dataset
            AND q.day = v_first.day
            AND q.due_at <= before
            AND q.retry_at <= now()
        ORDER BY (q.device_id = v_first.device_id) DESC, q.due_at
        LIMIT most
    LOOP
        BEGIN
            IF settled = 0 THEN
                v_posted := telemetry.settle_claimed(v_next.dataset, v_next.device_id, wait);
            ELSE
                v_posted := telemetry.settle_device(v_next.dataset, v_next.device_id, wait, FALSE);
            END IF;
        EXCEPTION
            WHEN SQLSTATE 'WL060' THEN
                -- its turn to make a chunk comes before any state is locked: in a call of its own
                EXIT;
            WHEN OTHERS THEN
                -- one device holds up none of the others
                RAISE WARNING 'settling of % (%) failed: %', v_next.device_id, v_next.dataset, SQLERRM;
                UPDATE telemetry.settle_queue AS q
                SET retry_at = now() + INTERVAL '1 minute', last_error = SQLERRM
                WHERE q.dataset = v_next.dataset AND q.device_id = v_next.device_id;
                v_posted := NULL;
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

COMMENT ON FUNCTION telemetry.settle_due(text, integer, timestamptz, boolean) IS
'Takes meter_reading or vehicle_reading (NULL: both), how many devices to settle at most, the moment until which they were due, and whether to wait for who stores readings of them. Settles devices of one UTC day; one whose settling fails is told by a warning, and tried again after a minute. Returns how many were settled, and how many entries were posted.';

CREATE OR REPLACE FUNCTION telemetry.settle_all()
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_entries bigint := 0::bigint;
    v_done record;
BEGIN
    LOOP
        SELECT s.* INTO v_done FROM telemetry.settle_due(NULL, 1, 'infinity', TRUE) AS s;
        v_entries := v_entries + v_done.entries;
        EXIT WHEN v_done.settled = 0;
    END LOOP;
    RETURN v_entries;
END;
$$;

COMMENT ON FUNCTION telemetry.settle_all() IS
'Settles all that is queued, whether or not it is due, and waits for who stores readings. Takes nothing. Returns how many entries were posted.';

CREATE OR REPLACE PROCEDURE telemetry.settle_all_due(only_dataset text)
LANGUAGE plpgsql
AS $$
DECLARE
    -- what comes due meanwhile is for the next call: else this might never end
    v_before timestamptz := now();
    v_tell_at timestamptz := clock_timestamp() + INTERVAL '5 seconds';
    v_settled bigint := 0::bigint;
    v_untold bigint := 0::bigint;
    v_done record;
BEGIN
    -- what the caller did is done, and its lock_timeout is its own
    COMMIT;
    LOOP
        -- transactions of its own, so that it cannot pin its path: see ops.maintain
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        SELECT s.settled INTO v_done FROM telemetry.settle_due(only_dataset, 200, v_before, FALSE) AS s;
        v_settled := v_settled + v_done.settled;
        v_untold := v_untold + v_done.settled;
        IF v_untold > 0 AND (v_done.settled = 0 OR clock_timestamp() > v_tell_at) THEN
            RAISE NOTICE 'settled % device(s)', v_settled;
            v_untold := 0;
            v_tell_at := clock_timestamp() + INTERVAL '5 seconds';
        END IF;
        EXIT WHEN v_done.settled = 0;
        COMMIT;
    END LOOP;
END;
$$;

COMMENT ON PROCEDURE telemetry.settle_all_due (text) IS
'Settles all that is due. Takes meter_reading or vehicle_reading (NULL: both); tells by notices every few seconds how far it is. It commits as it goes.';

CREATE OR REPLACE FUNCTION telemetry.queue_unsettled(
    dataset text,
    since timestamptz,
    chunk_end timestamptz,
    until timestamptz
)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_last date := telemetry.utc_day(queue_unsettled.until) - 1;
BEGIN
    INSERT INTO telemetry.settle_queue (dataset, device_id, day)
    SELECT queue_unsettled.dataset, d.device_id, v_last
    FROM (
        SELECT DISTINCT m.meter_id AS device_id
        FROM bi.meter_energy_daily AS m
        WHERE queue_unsettled.dataset = 'meter_reading'
            AND m.bucket >= telemetry.floor_day(queue_unsettled.since) AND m.bucket < queue_unsettled.chunk_end
            AND m.samples > 0
        UNION ALL
        SELECT DISTINCT v.vehicle_id
        FROM bi.vehicle_energy_daily AS v
        WHERE queue_unsettled.dataset = 'vehicle_reading'
            AND v.bucket >= telemetry.floor_day(queue_unsettled.since) AND v.bucket < queue_unsettled.chunk_end
            AND v.samples > 0
    ) AS d
    WHERE NOT EXISTS (
        SELECT
        FROM telemetry.settled_day AS s
        WHERE s.dataset = queue_unsettled.dataset
            AND s.device_id = d.device_id
            AND s.day = v_last
            AND s.is_final
    )
    ORDER BY d.device_id
    ON CONFLICT DO NOTHING;
END;
$$;

COMMENT ON FUNCTION telemetry.queue_unsettled(text, timestamptz, timestamptz, timestamptz) IS
'Takes meter_reading or vehicle_reading, the start and end of what is to be dropped next, and the midnight in UTC up to which all is. Queues devices that have readings in the first span and are not settled for good up to that midnight. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.settle_before(
    dataset text,
    since timestamptz,
    chunk_end timestamptz,
    until timestamptz
)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_until timestamptz := clock_timestamp() + INTERVAL '100 milliseconds';
    v_device text;
BEGIN
    PERFORM telemetry.queue_unsettled(dataset, since, chunk_end, until);
    FOR v_device IN
        SELECT DISTINCT q.device_id
        FROM telemetry.settle_queue AS q
        WHERE q.dataset = settle_before.dataset AND q.day < telemetry.utc_day(settle_before.until)
        ORDER BY q.device_id
    LOOP
        IF clock_timestamp() > v_until THEN
            RETURN FALSE;
        END IF;
        IF telemetry.settle_claimed(dataset, v_device, FALSE) IS NULL THEN
            RETURN FALSE;
        END IF;
    END LOOP;
    RETURN NOT found;
END;
$$;

COMMENT ON FUNCTION telemetry.settle_before(text, timestamptz, timestamptz, timestamptz) IS
'Takes what telemetry.queue_unsettled does. Settles for good what is to be dropped, for some 100 milliseconds. Returns whether there was nothing left to settle: else it is to be called again, in another transaction.';

REVOKE ALL ON PROCEDURE telemetry.settle_all_due(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION
    telemetry.queue_unsettled(text, timestamptz, timestamptz, timestamptz),
    telemetry.settle_before(text, timestamptz, timestamptz, timestamptz),
    telemetry.settle_due(text, integer, timestamptz, boolean),
    telemetry.settle_all()
FROM PUBLIC;
