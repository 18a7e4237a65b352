-- What of kept charging is stale, and answers that are right at the moment of asking: kept where that stands, else
-- computed.

CREATE OR REPLACE FUNCTION telemetry.has_changed(dataset text, device_id text, day date)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_since timestamptz := greatest(telemetry.day_start(day), telemetry.charging_kept_since());
    v_until timestamptz := telemetry.day_start(day) + INTERVAL '24 hours';
BEGIN
    IF v_since >= v_until THEN
        RETURN FALSE;  -- it is kept for good
    END IF;
    RETURN EXISTS (
        WITH span AS (
            SELECT has_changed.device_id AS meter_id, v_since AS since, v_until AS until
            WHERE has_changed.dataset = 'meter_reading'
            UNION ALL
            -- of a vehicle only while it was linked
            SELECT
                l.meter_id,
                greatest(telemetry.floor_hour(lower(l.during)), v_since),
                least(telemetry.ceiling_hour(upper(l.during)), v_until)
            FROM telemetry.charging_link AS l
            WHERE has_changed.dataset = 'vehicle_reading'
                AND l.vehicle_id = has_changed.device_id
                AND l.during && tstzrange(v_since, v_until)
        ),
        due AS MATERIALIZED (
            SELECT p.* FROM span AS s CROSS JOIN LATERAL telemetry.charging_parts(s.meter_id, s.since, s.until) AS p
        ),
        kept AS MATERIALIZED (
            SELECT p.*
            FROM span AS s
            INNER JOIN telemetry.charging_part AS p
                ON p.meter_id = s.meter_id AND p.hour >= s.since AND p.hour < s.until
        )
        (TABLE due EXCEPT TABLE kept)
        UNION ALL
        (TABLE kept EXCEPT TABLE due)
    );
END;
$$;

COMMENT ON FUNCTION telemetry.has_changed(text, text, date) IS
'Takes meter_reading or vehicle_reading, a device and a UTC day. Returns whether its charging of the day is kept otherwise than its readings, records, links and rules have it now.';

