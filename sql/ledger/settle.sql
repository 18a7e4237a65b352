-- Settling: a device's entries, days and events brought in line with its stored readings and records.

CREATE OR REPLACE FUNCTION telemetry.lock_state(dataset text, device_id text, wait boolean)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- whoever stores readings of a device locks its state first: one writer of a device at a time
    IF wait AND lock_state.dataset = 'meter_reading' THEN
        PERFORM FROM telemetry.meter_state AS s WHERE s.meter_id = lock_state.device_id FOR NO KEY UPDATE;
    ELSIF wait THEN
        PERFORM FROM telemetry.vehicle_state AS s WHERE s.vehicle_id = lock_state.device_id FOR NO KEY UPDATE;
    ELSIF lock_state.dataset = 'meter_reading' THEN
        PERFORM FROM telemetry.meter_state AS s WHERE s.meter_id = lock_state.device_id
        FOR NO KEY UPDATE SKIP LOCKED;
    ELSE
        PERFORM FROM telemetry.vehicle_state AS s WHERE s.vehicle_id = lock_state.device_id
        FOR NO KEY UPDATE SKIP LOCKED;
    END IF;
    RETURN found;
END;
$$;

COMMENT ON FUNCTION telemetry.lock_state(text, text, boolean) IS
'Takes meter_reading or vehicle_reading, a device, and whether to wait for who has its state. Locks the state until this transaction ends. Returns whether it did: not where another one has it, or there is none.';

CREATE OR REPLACE FUNCTION telemetry.keep_folded(folded telemetry.folded)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO telemetry.settled_day AS s
    SELECT d.* FROM unnest(folded.days) AS d
    ORDER BY d.day
    ON CONFLICT ON CONSTRAINT settled_day_pkey DO UPDATE SET
        read_at = excluded.read_at,
        kind = excluded.kind,
        level_mwh = excluded.level_mwh,
        level_at = excluded.level_at,
        session_no = excluded.session_no,
        earlier_session_no = excluded.earlier_session_no,
        earlier_level_mwh = excluded.earlier_level_mwh,
        differences_mwh = excluded.differences_mwh,
        jitters = excluded.jitters,
        placed_since = least(s.placed_since, excluded.placed_since),
        is_final = excluded.is_final;

    -- what intervals across midnights have before them; the midnight before which nothing changes keeps what it has
    UPDATE telemetry.settled_day AS d
    SET carried_mwh = c.carried_mwh
    FROM (
        SELECT
            b.day,
            coalesce(max(telemetry.part_before(
                telemetry.day_start(b.day + 1), s.energy_mwh, s.since, s.ts
            )), 0) AS carried_mwh
        FROM telemetry.settled_day AS b
        LEFT JOIN unnest(folded.steps) AS s
            ON s.is_cut
            AND s.since < telemetry.day_start(b.day + 1)
            AND s.ts >= telemetry.day_start(b.day + 1)
        WHERE b.dataset = folded.dataset
            AND b.device_id = folded.device_id
            -- silent days before the first one are crossed by the same interval
            AND b.day >= coalesce(telemetry.utc_day((
                SELECT f.read_at
                FROM telemetry.settled_day AS f
                WHERE f.dataset = folded.dataset
                    AND f.device_id = folded.device_id
                    AND f.day = folded.first_day - 1
            )), folded.first_day)
            AND b.day < folded.last_day + CASE WHEN folded.reaches_end THEN 1 ELSE 0 END
            -- an interval that ends after all that was folded crosses as before
            AND (
                folded.reaches_end
                OR telemetry.day_start(b.day + 1) <= (folded.days[cardinality(folded.days)]).read_at
            )
            AND telemetry.day_start(b.day + 1) > folded.kept_since
        GROUP BY b.day
    ) AS c
    WHERE d.dataset = folded.dataset
        AND d.device_id = folded.device_id
        AND d.day = c.day
        AND d.carried_mwh <> c.carried_mwh;

    DELETE FROM telemetry.register_event AS e
    WHERE e.dataset = folded.dataset
        AND e.device_id = folded.device_id
        AND e.source_day BETWEEN folded.first_day AND folded.last_day
        AND NOT (e = ANY (folded.events));
    INSERT INTO telemetry.register_event
    SELECT e.* FROM unnest(folded.events) AS e
    ORDER BY e.happened_at
    ON CONFLICT DO NOTHING;

    IF folded.reaches_end AND folded.dataset = 'meter_reading' THEN
        UPDATE telemetry.meter_state AS s
        SET level_mwh = folded.level_mwh
        WHERE s.meter_id = folded.device_id
            AND s.kind <> 'difference'
            AND s.level_mwh IS DISTINCT FROM folded.level_mwh;
    ELSIF folded.reaches_end THEN
        UPDATE telemetry.vehicle_state AS s
        SET level_mwh = folded.level_mwh
        WHERE s.vehicle_id = folded.device_id
            AND s.kind <> 'difference'
            AND s.level_mwh IS DISTINCT FROM folded.level_mwh;
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.keep_folded(telemetry.folded) IS
'Takes what the fold of a device found, while its state is locked. Keeps how its days ended, what happened, and the level that the next reading counts from. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.post_entries(dataset text, device_id text, missing telemetry.due_entry[])
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    IF post_entries.dataset = 'meter_reading' THEN
        INSERT INTO telemetry.meter_reading (meter_id, ts, entry, energy_mwh, reason, source_day)
        SELECT
            post_entries.device_id,
            m.ts,
            (
                SELECT coalesce(max(r.entry), 0)
                FROM telemetry.meter_reading AS r
                WHERE r.meter_id = post_entries.device_id AND r.ts = m.ts
            ) + row_number() OVER (PARTITION BY m.ts ORDER BY m.source_day, m.reason),
            m.energy_mwh,
            m.reason,
            m.source_day
        FROM unnest(post_entries.missing) AS m
        ORDER BY m.ts;
    ELSE
        INSERT INTO telemetry.vehicle_reading (vehicle_id, ts, entry, energy_mwh, reason, source_day)
        SELECT
            post_entries.device_id,
            m.ts,
            (
                SELECT coalesce(max(r.entry), 0)
                FROM telemetry.vehicle_reading AS r
                WHERE r.vehicle_id = post_entries.device_id AND r.ts = m.ts
            ) + row_number() OVER (PARTITION BY m.ts ORDER BY m.source_day, m.reason),
            m.energy_mwh,
            m.reason,
            m.source_day
        FROM unnest(post_entries.missing) AS m
        ORDER BY m.ts;
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.post_entries(text, text, telemetry.due_entry[]) IS
'Takes meter_reading or vehicle_reading, a device whose state is locked, and what its entries lack. Posts each as another entry at its time. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.settle_device(dataset text, device_id text, wait boolean, has_claimed boolean)
RETURNS integer
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_days date[];
    v_day date;
    v_through date;
    v_folded telemetry.folded;
    v_missing telemetry.due_entry [];
    v_hours timestamptz[];
