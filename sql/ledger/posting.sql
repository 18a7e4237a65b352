-- Posting: what the fold of devices found is stored, while nobody else writes to them.

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

CREATE OR REPLACE FUNCTION telemetry.keep_folded(folded telemetry.folded[])
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO telemetry.settled_day AS s
    SELECT d.*
    FROM unnest(folded) AS f
    CROSS JOIN LATERAL unnest(f.days) AS d
    ORDER BY d.device_id, d.day
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
            b.dataset,
            b.device_id,
            b.day,
            coalesce(max(telemetry.part_before(
                telemetry.day_start(b.day + 1), s.energy_mwh, s.since, s.ts
            )), 0) AS carried_mwh
        FROM unnest(folded) AS f
        INNER JOIN telemetry.settled_day AS b
            ON b.dataset = f.dataset
            AND b.device_id = f.device_id
            -- silent days before the first one are crossed by the same interval
            AND b.day >= coalesce(telemetry.utc_day((
                SELECT e.read_at
                FROM telemetry.settled_day AS e
                WHERE e.dataset = f.dataset
                    AND e.device_id = f.device_id
                    AND e.day = f.first_day - 1
            )), f.first_day)
            AND b.day < f.last_day + CASE WHEN f.reaches_end THEN 1 ELSE 0 END
            -- an interval that ends after all that was folded crosses as before
            AND (
                f.reaches_end
                OR telemetry.day_start(b.day + 1) <= (f.days[cardinality(f.days)]).read_at
            )
            AND telemetry.day_start(b.day + 1) > f.kept_since
        LEFT JOIN LATERAL unnest(f.steps) AS s
            ON s.is_cut
            AND s.since < telemetry.day_start(b.day + 1)
            AND s.ts >= telemetry.day_start(b.day + 1)
        GROUP BY b.dataset, b.device_id, b.day
    ) AS c
    WHERE d.dataset = c.dataset
        AND d.device_id = c.device_id
        AND d.day = c.day
        AND d.carried_mwh <> c.carried_mwh;

    DELETE FROM telemetry.register_event AS e
    USING unnest(folded) AS f
    WHERE e.dataset = f.dataset
        AND e.device_id = f.device_id
        AND e.source_day BETWEEN f.first_day AND f.last_day
        AND NOT (e = ANY (f.events));
    INSERT INTO telemetry.register_event
    SELECT e.*
    FROM unnest(folded) AS f
    CROSS JOIN LATERAL unnest(f.events) AS e
    ORDER BY e.device_id, e.happened_at
    ON CONFLICT DO NOTHING;

    IF folded[1].dataset = 'meter_reading' THEN
        UPDATE telemetry.meter_state AS s
        SET level_mwh = f.level_mwh
        FROM unnest(folded) AS f
        WHERE f.reaches_end
            AND s.meter_id = f.device_id
            AND s.kind <> 'difference'
            -- one that was taken back waits for the next, whose interval starts before it
            AND s.register_mwh IS NOT NULL
            AND s.level_mwh IS DISTINCT FROM f.level_mwh;
    ELSE
        UPDATE telemetry.vehicle_state AS s
        SET level_mwh = f.level_mwh
        FROM unnest(folded) AS f
        WHERE f.reaches_end
            AND s.vehicle_id = f.device_id
            AND s.kind <> 'difference'
            -- one that was taken back waits for the next, whose interval starts before it
            AND s.register_mwh IS NOT NULL
            AND s.level_mwh IS DISTINCT FROM f.level_mwh;
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.keep_folded(telemetry.folded[]) IS
'Takes what the fold of devices of one side found, each device once, while their states are locked. Keeps how their days ended, what happened, and the levels that the next readings count from. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.post_entries(dataset text, missing telemetry.due_entry[])
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    -- known when this is planned, so that other chunks are left out
    v_since timestamptz := (SELECT min(m.ts) FROM unnest(missing) AS m);
    v_until timestamptz := (SELECT max(m.ts) FROM unnest(missing) AS m);
BEGIN
    IF dataset = 'meter_reading' THEN
        INSERT INTO telemetry.meter_reading (meter_id, ts, entry, energy_mwh, reason, source_day)
        SELECT
            m.device_id,
            m.ts,
            (
                SELECT coalesce(max(r.entry), 0)
                FROM telemetry.meter_reading AS r
                WHERE r.meter_id = m.device_id AND r.ts = m.ts AND r.ts BETWEEN v_since AND v_until
            ) + row_number() OVER (PARTITION BY m.device_id, m.ts ORDER BY m.source_day, m.reason),
            m.energy_mwh,
            m.reason,
            m.source_day
        FROM unnest(missing) AS m
        ORDER BY m.ts, m.device_id;
    ELSE
        INSERT INTO telemetry.vehicle_reading (vehicle_id, ts, entry, energy_mwh, reason, source_day)
        SELECT
            m.device_id,
            m.ts,
            (
                SELECT coalesce(max(r.entry), 0)
                FROM telemetry.vehicle_reading AS r
                WHERE r.vehicle_id = m.device_id AND r.ts = m.ts AND r.ts BETWEEN v_since AND v_until
            ) + row_number() OVER (PARTITION BY m.device_id, m.ts ORDER BY m.source_day, m.reason),
            m.energy_mwh,
            m.reason,
            m.source_day
        FROM unnest(missing) AS m
        ORDER BY m.ts, m.device_id;
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.post_entries(text, telemetry.due_entry[]) IS
'Takes meter_reading or vehicle_reading, and what the entries of devices lack whose states are locked. Posts each as another entry at its time. Returns nothing.';

REVOKE ALL ON FUNCTION
    telemetry.lock_state(text, text, boolean),
    telemetry.keep_folded(telemetry.folded[]),
    telemetry.post_entries(text, telemetry.due_entry[])
FROM PUBLIC;
