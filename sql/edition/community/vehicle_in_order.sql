-- Storing of vehicle readings that all come in order, the usual group, on the Community edition: one statement moves
-- the states and writes the rows.

CREATE OR REPLACE FUNCTION telemetry.store_vehicle_readings_in_order(
    vehicle_ids text[],
    read_at timestamptz[],
    kinds text[],
    energies_kwh double precision[],
    interval_starts timestamptz[],
    session_ids text[],
    socs_percent double precision[],
    battery_temps_c double precision[],
    accepted telemetry.accepted,
    newest timestamptz
)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
-- one plan for all groups: a look by key for each state, in the order in which the ids are given, whatever the planner
-- thinks of the group's size, or of the table's
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
DECLARE
    v_sent integer := cardinality(vehicle_ids);
    v_energy_min double precision := (accepted.energy).minimum;
    v_energy_max double precision := (accepted.energy).maximum;
    v_register_min double precision := (accepted.register).minimum;
    v_register_max double precision := (accepted.register).maximum;
    v_soc_min double precision := (accepted.soc).minimum;
    v_battery_temp_min double precision := (accepted.battery_temp).minimum;
    v_soc_max double precision := (accepted.soc).maximum;
    v_battery_temp_max double precision := (accepted.battery_temp).maximum;
    v_max_power_kw double precision := (accepted.rules).max_power_kw;
    v_apportioned_above interval := (accepted.rules).apportioned_above;
    v_midnight timestamptz := telemetry.floor_day(newest);
    v_session_nos integer[];
    v_moved bigint;
    v_apart bigint;