CREATE OR REPLACE FUNCTION telemetry.unkept_hours(vehicle_id text)
RETURNS TABLE (since timestamptz, until timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_kept_since timestamptz := telemetry.charging_kept_since();
    v_withdrawn timestamptz[] := telemetry.withdrawn_at('vehicle_reading', vehicle_id);
BEGIN
    RETURN QUERY
    SELECT min(coalesce(t.hour, k.hour)), max(coalesce(t.hour, k.hour)) + INTERVAL '1 hour'
    FROM (
        SELECT l.meter_id, telemetry.floor_hour(v.ts) AS hour, count(*) AS samples
        FROM telemetry.vehicle_reading AS v
        INNER JOIN telemetry.charging_link AS l ON l.vehicle_id = v.vehicle_id AND l.during @> v.ts
        WHERE v.vehicle_id = unkept_hours.vehicle_id
            AND v.entry = 0
            AND v.ts >= v_kept_since
            AND v.ts <> ALL (v_withdrawn)
        GROUP BY 1, 2
    ) AS t
    FULL JOIN (
        SELECT p.meter_id, p.hour, sum(p.vehicle_samples) AS samples
        FROM telemetry.charging_part AS p
        WHERE p.vehicle_id = unkept_hours.vehicle_id AND p.hour >= v_kept_since
        GROUP BY 1, 2
    ) AS k ON k.meter_id = t.meter_id AND k.hour = t.hour
    WHERE coalesce(t.samples, 0) <> coalesce(k.samples, 0);
END;
$$;

COMMENT ON FUNCTION telemetry.unkept_hours(text) IS
'Takes a vehicle. Returns one row: start of the first and end of the last hour in which charging is kept with another number of its readings than there are while it was linked; NULL where there is none.';

CREATE OR REPLACE FUNCTION telemetry.stale_charging(dataset text, device_id text, compared boolean)
RETURNS TABLE (since timestamptz, until timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_newest timestamptz := telemetry.newest_reading(dataset, device_id);
    v_seen_at timestamptz;
BEGIN
    SELECT p.seen_at INTO v_seen_at
    FROM telemetry.charging_progress AS p
    WHERE p.dataset = stale_charging.dataset AND p.device_id = stale_charging.device_id;
    IF compared AND dataset = 'vehicle_reading' AND v_newest IS NOT NULL AND v_seen_at IS NULL THEN
        -- its meters may have been kept with all that it reported
        RETURN QUERY
        SELECT
            telemetry.floor_hour(
                least(telemetry.reading_before(stale_charging.dataset, stale_charging.device_id, u.since), u.since)
                - INTERVAL '1 hour'
            ),
            telemetry.ceiling_hour(
                greatest(telemetry.reading_from(stale_charging.dataset, stale_charging.device_id, u.until), u.until)
                + INTERVAL '1 hour'
            )
        FROM telemetry.unkept_hours(stale_charging.device_id) AS u
        WHERE u.since IS NOT NULL;
    ELSIF v_newest IS NOT NULL AND (v_newest > v_seen_at) IS NOT FALSE THEN
        -- what came explains nothing from before the last reading that was seen, whose own step may now end a flow, or
        -- turn out idle
        RETURN QUERY SELECT
            CASE
                -- all is kept anew: of the first day, it is no longer known how its devices reported
                WHEN v_seen_at = '-infinity' THEN least(
                    telemetry.charging_kept_since() + INTERVAL '24 hours',
                    telemetry.floor_hour(v_newest) + INTERVAL '1 hour'
                )
                ELSE coalesce(telemetry.floor_hour(v_seen_at - INTERVAL '1 hour'), '-infinity')
            END,
            -- it is counted in the hour that begins with it
            telemetry.floor_hour(v_newest) + INTERVAL '1 hour';
    END IF;
    IF (dataset = 'meter_reading' OR NOT compared) AND v_newest IS NOT NULL AND v_seen_at IS NULL THEN
        RETURN;  -- that is all
    END IF;
    -- what one reading explains begins at the one before, and that of the one after it ends there
    RETURN QUERY
    SELECT
        telemetry.floor_hour(
            least(telemetry.reading_before(q.dataset, q.device_id, q.day_start), q.day_start) - INTERVAL '1 hour'
        ),
        telemetry.ceiling_hour(
            greatest(
                telemetry.reading_from(q.dataset, q.device_id, q.day_start + INTERVAL '24 hours'),
                q.day_start + INTERVAL '24 hours'
            ) + INTERVAL '1 hour'
        )
    FROM (
        SELECT c.dataset, c.device_id, telemetry.day_start(c.day) AS day_start
        FROM telemetry.charging_queue AS c
        WHERE c.dataset = stale_charging.dataset
            AND c.device_id = stale_charging.device_id
            AND (
                c.is_certain
                OR NOT compared
                OR (v_seen_at IS NOT NULL AND telemetry.has_changed(c.dataset, c.device_id, c.day))
            )
    ) AS q;
END;
$$;

COMMENT ON FUNCTION telemetry.stale_charging(text, text, boolean) IS
'Takes meter_reading or vehicle_reading, a device, and whether to compare queued days with what is kept (else all of them are taken for stale, which costs less where little of them is asked for). Returns the windows of whole hours in which charging may be kept otherwise than its readings have it (since -infinity: nothing of it is kept yet).';

CREATE OR REPLACE FUNCTION telemetry.oldest_charging(dataset text, device_id text)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_kept_since timestamptz := telemetry.charging_kept_since();
    v_oldest timestamptz := telemetry.oldest_item(dataset, device_id, v_kept_since);
BEGIN
    RETURN least(
        v_oldest,
        -- a session's summary explains more than the hour before it
        CASE WHEN dataset = 'meter_reading' THEN (
            SELECT m.interval_start
            FROM telemetry.meter_reading AS m
            WHERE m.meter_id = oldest_charging.device_id AND m.ts = v_oldest AND m.entry = 0
        ) ELSE (
            SELECT r.interval_start
            FROM telemetry.vehicle_reading AS r
            WHERE r.vehicle_id = oldest_charging.device_id AND r.ts = v_oldest AND r.entry = 0
        ) END,
        CASE WHEN dataset = 'meter_reading' THEN (
            SELECT min(telemetry.oldest_item('vehicle_reading', l.vehicle_id, greatest(v_kept_since, lower(l.during))))
            FROM telemetry.charging_link AS l
            -- a public plug has thousands that report nothing
            INNER JOIN telemetry.vehicle_state AS v ON v.vehicle_id = l.vehicle_id
            WHERE l.meter_id = oldest_charging.device_id
        ) END
    );
END;
$$;

COMMENT ON FUNCTION telemetry.oldest_charging(text, text) IS
'Takes meter_reading or vehicle_reading, and a device. Returns since when the oldest kept reading that its charging follows from explains it, or its time, of a meter also those of vehicles while linked to it or later; NULL where there is none.';

CREATE OR REPLACE FUNCTION telemetry.charging_now(meter_id text, since timestamptz, until timestamptz)
RETURNS SETOF telemetry.charging_part
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_kept_since timestamptz := telemetry.charging_kept_since();
    v_stale tstzmultirange;
    v_part record;
BEGIN
    -- the hours that are cut by the window, and those that are stale
    v_stale := tstzmultirange(
        tstzrange(telemetry.floor_hour(since), telemetry.ceiling_hour(since)),
        tstzrange(telemetry.floor_hour(until), telemetry.ceiling_hour(until))
    );
    SELECT v_stale + coalesce(range_agg(tstzrange(w.since, w.until)), '{}')
    INTO v_stale
    FROM (
        SELECT s.since, s.until
        FROM telemetry.stale_charging('meter_reading', charging_now.meter_id, FALSE) AS s
        UNION ALL
        SELECT greatest(s.since, k.since), least(s.until, k.until)
        FROM (
            SELECT
                l.vehicle_id,
                coalesce(telemetry.floor_hour(lower(l.during)), '-infinity') AS since,
                coalesce(telemetry.ceiling_hour(upper(l.during)), 'infinity') AS until
            FROM telemetry.charging_link AS l
            WHERE l.meter_id = charging_now.meter_id
                AND l.during && tstzrange(charging_now.since, charging_now.until)
        ) AS k
        CROSS JOIN LATERAL telemetry.stale_charging('vehicle_reading', k.vehicle_id, FALSE) AS s
        WHERE greatest(s.since, k.since) < least(s.until, k.until)
    ) AS w;
    IF lower(v_stale) = '-infinity' AND since < until - INTERVAL '744 hours' THEN
        -- nothing is kept yet: a window may begin ages before all readings, and no hour of that has to be looked at
        v_stale := v_stale * tstzmultirange(tstzrange(
            telemetry.floor_hour(telemetry.oldest_charging('meter_reading', meter_id) - INTERVAL '1 hour'), 'infinity'
        ));
    END IF;
    -- of a window that is older than all raw readings nothing can be computed
    v_stale := v_stale * tstzmultirange(tstzrange(least(greatest(since, v_kept_since), until), until));

    RETURN QUERY
    SELECT p.*
    FROM telemetry.charging_part AS p
    WHERE p.meter_id = charging_now.meter_id
        AND p.hour >= telemetry.ceiling_hour(charging_now.since)
        AND p.hour < telemetry.floor_hour(charging_now.until)
        AND NOT v_stale @> p.hour;
    -- nothing is known of the time to come
    FOR v_part IN
        SELECT lower(r.part) AS since, upper(r.part) AS until
        FROM unnest(v_stale * tstzmultirange(tstzrange(NULL, now() + INTERVAL '1 hour'))) AS r (part)
    LOOP
        RETURN QUERY SELECT p.* FROM telemetry.charging_parts(charging_now.meter_id, v_part.since, v_part.until) AS p;
    END LOOP;
END;
$$;

COMMENT ON FUNCTION telemetry.charging_now(text, timestamptz, timestamptz) IS
'Takes a meter and a window (since included, until not). Returns what flowed in it, as telemetry.charging_part has it, right at the moment of asking: hours that are kept and stand as they are kept, the others, and those that the window cuts, computed. Of time whose raw readings are gone, whole hours alone.';

REVOKE ALL ON FUNCTION
    telemetry.unkept_hours(text),
    telemetry.stale_charging(text, text, boolean),
    telemetry.oldest_charging(text, text),
    telemetry.has_changed(text, text, date),
    telemetry.charging_now(text, timestamptz, timestamptz)
FROM PUBLIC;
