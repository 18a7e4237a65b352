-- A device's readings as the fold judges them, without folding what arrival judged rightly; and its neighbours in time.

-- planned anew for each window, so that only the chunks that hold it are looked at

CREATE OR REPLACE FUNCTION telemetry.judged_readings(
    dataset text,
    device_id text,
    since timestamptz,
    until timestamptz
)
RETURNS TABLE (
    ts timestamptz,
    energy_mwh bigint,
    kind telemetry.reading_kind,
    interval_start timestamptz,
    session_no integer,
    battery_temp_mc integer
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    -- days of which readings count otherwise than they were judged at arrival, and the first that waits to be settled
    v_days date[];
    v_waiting date;
    v_last date := telemetry.utc_day(until - INTERVAL '1 microsecond');
    v_run record;
    v_corrections telemetry.corrected_reading[] := telemetry.corrections_of(dataset, device_id);
    v_withdrawn timestamptz[] := ARRAY(SELECT c.ts FROM unnest(v_corrections) AS c WHERE c.value_mwh IS NULL);
    v_steps telemetry.fold_step[] := ARRAY[]::telemetry.fold_step[];
BEGIN
    v_days := ARRAY(
        SELECT e.source_day
        FROM (
            SELECT m.source_day, m.reason
            FROM telemetry.meter_reading AS m
            WHERE judged_readings.dataset = 'meter_reading'
                AND m.meter_id = judged_readings.device_id
                AND m.entry > 0
                AND m.ts >= judged_readings.since AND m.ts < judged_readings.until
            UNION ALL
            SELECT v.source_day, v.reason
            FROM telemetry.vehicle_reading AS v
            WHERE judged_readings.dataset = 'vehicle_reading'
                AND v.vehicle_id = judged_readings.device_id
                AND v.entry > 0
                AND v.ts >= judged_readings.since AND v.ts < judged_readings.until
        ) AS e
        -- the others move energy, or are nothing that a reading told
        WHERE e.reason NOT IN ('taken', 'apportioned', 'booking')
        UNION
        -- where a correction changes nothing at its own reading, it may at the next one
        SELECT telemetry.utc_day(k.ts)
        FROM unnest(v_corrections) AS k
        WHERE k.ts >= judged_readings.since AND k.ts < judged_readings.until
        UNION
        -- what one that came late took from the one after it makes no entry where both are of an hour
        SELECT telemetry.utc_day(c.ts)
        FROM (
            SELECT
                l.ts,
                l.energy_mwh,
                l.register_mwh,
                max(l.register_mwh) OVER (
                    PARTITION BY l.kind, CASE WHEN l.kind = 'session_counter' THEN l.session_no END
                    ORDER BY l.ts ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
                ) AS level_mwh
            FROM (
                SELECT m.ts, m.energy_mwh, m.register_mwh, m.kind, m.session_no
                FROM telemetry.meter_reading AS m
                WHERE judged_readings.dataset = 'meter_reading'
                    AND m.meter_id = judged_readings.device_id
                    AND m.entry = 0
                    AND m.register_mwh IS NOT NULL
                    AND m.ts >= judged_readings.since AND m.ts < judged_readings.until
                UNION ALL
                SELECT v.ts, v.energy_mwh, v.register_mwh, v.kind, v.session_no
                FROM telemetry.vehicle_reading AS v
                WHERE judged_readings.dataset = 'vehicle_reading'
                    AND v.vehicle_id = judged_readings.device_id
                    AND v.entry = 0
                    AND v.register_mwh IS NOT NULL
                    AND v.ts >= judged_readings.since AND v.ts < judged_readings.until
            ) AS l
        ) AS c
        -- the one before the first of them is of another hour
        WHERE c.level_mwh IS NOT NULL AND c.energy_mwh <> greatest(0, c.register_mwh - c.level_mwh)
    );
    SELECT min(q.day) INTO v_waiting
    FROM telemetry.settle_queue AS q
    WHERE q.dataset = judged_readings.dataset
        AND q.device_id = judged_readings.device_id
        AND q.due_at <= now()
        AND q.day <= v_last
        AND greatest(q.day, q.through) >= telemetry.utc_day(judged_readings.since) - 1;
    FOR v_run IN
        -- days that follow one another are folded in one go; and from the one that waits on, which may change all after it
        SELECT min(g.day) AS first_day, CASE WHEN max(g.day) >= v_waiting THEN v_last ELSE max(g.day) END AS last_day
        FROM (
            SELECT f.day, f.day - row_number() OVER (ORDER BY f.day)::integer AS run
            FROM (
                SELECT DISTINCT greatest(d.day, telemetry.utc_day(judged_readings.since)) AS day
                FROM unnest(v_days || v_waiting) AS d (day)
                WHERE d.day <= coalesce(v_waiting, v_last)
            ) AS f
        ) AS g
        GROUP BY g.run
        ORDER BY 1
    LOOP
        v_steps := v_steps || (
            SELECT array_agg(f)
            FROM unnest((
                telemetry.fold(
                    judged_readings.dataset, judged_readings.device_id, v_run.first_day, v_run.last_day, TRUE
                )
            ).steps) AS f
            -- it ends a day that is settled as that ended
            WHERE telemetry.utc_day(f.ts) BETWEEN v_run.first_day AND v_run.last_day
                OR (v_run.last_day >= v_waiting) IS TRUE
        );
    END LOOP;
    RETURN QUERY
    SELECT r.ts, coalesce(s.energy_mwh, r.energy_mwh), r.kind, r.interval_start, r.session_no, r.battery_temp_mc
    FROM (
        SELECT m.ts, m.energy_mwh, m.kind, m.interval_start, m.session_no, NULL::integer AS battery_temp_mc
        FROM telemetry.meter_reading AS m
        WHERE judged_readings.dataset = 'meter_reading'
            AND m.meter_id = judged_readings.device_id
            AND m.entry = 0
            AND m.ts >= judged_readings.since AND m.ts < judged_readings.until
        UNION ALL
        SELECT v.ts, v.energy_mwh, v.kind, v.interval_start, v.session_no, v.battery_temp_mc
        FROM telemetry.vehicle_reading AS v
        WHERE judged_readings.dataset = 'vehicle_reading'
            AND v.vehicle_id = judged_readings.device_id
            AND v.entry = 0
            AND v.ts >= judged_readings.since AND v.ts < judged_readings.until
    ) AS r
    LEFT JOIN (
        -- a record may share the time of a reading
        SELECT f.ts, sum(f.energy_mwh)::bigint AS energy_mwh
        FROM unnest(v_steps) AS f
        GROUP BY f.ts
    ) AS s ON s.ts = r.ts
    WHERE r.ts <> ALL (v_withdrawn);
END;
$$;

COMMENT ON FUNCTION telemetry.judged_readings(text, text, timestamptz, timestamptz) IS
'Takes meter_reading or vehicle_reading, a device and a window of whole UTC days (since included, until not). Returns a row for each reading in it that was not taken back, in any order: its time, its energy in milliwatt-hours as the fold judges it, what it reported, the start of its interval and its session as reported, and the battery temperature in thousandths of a degree Celsius.';

CREATE OR REPLACE FUNCTION telemetry.newest_reading(dataset text, device_id text)
RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE newest_reading.dataset
        WHEN 'meter_reading' THEN (
            SELECT s.ts FROM telemetry.meter_state AS s WHERE s.meter_id = newest_reading.device_id
        )
        ELSE (SELECT s.ts FROM telemetry.vehicle_state AS s WHERE s.vehicle_id = newest_reading.device_id)
    END
$$;

COMMENT ON FUNCTION telemetry.newest_reading(text, text) IS
'Takes meter_reading or vehicle_reading, and a device. Returns the time of its newest reading; NULL where there is none.';

CREATE OR REPLACE FUNCTION telemetry.reading_before(dataset text, device_id text, moment timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_found timestamptz;
    v_back interval;
    v_withdrawn timestamptz[] := telemetry.withdrawn_at(dataset, device_id);
    v_kept_since timestamptz;
BEGIN
    SELECT d.complete_since INTO STRICT v_kept_since FROM telemetry.dataset AS d WHERE d.dataset = reading_before.dataset;
    -- mostly it is near, and a short look plans few chunks
    FOREACH v_back IN ARRAY ARRAY[INTERVAL '24 hours', INTERVAL '100 years'] LOOP
        IF reading_before.dataset = 'meter_reading' THEN
            SELECT max(m.ts) INTO v_found
            FROM telemetry.meter_reading AS m
            WHERE m.meter_id = reading_before.device_id
                AND m.entry = 0
                AND m.ts < reading_before.moment
                AND m.ts <> ALL (v_withdrawn)
                AND m.ts >= greatest(v_kept_since, telemetry.utc_minus(reading_before.moment, v_back));
        ELSE
            SELECT max(v.ts) INTO v_found
            FROM telemetry.vehicle_reading AS v
            WHERE v.vehicle_id = reading_before.device_id
                AND v.entry = 0
                AND v.ts < reading_before.moment
                AND v.ts <> ALL (v_withdrawn)
                AND v.ts >= greatest(v_kept_since, telemetry.utc_minus(reading_before.moment, v_back));
        END IF;
        EXIT WHEN v_found IS NOT NULL;
    END LOOP;
    RETURN v_found;
END;
$$;

COMMENT ON FUNCTION telemetry.reading_before(text, text, timestamptz) IS
'Takes meter_reading or vehicle_reading, a device and a moment. Returns the time of its last kept reading before the moment that was not taken back; NULL where there is none.';

CREATE OR REPLACE FUNCTION telemetry.reading_from(dataset text, device_id text, moment timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_found timestamptz;
    v_on interval;
    v_withdrawn timestamptz[] := telemetry.withdrawn_at(dataset, device_id);
BEGIN
    -- mostly a window ends now
    IF (telemetry.newest_reading(dataset, device_id) >= moment) IS NOT TRUE THEN
        RETURN NULL;
    END IF;
    FOREACH v_on IN ARRAY ARRAY[INTERVAL '24 hours', INTERVAL '100 years'] LOOP
        IF reading_from.dataset = 'meter_reading' THEN
            SELECT min(m.ts) INTO v_found
            FROM telemetry.meter_reading AS m
            WHERE m.meter_id = reading_from.device_id
                AND m.entry = 0
                AND m.ts >= reading_from.moment
                AND m.ts <> ALL (v_withdrawn)
                AND m.ts < reading_from.moment + v_on;
        ELSE
            SELECT min(v.ts) INTO v_found
            FROM telemetry.vehicle_reading AS v
            WHERE v.vehicle_id = reading_from.device_id
                AND v.entry = 0
                AND v.ts >= reading_from.moment
                AND v.ts <> ALL (v_withdrawn)
                AND v.ts < reading_from.moment + v_on;
        END IF;
        EXIT WHEN v_found IS NOT NULL;
    END LOOP;
    RETURN v_found;
END;
$$;

COMMENT ON FUNCTION telemetry.reading_from(text, text, timestamptz) IS
'Takes meter_reading or vehicle_reading, a device and a moment. Returns the time of its first reading at or after the moment that was not taken back; NULL where there is none.';

REVOKE ALL ON FUNCTION
    telemetry.judged_readings(text, text, timestamptz, timestamptz),
    telemetry.newest_reading(text, text),
    telemetry.reading_before(text, text, timestamptz),
    telemetry.reading_from(text, text, timestamptz)
FROM PUBLIC;