BEGIN
    IF NOT telemetry.lock_state(dataset, device_id, wait) THEN
        -- another session has it; or nothing is stored of it, or about to be: who does that relies on what is queued
        RETURN NULL;
    END IF;
    -- new statements, to see what was committed before the state was to be had
    SELECT array_agg(k.day), min(k.day), max(k.through) INTO v_days, v_day, v_through
    FROM (
        SELECT q.day, q.through
        FROM telemetry.settle_queue AS q
        WHERE q.dataset = settle_device.dataset AND q.device_id = settle_device.device_id
        -- what somebody has open is queued for what they do, which this would not see
        FOR UPDATE SKIP LOCKED
    ) AS k;
    IF v_day IS NULL THEN
        RETURN CASE
            WHEN EXISTS (
                SELECT
                FROM telemetry.settle_queue AS q
                WHERE q.dataset = settle_device.dataset AND q.device_id = settle_device.device_id
            ) THEN NULL
            ELSE 0
        END;
    END IF;
    v_folded := telemetry.fold(dataset, device_id, v_day, greatest(v_day, v_through));
    v_missing := ARRAY(SELECT e FROM telemetry.entries_missing(v_folded) AS e);
    v_hours := ARRAY(SELECT m.hour FROM unnest(v_missing) AS m);
    IF NOT has_claimed
        -- one look tells of most
        AND (
            SELECT telemetry.is_in_one_chunk(settle_device.dataset, min(m.hour), max(m.hour))
            FROM unnest(v_missing) AS m
        ) IS NOT TRUE
        AND telemetry.hours_without_chunk(dataset, v_hours, '-infinity', 'infinity') <> '{}'
    THEN
        -- whoever makes a chunk waits for it before any state is locked
        RAISE EXCEPTION 'hours of % have no chunk yet', device_id
            USING ERRCODE = 'WL060', DETAIL = v_hours::text, HINT = 'Claim the chunks, and settle the device again.';
    END IF;
    IF v_missing <> '{}' THEN
        PERFORM telemetry.post_entries(dataset, device_id, v_missing);
    END IF;
    PERFORM telemetry.keep_folded(v_folded);
    DELETE FROM telemetry.settle_queue AS q
    WHERE q.dataset = settle_device.dataset
        AND q.device_id = settle_device.device_id
        AND q.day = ANY (v_days)
        AND (q.day <= v_folded.last_day OR v_folded.reaches_end);
    RETURN cardinality(v_missing);
END;
$$;

COMMENT ON FUNCTION telemetry.settle_device(text, text, boolean, boolean) IS
'Takes meter_reading or vehicle_reading, a device, whether to wait for who stores readings of it, and whether it is this transaction''s turn to make chunks. Settles it from its earliest queued day on, until a day ends as it did before. Returns how many entries were posted; NULL where another one has the device. Raises WL060 where a chunk has to be made first.';

CREATE OR REPLACE FUNCTION telemetry.settle_claimed(dataset text, device_id text, wait boolean)
RETURNS integer
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
        RETURN telemetry.settle_device(dataset, device_id, wait, FALSE);
    EXCEPTION WHEN SQLSTATE 'WL060' THEN
        -- undone up to here, the state's lock as well
        GET STACKED DIAGNOSTICS v_hours = PG_EXCEPTION_DETAIL;
    END;
    IF telemetry.claim_chunks(dataset, v_hours::timestamptz[], '-infinity', 'infinity') <> '{}' THEN
        -- rollups have what was dropped there by other hands: nothing can be placed before it any more
        PERFORM telemetry.note_dropped();
    END IF;
    RETURN telemetry.settle_device(dataset, device_id, wait, TRUE);
END;
$$;

COMMENT ON FUNCTION telemetry.settle_claimed(text, text, boolean) IS
'Does what telemetry.settle_device does, and makes its turn to make chunks where it needs any: to be called before anything else is locked.';

REVOKE ALL ON FUNCTION
    telemetry.lock_state(text, text, boolean),
    telemetry.keep_folded(telemetry.folded),
    telemetry.post_entries(text, text, telemetry.due_entry[]),
    telemetry.settle_device(text, text, boolean, boolean),
    telemetry.settle_claimed(text, text, boolean)
FROM PUBLIC;
