-- Settling for good, before what it follows from is dropped.

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
        SELECT m.meter_id AS device_id
        FROM bi.meter_energy_daily AS m
        WHERE queue_unsettled.dataset = 'meter_reading'
            AND m.bucket >= telemetry.floor_day(queue_unsettled.since) AND m.bucket < queue_unsettled.chunk_end
            AND m.samples > 0
        UNION
        SELECT v.vehicle_id
        FROM bi.vehicle_energy_daily AS v
        WHERE queue_unsettled.dataset = 'vehicle_reading'
            AND v.bucket >= telemetry.floor_day(queue_unsettled.since) AND v.bucket < queue_unsettled.chunk_end
            AND v.samples > 0
        UNION
        -- one that was silent since, of which something may have been recorded
        SELECT o.device_id
        FROM telemetry.settled_day AS o
        WHERE o.dataset = queue_unsettled.dataset AND NOT o.is_final AND o.day <= v_last
        UNION
        SELECT r.device_id
        FROM telemetry.standing_record AS r
        WHERE r.dataset = queue_unsettled.dataset
            AND (r.record = 'exchange' OR r.energy_mwh IS NOT NULL)
            AND r.happened_at >= queue_unsettled.since
            AND coalesce(r.starts_at, r.happened_at) < queue_unsettled.until
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

CREATE OR REPLACE FUNCTION telemetry.unsettled_since(dataset text, device_id text, day date)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN telemetry.oldest_item(dataset, device_id, telemetry.day_start(coalesce(
        (telemetry.settled_before(dataset, device_id, day)).day + 1, '-infinity'
    )));
END;
$$;

COMMENT ON FUNCTION telemetry.unsettled_since(text, text, date) IS
'Takes meter_reading or vehicle_reading, a device, and the first UTC day that is queued of it. Returns the time of the oldest of its readings and records that settling still needs; NULL where there is none.';

CREATE OR REPLACE FUNCTION telemetry.settle_before(
    dataset text,
    since timestamptz,
    chunk_end timestamptz,
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
    v_since timestamptz;
    v_may_claim boolean := TRUE;
    v_done record;
BEGIN
    PERFORM telemetry.queue_unsettled(dataset, since, chunk_end, until);
    FOR v_next IN
        SELECT q.device_id, min(q.day) AS day, max(q.retry_at) AS retry_at, max(q.last_error) AS last_error
        FROM telemetry.settle_queue AS q
        WHERE q.dataset = settle_before.dataset AND q.day < telemetry.utc_day(settle_before.until)
        GROUP BY 1
        ORDER BY 1
    LOOP
        IF v_next.retry_at > now() AND v_next.last_error IS NOT NULL THEN
            v_since := telemetry.unsettled_since(dataset, v_next.device_id, v_next.day);
            -- what it is settled by comes later: this may go
            CONTINUE WHEN (v_since < settle_before.chunk_end) IS NOT TRUE;
            step := 'unproven';
            detail := format(
                '%s of %s cannot be settled from %s on (see ops.failing_devices): %s',
                v_next.device_id, dataset, telemetry.utc_day(v_since), v_next.last_error
            );
            EXIT;
        ELSIF v_next.retry_at > now() THEN
            step := coalesce(step, 'busy');
            detail := format('%s of %s cannot be settled: another session has it', v_next.device_id, dataset);
            CONTINUE;
        END IF;
        BEGIN
            v_done := telemetry.settle_or_postpone(dataset, ARRAY[v_next.device_id], FALSE, v_may_claim, 'infinity');
        EXCEPTION WHEN SQLSTATE 'WL060' THEN
            -- in a call of its own, before any state is locked
            RETURN;
        END;
        v_may_claim := FALSE;
        IF v_done.settled > 0 THEN
            step := 'settle';
            detail := NULL;
            EXIT WHEN clock_timestamp() > v_until;
        ELSIF step IS NULL THEN
            step := 'busy';
            detail := format('%s of %s cannot be settled: another session has it, or see ops.failing_devices', v_next.device_id, dataset);
        END IF;
    END LOOP;
    IF step IS NULL THEN
        SELECT k.step, k.detail INTO step, detail FROM telemetry.keep_charging_before(until) AS k;
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.settle_before(text, timestamptz, timestamptz, timestamptz) IS
'Takes what telemetry.queue_unsettled does. Settles for good what is to be dropped, for some 100 milliseconds; a device that fails is passed over where the first span holds nothing that it is settled by. Then charging of that time is kept. Returns the step that it was: settle (something was, and more may be left), busy (another session has a device), unproven (a device cannot be settled, or its charging kept), and of the last two a sentence that says more; NULL where nothing was left to settle.';

REVOKE ALL ON FUNCTION
    telemetry.queue_unsettled(text, timestamptz, timestamptz, timestamptz),
    telemetry.unsettled_since(text, text, date),
    telemetry.settle_before(text, timestamptz, timestamptz, timestamptz)
FROM PUBLIC;
