-- Charging is kept up to date: in order of time as readings come, and days anew that changed afterwards.

CREATE OR REPLACE FUNCTION telemetry.keep_device(dataset text, device_id text)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_started_at timestamptz := clock_timestamp();
    v_again boolean;
    v_datasets text[];
    v_ids text[];
    v_newest timestamptz[];
    v_queued telemetry.charging_queue[];
    v_part record;
BEGIN
    -- with the one that it is linked to now, so that hours of both are kept once. Their newest readings and queued days
    -- are read before anything is computed: what comes meanwhile is left for the next time
    SELECT array_agg(d.dataset), array_agg(d.device_id), array_agg(telemetry.newest_reading(d.dataset, d.device_id))
    INTO v_datasets, v_ids, v_newest
    FROM (
        SELECT keep_device.dataset, keep_device.device_id
        UNION ALL
        SELECT 'vehicle_reading', l.vehicle_id
        FROM telemetry.charging_link AS l
        WHERE keep_device.dataset = 'meter_reading' AND l.meter_id = keep_device.device_id AND l.during @> now()
        UNION ALL
        SELECT 'meter_reading', l.meter_id
        FROM telemetry.charging_link AS l
        WHERE keep_device.dataset = 'vehicle_reading' AND l.vehicle_id = keep_device.device_id AND l.during @> now()
    ) AS d;
    v_queued := ARRAY(
        SELECT q
        FROM telemetry.charging_queue AS q
        INNER JOIN unnest(v_datasets, v_ids) AS d (dataset, device_id)
            ON d.dataset = q.dataset AND d.device_id = q.device_id
    );
    FOR v_part IN
        WITH stale AS MATERIALIZED (
            SELECT
                w.dataset,
                w.device_id,
                w.parts * tstzmultirange(tstzrange(
                    -- an hour before the first reading, which explains the end of it
                    telemetry.floor_hour(telemetry.oldest_charging(w.dataset, w.device_id) - INTERVAL '1 hour'),
                    telemetry.ceiling_hour(now() + INTERVAL '1 hour')
                )) AS parts
            FROM (
                SELECT d.dataset, d.device_id, range_agg(tstzrange(s.since, s.until)) AS parts
                FROM unnest(v_datasets, v_ids) AS d (dataset, device_id)
                CROSS JOIN LATERAL telemetry.stale_charging(d.dataset, d.device_id, TRUE) AS s
                GROUP BY d.dataset, d.device_id
            ) AS w
        )
        SELECT k.meter_id, lower(r.part) AS since, upper(r.part) AS until
        FROM (
            SELECT m.meter_id, range_agg(m.parts) AS parts
            FROM (
                SELECT s.device_id AS meter_id, s.parts
                FROM stale AS s
                WHERE s.dataset = 'meter_reading'
                UNION ALL
                SELECT l.meter_id, s.parts * tstzmultirange(l.during)
                FROM stale AS s
                INNER JOIN telemetry.charging_link AS l ON l.vehicle_id = s.device_id AND l.during && s.parts
                WHERE s.dataset = 'vehicle_reading'
            ) AS m
            GROUP BY m.meter_id
        ) AS k
        CROSS JOIN LATERAL unnest(k.parts) AS r (part)
        ORDER BY k.meter_id, r.part
    LOOP
        PERFORM telemetry.keep_charging(v_part.meter_id, v_part.since, v_part.until);
    END LOOP;
    -- how often a device reports in a day, and how finely, is known when that is over
    PERFORM telemetry.queue_charging(
        e.dataset, ARRAY[e.device_id], ARRAY[telemetry.utc_day(e.seen_at)], ARRAY[telemetry.utc_day(e.seen_at)], ARRAY[FALSE]
    )
    FROM telemetry.charging_progress AS e
    INNER JOIN unnest(v_datasets, v_ids, v_newest) AS d (dataset, device_id, newest)
        ON d.dataset = e.dataset AND d.device_id = e.device_id
    WHERE e.seen_at > '-infinity' AND telemetry.utc_day(e.seen_at) < telemetry.utc_day(d.newest);
    v_again := found;
    INSERT INTO telemetry.charging_progress AS p (dataset, device_id, seen_at, kept_at)
    SELECT d.dataset, d.device_id, d.newest, v_started_at
    FROM unnest(v_datasets, v_ids, v_newest) AS d (dataset, device_id, newest)
    WHERE d.newest IS NOT NULL
    ON CONFLICT ON CONSTRAINT charging_progress_pkey DO UPDATE SET
        seen_at = excluded.seen_at,
        kept_at = excluded.kept_at;
    DELETE FROM telemetry.charging_queue AS q
    USING unnest(v_queued) AS k
    WHERE q.dataset = k.dataset
        AND q.device_id = k.device_id
        AND q.day = k.day
        AND q.queued_at = k.queued_at
        -- not what was queued again
        AND q.changed_at = k.changed_at;
    IF v_again THEN
        PERFORM telemetry.keep_device(keep_device.dataset, keep_device.device_id);
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.keep_device(text, text) IS
'Takes meter_reading or vehicle_reading, and a device. Keeps anew what of its charging is stale, and of that which it is linked to now, at each meter that it is about. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.postpone_charging(dataset text, device_id text, error text)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE WARNING 'charging of % (%) cannot be kept: %', device_id, dataset, error;
    UPDATE telemetry.charging_queue AS q
    SET retry_at = clock_timestamp() + INTERVAL '1 minute', last_error = postpone_charging.error
    WHERE q.dataset = postpone_charging.dataset
        AND q.device_id = postpone_charging.device_id
        AND q.last_error IS NOT NULL;
    IF NOT found THEN
        INSERT INTO telemetry.charging_queue (dataset, device_id, day, is_certain, retry_at, last_error)
        VALUES (
            postpone_charging.dataset,
            postpone_charging.device_id,
            telemetry.utc_day(now()),
            TRUE,
            clock_timestamp() + INTERVAL '1 minute',
            postpone_charging.error
        );
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.postpone_charging(text, text, text) IS
'Has charging of a device that could not be kept tried again in a minute, and tells so by a warning. Takes meter_reading or vehicle_reading, the device, and what PostgreSQL said. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.charging_due(
    queued_before timestamptz,
    kept_before timestamptz,
    idle_before timestamptz,
    most integer
)
RETURNS TABLE (dataset text, device_id text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
-- it looks at each device every few seconds: those who wait for an answer need the other cores
SET max_parallel_workers_per_gather = 0
AS $$
    SELECT d.dataset, d.device_id
    FROM (
        SELECT q.dataset, q.device_id, 'infinity'::double precision AS overdue
        FROM telemetry.charging_queue AS q
        LEFT JOIN telemetry.charging_progress AS p ON p.dataset = q.dataset AND p.device_id = q.device_id
        WHERE (p.kept_at < charging_due.queued_before) IS NOT FALSE
        GROUP BY q.dataset, q.device_id
        -- one whose old readings keep coming would be kept over and over
        HAVING max(q.changed_at) <= now() - INTERVAL '2 seconds' OR min(q.queued_at) <= charging_due.kept_before
        UNION ALL
        SELECT s.dataset, s.device_id, o.overdue
        FROM (
            SELECT 'meter_reading' AS dataset, m.meter_id AS device_id, m.ts, m.earlier_ts, m.energy_mwh
            FROM telemetry.meter_state AS m
            UNION ALL
            SELECT 'vehicle_reading', v.vehicle_id, v.ts, v.earlier_ts, v.energy_mwh
            FROM telemetry.vehicle_state AS v
        ) AS s
        LEFT JOIN telemetry.charging_progress AS p ON p.dataset = s.dataset AND p.device_id = s.device_id
        CROSS JOIN telemetry.rules AS r
        CROSS JOIN LATERAL (
            SELECT CASE
                -- of a first reading it is not known
                WHEN telemetry.mean_kw(s.energy_mwh, s.ts - s.earlier_ts) < r.idle_below_kw
                    THEN charging_due.idle_before
                ELSE charging_due.kept_before
            END AS before
        ) AS k
        -- as a share of how long it may wait, so that many idle ones hold up none that charges
        CROSS JOIN LATERAL (
            SELECT CASE
                WHEN p.kept_at > '-infinity'
                    THEN date_part('epoch', now() - p.kept_at) / greatest(1, date_part('epoch', now() - k.before))
                ELSE 'infinity'
            END AS overdue
        ) AS o
        WHERE s.ts IS NOT NULL
            AND (s.ts > p.seen_at) IS NOT FALSE
            AND (p.kept_at < k.before) IS NOT FALSE
    ) AS d
    WHERE NOT EXISTS (
        SELECT FROM telemetry.charging_queue AS f
        WHERE f.dataset = d.dataset AND f.device_id = d.device_id AND f.retry_at > now()
    )
    GROUP BY d.dataset, d.device_id
    ORDER BY max(d.overdue) DESC, d.dataset, d.device_id
    LIMIT charging_due.most
$$;

COMMENT ON FUNCTION telemetry.charging_due(timestamptz, timestamptz, timestamptz, integer) IS
'Takes when charging was kept last of devices that are due: of those that are queued, of those that have new readings and charge, and of those that are idle; and how many to return. Returns them: those first that are queued, and not again for two seconds or for as long as of those that charge; then who waits longest for what its kind may wait.';

CREATE OR REPLACE FUNCTION telemetry.settle_charging(
    most integer,
    queued_before timestamptz,
    kept_before timestamptz,
    idle_before timestamptz,
    patience interval,
    OUT kept integer,
    OUT waiting integer
)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_began timestamptz := clock_timestamp();
    v_until timestamptz;
    v_due record;
BEGIN
    -- two would wait for one another's meters
    IF NOT pg_try_advisory_xact_lock(hashtextextended('telemetry.settle_charging', 0)) THEN
        RETURN;
    END IF;
    kept := 0;
    waiting := 0;
    FOR v_due IN
        SELECT d.dataset, d.device_id FROM telemetry.charging_due(queued_before, kept_before, idle_before, most + 1) AS d
    LOOP
        -- the more devices there are to look at, the longer it goes on: most of the time is to be spent on keeping
        v_until := coalesce(v_until, clock_timestamp() + greatest(patience, 3 * (clock_timestamp() - v_began)));
        IF kept >= most OR clock_timestamp() > v_until THEN
            waiting := waiting + 1;
            CONTINUE;
        END IF;
        BEGIN
            PERFORM telemetry.keep_device(v_due.dataset, v_due.device_id);
            kept := kept + 1;
        EXCEPTION
            WHEN lock_not_available OR deadlock_detected OR query_canceled THEN
                RAISE;
            WHEN OTHERS THEN
                -- it holds up none of the others
                PERFORM telemetry.postpone_charging(v_due.dataset, v_due.device_id, SQLERRM);
        END;
    END LOOP;
END;
$$;

COMMENT ON FUNCTION telemetry.settle_charging(integer, timestamptz, timestamptz, timestamptz, interval) IS
'Keeps charging of devices up to date. Takes how many at most, what telemetry.charging_due takes, and how long to go on (three times as long as it took to find them, if that is more). A device that fails is tried again after a minute, told by a warning. Returns how many were kept (NULL: another session is at it), and how many of the others are known to wait.';

CREATE OR REPLACE PROCEDURE telemetry.settle_all_charging()
LANGUAGE plpgsql
AS $$
DECLARE
    -- what comes meanwhile is for the next call: else this might never end
    v_before timestamptz := clock_timestamp();
    v_tell_at timestamptz := clock_timestamp() + INTERVAL '5 seconds';
    v_kept bigint := 0::bigint;
    v_are_silent_told boolean := FALSE;
    v_done record;
    v_judged integer;
    v_due integer;
BEGIN
    COMMIT;
    LOOP
        -- transactions of its own, so that it cannot pin its path: see ops.maintain
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        SELECT s.kept, s.waiting INTO v_done
        FROM telemetry.settle_charging(200, v_before, v_before, v_before, INTERVAL '1 second') AS s;
        v_kept := v_kept + coalesce(v_done.kept, 0);
        IF clock_timestamp() > v_tell_at THEN
            RAISE NOTICE 'kept charging of % device(s)', v_kept;
            v_tell_at := clock_timestamp() + INTERVAL '5 seconds';
        END IF;
        IF v_done.kept + v_done.waiting = 0 THEN
            UPDATE telemetry.alert_watch SET looked_at = '-infinity' WHERE NOT v_are_silent_told;
            v_are_silent_told := TRUE;
            SELECT s.judged, s.waiting INTO v_judged, v_due FROM telemetry.settle_alerts(200) AS s;
            EXIT WHEN v_judged + v_due = 0;
        END IF;
        IF v_done.kept IS NULL OR (v_done.kept + v_done.waiting = 0 AND v_judged IS NULL) THEN
            -- who is at it may have started before something was stored that the caller wants to be kept
            PERFORM pg_sleep(0.05);
        END IF;
        COMMIT;
    END LOOP;
    COMMIT;
END;
$$;

COMMENT ON PROCEDURE telemetry.settle_all_charging () IS
'Keeps charging of all devices up to date, and alerts about them; tells by notices every few seconds how far it is. Takes and returns nothing. It commits as it goes.';

REVOKE ALL ON FUNCTION
    telemetry.keep_device(text, text),
    telemetry.postpone_charging(text, text, text),
    telemetry.charging_due(timestamptz, timestamptz, timestamptz, integer),
    telemetry.settle_charging(integer, timestamptz, timestamptz, timestamptz, interval)
FROM PUBLIC;
REVOKE ALL ON PROCEDURE telemetry.settle_all_charging() FROM PUBLIC;