BEGIN
    IF session_ids IS NOT NULL THEN
        v_session_nos := telemetry.known_sessions('vehicle_reading', vehicle_ids, session_ids);
        IF num_nonnulls(VARIADIC v_session_nos) <> num_nonnulls(VARIADIC session_ids) THEN
            RETURN FALSE;
        END IF;
    END IF;
    -- the trigger leaves alone what has its state
    PERFORM set_config('wattledger.arrival', 'in order', TRUE);
    WITH moved AS (
        UPDATE telemetry.vehicle_state AS d
        SET
            ts = s.ts,
            earlier_ts = d.ts,
            energy_mwh = coalesce(s.register_mwh - d.level_mwh, s.reported_mwh),
            soc_mpct = s.soc_mpct,
            battery_temp_mc = s.battery_temp_mc,
            received_at = now(),
            kind = s.kind,
            register_mwh = s.register_mwh,
            session_no = s.session_no,
            level_mwh = s.register_mwh
        FROM (
            SELECT
                r.vehicle_id,
                r.ts,
                coalesce(r.kind::telemetry.reading_kind, 'difference') AS kind,
                telemetry.mwh(r.energy_kwh) AS reported_mwh,
                CASE WHEN r.kind <> 'difference' THEN telemetry.mwh(r.energy_kwh) END AS register_mwh,
                r.interval_start,
                r.session_no,
                (r.soc_percent * 1000)::integer AS soc_mpct,
                (r.battery_temp_c * 1000)::integer AS battery_temp_mc
            FROM unnest(
                vehicle_ids, read_at, kinds, energies_kwh, interval_starts, v_session_nos, socs_percent, battery_temps_c
            ) AS r (vehicle_id, ts, kind, energy_kwh, interval_start, session_no, soc_percent, battery_temp_c)
            WHERE CASE
                WHEN r.kind <> 'difference' THEN r.energy_kwh BETWEEN v_register_min AND v_register_max
                ELSE r.energy_kwh BETWEEN v_energy_min AND v_energy_max
            END
                AND (r.soc_percent BETWEEN v_soc_min AND v_soc_max) IS NOT FALSE
                AND (r.battery_temp_c BETWEEN v_battery_temp_min AND v_battery_temp_max) IS NOT FALSE
            -- one lock order for all groups: no deadlock
            ORDER BY r.vehicle_id COLLATE "C"
        ) AS s
        WHERE d.vehicle_id = s.vehicle_id
            AND telemetry.is_newer(s.ts, d.ts)
            AND CASE
                -- a register that waits for what comes has to be settled
                WHEN s.register_mwh IS NULL THEN (d.kind = 'difference' OR d.level_mwh IS NOT NULL)
                    AND s.reported_mwh
                    <= telemetry.plausible_mwh(coalesce(d.max_power_kw, v_max_power_kw), s.ts - d.ts)
                ELSE telemetry.counts_on(
                    s.kind, s.register_mwh, s.session_no, s.ts,
                    d.kind, d.level_mwh, d.session_no, d.ts, coalesce(d.max_power_kw, v_max_power_kw)
                )
            END
        RETURNING
            s.vehicle_id,
            s.ts,
            d.energy_mwh,
            s.kind,
            s.register_mwh,
            s.interval_start,
            s.session_no,
            s.soc_mpct,
            s.battery_temp_mc,
            d.earlier_ts
    ),
    written AS (
        INSERT INTO telemetry.vehicle_reading (
            vehicle_id, ts, energy_mwh, kind, register_mwh, interval_start, session_no, soc_mpct, battery_temp_mc
        )
        SELECT
            m.vehicle_id,
            m.ts,
            m.energy_mwh,
            m.kind,
            m.register_mwh,
            m.interval_start,
            m.session_no,
            m.soc_mpct,
            m.battery_temp_mc
        FROM moved AS m
        -- after all states, and only if none is missing
        WHERE (SELECT count(*) FROM moved AS a) = v_sent
    )
    SELECT
        count(*),
        count(*) FILTER (WHERE m.earlier_ts < greatest(m.ts - v_apportioned_above, v_midnight))
            + count(m.interval_start)
    INTO v_moved, v_apart
    FROM moved AS m;
    PERFORM set_config('wattledger.arrival', '', TRUE);
    IF v_moved = v_sent AND v_apart > 0 THEN
        PERFORM telemetry.queue_to_settle(
            'vehicle_reading', array_agg(q.vehicle_id), array_agg(telemetry.utc_day(q.ts)), array_agg(q.due_at)
        )
        FROM (
            SELECT
                s.vehicle_id,
                s.ts,
                telemetry.due_at(
                    telemetry.is_apportioned(
                        d.energy_mwh, greatest(s.interval_start, d.earlier_ts), s.ts, accepted.rules
                    ),
                    s.ts,
                    d.earlier_ts
                ) AS due_at
            FROM unnest(vehicle_ids, read_at, interval_starts) AS s (vehicle_id, ts, interval_start)
            INNER JOIN telemetry.vehicle_state AS d ON d.vehicle_id = s.vehicle_id
        ) AS q
        WHERE q.due_at IS NOT NULL;
    ELSIF v_moved <> v_sent AND v_moved > 0 THEN
        RAISE EXCEPTION '% of % readings are in order', v_moved, v_sent
            USING ERRCODE = 'WL054', HINT = 'Undo what was done, and store them with a closer look.';
    END IF;
    RETURN v_moved = v_sent;
END;
$$;

COMMENT ON FUNCTION telemetry.store_vehicle_readings_in_order(
    text[], timestamptz[], text[], double precision[], timestamptz[], text[],
    double precision[],
    double precision[],
    telemetry.accepted, timestamptz
) IS
'Takes vehicle readings as api.ingest_vehicle_readings does, whose times are accepted and in one chunk, what is accepted, and the newest of the times. Where all are within their bounds, states of charge and battery temperatures included, each of another vehicle, newer than its state, and beyond doubt, moves the states, writes the readings, queues what has to be settled, and returns true. Else returns false with nothing done, or raises an error (WL054, or a constraint''s) to have undone what was.';
REVOKE ALL ON FUNCTION telemetry.store_vehicle_readings_in_order(
    text[], timestamptz[], text[], double precision[], timestamptz[], text[],
    double precision[],
    double precision[],
    telemetry.accepted, timestamptz
) FROM PUBLIC;
