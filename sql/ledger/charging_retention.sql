-- Charging is kept before the readings that it follows from are dropped.

CREATE OR REPLACE FUNCTION telemetry.keep_charging_before(
    until timestamptz,
    OUT step text,
    OUT detail text
)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_until timestamptz := clock_timestamp() + INTERVAL '100 milliseconds';
    v_next record;
    v_kept integer := 0;
BEGIN
    FOR v_next IN
        SELECT w.dataset, w.device_id, max(w.last_error) AS last_error, max(w.retry_at) AS retry_at
        FROM (
            SELECT q.dataset, q.device_id, q.last_error, q.retry_at
            FROM telemetry.charging_queue AS q
            WHERE q.day <= telemetry.utc_day(keep_charging_before.until)
                -- a failure is noted on the day on which it was
                OR q.last_error IS NOT NULL
            UNION ALL
            SELECT s.dataset, s.device_id, NULL, '-infinity'
            FROM (
                SELECT 'meter_reading' AS dataset, m.meter_id AS device_id, m.ts FROM telemetry.meter_state AS m
                UNION ALL
                SELECT 'vehicle_reading', v.vehicle_id, v.ts FROM telemetry.vehicle_state AS v
            ) AS s
            LEFT JOIN telemetry.charging_progress AS p ON p.dataset = s.dataset AND p.device_id = s.device_id
            WHERE s.ts IS NOT NULL
                -- to telemetry.charging_kept_since, and what ends later may have begun before
                AND (p.seen_at >= least(s.ts, keep_charging_before.until + INTERVAL '3 hours')) IS NOT TRUE
        ) AS w
        GROUP BY w.dataset, w.device_id
        ORDER BY w.dataset, w.device_id
    LOOP
        IF v_next.last_error IS NOT NULL AND v_next.retry_at > now() THEN
            step := coalesce(step, 'unproven');
            detail := format(
                'charging of %s of %s cannot be kept (see ops.failing_charging): %s',
                v_next.device_id, v_next.dataset, v_next.last_error
            );
            CONTINUE;
        END IF;
        -- the service may be at it
        IF v_kept = 0 AND NOT pg_try_advisory_xact_lock(hashtextextended('telemetry.settle_charging', 0)) THEN
            step := 'busy';
            detail := 'another session keeps charging';
            RETURN;
        END IF;
        BEGIN
            PERFORM telemetry.keep_device(v_next.dataset, v_next.device_id);
        EXCEPTION
            WHEN lock_not_available OR deadlock_detected OR query_canceled THEN
                RAISE;
            WHEN OTHERS THEN
                PERFORM telemetry.postpone_charging(v_next.dataset, v_next.device_id, SQLERRM);
        END;
        v_kept := v_kept + 1;
        EXIT WHEN clock_timestamp() > v_until;
    END LOOP;
    IF v_kept > 0 THEN
        step := 'settle';
        detail := NULL;
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.keep_charging_before(timestamptz) IS
'Takes the moment before which raw readings are to be dropped. Keeps charging of all devices up to it, for some 100 milliseconds. Returns the step that it was: settle (some was kept, and more may be left), busy (another session keeps charging), unproven (of a device it cannot be kept), and of the last two a sentence that says more; NULL where nothing was left to keep.';

REVOKE ALL ON FUNCTION telemetry.keep_charging_before(timestamptz) FROM PUBLIC;
