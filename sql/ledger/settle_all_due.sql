-- Settling all that is due, by hand or by a job.

CREATE OR REPLACE FUNCTION telemetry.try_again(only_dataset text, before timestamptz)
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE telemetry.settle_queue AS q
    SET retry_at = '-infinity'
    FROM (
        SELECT d.dataset, d.device_id, d.day
        FROM telemetry.settle_queue AS d
        WHERE d.due_at <= before
            AND d.retry_at > now()
            AND d.last_error IS NULL
            AND (only_dataset IS NULL OR d.dataset = only_dataset)
        FOR UPDATE SKIP LOCKED
    ) AS k
    WHERE q.dataset = k.dataset AND q.device_id = k.device_id AND q.day = k.day
$$;

COMMENT ON FUNCTION telemetry.try_again(text, timestamptz) IS
'Has devices that another session had be settled now. Takes meter_reading or vehicle_reading (NULL: both), and the moment until which they were due. Returns nothing.';

CREATE OR REPLACE PROCEDURE telemetry.settle_all_due(only_dataset text)
LANGUAGE plpgsql
AS $$
DECLARE
    -- what comes due meanwhile is for the next call: else this might never end
    v_before timestamptz := now();
    v_tell_at timestamptz := clock_timestamp() + INTERVAL '5 seconds';
    v_settled bigint := 0::bigint;
    v_untold bigint := 0::bigint;
    v_tries integer := 0;
    v_left bigint;
    v_left_before bigint := bigint '9223372036854775807';
    v_done record;
BEGIN
    -- what the caller did is done, and its lock_timeout is its own
    COMMIT;
    LOOP
        -- transactions of its own, so that it cannot pin its path: see ops.maintain
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        IF v_tries > 0 THEN
            -- what other sessions have, one by one, each waited for a second
            PERFORM telemetry.try_again(only_dataset, v_before);
            -- nobody waits for its rows of the queue while it waits for a state
            COMMIT;
            SET LOCAL ROLE wattledger_owner;
            SET LOCAL search_path = pg_catalog, pg_temp;
            SET LOCAL lock_timeout = '1s';
        END IF;
        SELECT s.settled INTO v_done
        FROM telemetry.settle_due(
            only_dataset, CASE WHEN v_tries > 0 THEN 1 ELSE 200 END, v_before, v_tries > 0
        ) AS s;
        v_settled := v_settled + v_done.settled;
        v_untold := v_untold + v_done.settled;
        IF v_untold > 0 AND (v_done.settled = 0 OR clock_timestamp() > v_tell_at) THEN
            RAISE NOTICE 'settled % device(s)', v_settled;
            v_untold := 0;
            v_tell_at := clock_timestamp() + INTERVAL '5 seconds';
        END IF;
        IF v_done.settled = 0 AND v_tries = 0 THEN
            SELECT count(*) INTO v_left
            FROM telemetry.settle_queue AS q
            WHERE q.due_at <= v_before
                AND q.retry_at <= now()
                AND (only_dataset IS NULL OR q.dataset = only_dataset);
            IF v_left BETWEEN 1 AND v_left_before - 1 THEN
                -- those that failed are left for a minute, and others come next
                v_left_before := v_left;
                COMMIT;
                CONTINUE;
            END IF;
        END IF;
        IF v_done.settled = 0 OR v_tries > 0 THEN
            v_tries := v_tries + CASE WHEN v_done.settled = 0 THEN 1 ELSE 0 END;
            EXIT WHEN v_tries > 20 OR NOT EXISTS (
                SELECT
                FROM telemetry.settle_queue AS q
                WHERE q.due_at <= v_before
                    AND q.last_error IS NULL
                    AND (only_dataset IS NULL OR q.dataset = only_dataset)
            );
        END IF;
        COMMIT;
    END LOOP;
    -- with the lock_timeout of this
    COMMIT;
END;
$$;

COMMENT ON PROCEDURE telemetry.settle_all_due (text) IS
'Settles all that is due. Takes meter_reading or vehicle_reading (NULL: both); tells by notices every few seconds how far it is. It commits as it goes.';

REVOKE ALL ON PROCEDURE telemetry.settle_all_due(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION telemetry.try_again(text, timestamptz) FROM PUBLIC;
