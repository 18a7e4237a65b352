-- Storing of vehicle readings that need a closer look: of new vehicles, late, twice, or beside such ones.

CREATE OR REPLACE FUNCTION telemetry.store_vehicle_readings(
    places integer[],
    vehicle_ids text[],
    read_at timestamptz[],
    kinds telemetry.reading_kind[],
    reported_mwh bigint[],
    interval_starts timestamptz[],
    session_ids text[],
    socs_mpct integer[],
    battery_temps_mc integer[],
    rules telemetry.register_rules,
    OUT stored_ids text[],
    OUT stored_at timestamptz[],
    OUT refused integer[],
    OUT details text[]
)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
-- looks by key for each reading, and nothing planned anew for a group of one
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_any_implausible boolean;
    v_places integer[];
    v_ids text[];
    v_times timestamptz[];
    v_kinds telemetry.reading_kind[];
    v_energies bigint[];
    v_registers bigint[];
    v_starts timestamptz[];
    v_sessions integer[];
    v_socs integer[];
    v_battery_temps integer[];
    v_differences bigint[];
    v_states timestamptz[];
    v_max_powers double precision[];
    v_tolerances bigint[];
    v_in_doubt boolean[];
    v_due timestamptz[];
BEGIN
    refused := ARRAY[]::integer[];
    details := ARRAY[]::text[];
    -- all states are locked before any row, in one order for all writers; a new vehicle's is made for that
    INSERT INTO telemetry.vehicle_state AS d (vehicle_id, ts, energy_mwh, received_at, kind, max_power_kw)
    SELECT
        s.vehicle_id,
        '-infinity',
        0,
        now(),
        'difference',
        (
            SELECT k.max_power_kw
            FROM telemetry.device_setting AS k
            WHERE k.dataset = 'vehicle_reading' AND k.device_id = s.vehicle_id
        )
    FROM unnest(vehicle_ids) AS s (vehicle_id)
    GROUP BY s.vehicle_id
    ORDER BY s.vehicle_id COLLATE "C"
    ON CONFLICT ON CONSTRAINT vehicle_state_pkey DO UPDATE SET ts = excluded.ts WHERE FALSE;
    IF num_nonnulls(VARIADIC session_ids) > 0 THEN
        PERFORM telemetry.number_sessions('vehicle_reading', vehicle_ids, session_ids);
    END IF;

    LOOP
        WITH sent AS (
            -- of several of one vehicle and time the first one counts
            SELECT DISTINCT ON (s.vehicle_id, s.ts)
                s.*,
                n.session_no,
                d.ts AS state_ts,
                d.kind AS state_kind,
                d.level_mwh,
                d.session_no AS state_session_no,
                coalesce(d.max_power_kw, rules.max_power_kw) AS max_power_kw,
                telemetry.mwh(coalesce(o.tolerance_kwh, rules.tolerance_kwh)) AS tolerance_mwh,
                telemetry.is_newer(s.ts, d.ts) AS is_newer,
                CASE WHEN s.kind <> 'difference' THEN s.reported_mwh END AS register_mwh
            FROM unnest(
                places, vehicle_ids, read_at, kinds, reported_mwh, interval_starts, session_ids, socs_mpct, battery_temps_mc
            ) AS s (place, vehicle_id, ts, kind, reported_mwh, interval_start, session_id, soc_mpct, battery_temp_mc)
            CROSS JOIN LATERAL (
                SELECT nullif(d.ts, '-infinity') AS ts, d.kind, d.level_mwh, d.session_no, d.max_power_kw
                FROM telemetry.vehicle_state AS d
                WHERE d.vehicle_id = s.vehicle_id
                LIMIT 1  -- there is one at most, but this makes it a look by key for each
            ) AS d
            LEFT JOIN LATERAL (
                SELECT k.session_no
                FROM telemetry.device_session AS k
                WHERE k.dataset = 'vehicle_reading' AND k.device_id = s.vehicle_id AND k.session_id = s.session_id
                LIMIT 1
            ) AS n ON TRUE
            LEFT JOIN LATERAL (
                SELECT k.tolerance_kwh
                FROM telemetry.device_setting AS k
                WHERE k.dataset = 'vehicle_reading' AND k.device_id = s.vehicle_id
                LIMIT 1
            ) AS o ON TRUE
            WHERE s.place <> ALL (refused)
            ORDER BY s.vehicle_id, s.ts, s.place
        ),
        -- what is newer than the state is judged by what comes before it, in the state or in the group
        followed AS (
            SELECT
                s.*,
                lag(s.ts, 1, s.state_ts) OVER w AS earlier_ts,
                lag(s.kind, 1, s.state_kind) OVER w AS earlier_kind,
                lag(s.register_mwh, 1, s.level_mwh) OVER w AS earlier_mwh,
                CASE
                    WHEN NOT s.is_newer THEN FALSE
                    WHEN lag(s.ts, 1, s.state_ts) OVER w IS NULL THEN s.kind <> 'difference'
                    ELSE telemetry.counts_on(
                        s.kind, s.register_mwh, s.session_no, s.ts,
                        lag(s.kind, 1, s.state_kind) OVER w,
                        lag(s.register_mwh, 1, s.level_mwh) OVER w,
                        lag(s.session_no, 1, s.state_session_no) OVER w,
                        lag(s.ts, 1, s.state_ts) OVER w,
                        s.max_power_kw
                    )
                END AS counts_on
            FROM sent AS s
            WINDOW w AS (PARTITION BY s.vehicle_id, s.is_newer ORDER BY s.ts)
        ),
        judged AS (
            SELECT
                f.*,
                CASE
                    WHEN f.kind = 'difference' THEN f.reported_mwh
                    WHEN f.is_counted THEN coalesce(f.register_mwh - f.earlier_mwh, 0)
                    ELSE 0
                END AS energy_mwh
            FROM (
                SELECT
                    g.*,
                    bool_and(g.counts_on) OVER (PARTITION BY g.vehicle_id, g.is_newer ORDER BY g.ts) AS is_counted
                FROM followed AS g
            ) AS f
        )
        SELECT
            bool_or(
                j.is_newer AND j.kind = 'difference' AND j.reported_mwh
                > j.tolerance_mwh + telemetry.plausible_mwh(j.max_power_kw, j.ts - j.earlier_ts)
            ),
            array_agg(j.place),
            array_agg(j.vehicle_id),
            array_agg(j.ts),
            array_agg(j.kind),
            array_agg(j.energy_mwh),
            array_agg(j.register_mwh),
            array_agg(j.interval_start),
            array_agg(j.session_no),
            array_agg(j.soc_mpct),
            array_agg(j.battery_temp_mc),
            array_agg(j.is_newer AND j.kind <> 'difference' AND NOT j.is_counted),
            array_agg(telemetry.due_at(
                NOT j.is_newer
                OR (j.kind <> 'difference' AND NOT j.is_counted)
                -- a register that waits for what comes, or a reading that was taken back
                OR (j.earlier_ts IS NOT NULL AND j.earlier_kind IS DISTINCT FROM 'difference' AND j.earlier_mwh IS NULL)
                OR telemetry.is_apportioned(
                    j.energy_mwh, greatest(j.interval_start, j.earlier_ts), j.ts, store_vehicle_readings.rules
                ),
                j.ts,
                j.earlier_ts
            ))
        INTO
            v_any_implausible, v_places, v_ids, v_times, v_kinds, v_energies, v_registers, v_starts, v_sessions,
            v_socs,
            v_battery_temps,
            v_in_doubt, v_due
        FROM judged AS j;
        EXIT WHEN v_any_implausible IS NOT TRUE;

        SELECT
            array_agg(s.place ORDER BY s.vehicle_id, s.ts, s.place),
            array_agg(s.vehicle_id ORDER BY s.vehicle_id, s.ts, s.place),
            array_agg(s.ts ORDER BY s.vehicle_id, s.ts, s.place),
            array_agg(CASE WHEN s.kind = 'difference' THEN s.reported_mwh END ORDER BY s.vehicle_id, s.ts, s.place),
            array_agg(nullif(d.ts, '-infinity') ORDER BY s.vehicle_id, s.ts, s.place),
            array_agg(coalesce(d.max_power_kw, rules.max_power_kw) ORDER BY s.vehicle_id, s.ts, s.place),
            array_agg(
                telemetry.mwh(coalesce(o.tolerance_kwh, rules.tolerance_kwh)) ORDER BY s.vehicle_id, s.ts, s.place
            )
        INTO v_places, v_ids, v_times, v_differences, v_states, v_max_powers, v_tolerances
        FROM unnest(places, vehicle_ids, read_at, kinds, reported_mwh) AS s (place, vehicle_id, ts, kind, reported_mwh)
        INNER JOIN telemetry.vehicle_state AS d ON d.vehicle_id = s.vehicle_id AND telemetry.is_newer(s.ts, d.ts)
        LEFT JOIN telemetry.device_setting AS o ON o.dataset = 'vehicle_reading' AND o.device_id = s.vehicle_id;
        SELECT i.refused, i.details INTO refused, details
        FROM telemetry.implausible_readings(
            'vehicle_reading', v_places, v_ids, v_times, v_differences, v_states, v_max_powers, v_tolerances
        ) AS i;
    END LOOP;

    -- the trigger keeps states and hours, and leaves the queue to this function. Not for longer than this statement:
    -- who writes next in the transaction may be somebody else
    PERFORM set_config('wattledger.arrival', 'judged', TRUE);
    WITH stored AS (
        INSERT INTO telemetry.vehicle_reading AS r (
            vehicle_id, ts, energy_mwh, kind, register_mwh, interval_start, session_no, soc_mpct, battery_temp_mc
        )
        SELECT
            s.vehicle_id,
            s.ts,
            s.energy_mwh,
            s.kind,
            s.register_mwh,
            s.interval_start,
            s.session_no,
            s.soc_mpct,
            s.battery_temp_mc
        FROM unnest(
            v_ids, v_times, v_energies, v_kinds, v_registers, v_starts, v_sessions, v_socs, v_battery_temps
        ) AS s (vehicle_id, ts, energy_mwh, kind, register_mwh, interval_start, session_no, soc_mpct, battery_temp_mc)
        -- one lock order for all batches: no deadlock
        ORDER BY s.ts, s.vehicle_id COLLATE "C"
        ON CONFLICT ON CONSTRAINT vehicle_reading_pkey DO NOTHING
        RETURNING r.vehicle_id, r.ts
    )
    SELECT array_agg(s.vehicle_id), array_agg(s.ts) INTO stored_ids, stored_at FROM stored AS s;
    PERFORM set_config('wattledger.arrival', '', TRUE);

    -- the trigger takes the newest register for the level
    UPDATE telemetry.vehicle_state AS d
    SET level_mwh = NULL
    FROM unnest(v_ids, v_times, v_in_doubt) AS l (vehicle_id, ts, is_in_doubt)
    WHERE l.is_in_doubt AND d.vehicle_id = l.vehicle_id AND d.ts = l.ts;
    -- a new vehicle none of whose readings was stored
    DELETE FROM telemetry.vehicle_state AS d
    WHERE d.vehicle_id = ANY (vehicle_ids) AND d.ts = '-infinity';

    PERFORM telemetry.queue_to_settle(
        'vehicle_reading', array_agg(q.vehicle_id), array_agg(telemetry.utc_day(q.ts)), array_agg(q.due_at)
    )
    FROM (
        -- of what was there already nothing follows
        SELECT s.vehicle_id, s.ts, min(s.due_at) AS due_at
        FROM (
            SELECT c.vehicle_id, c.ts, c.due_at, FALSE AS is_stored
            FROM unnest(v_ids, v_times, v_due) AS c (vehicle_id, ts, due_at)
            UNION ALL
            SELECT n.vehicle_id, n.ts, NULL, TRUE
            FROM unnest(stored_ids, stored_at) AS n (vehicle_id, ts)
        ) AS s
        GROUP BY s.vehicle_id, s.ts
        HAVING bool_or(s.is_stored) AND min(s.due_at) IS NOT NULL
    ) AS q
    HAVING count(*) > 0;
END;
$$;

COMMENT ON FUNCTION telemetry.store_vehicle_readings(
    integer[], text[], timestamptz[], telemetry.reading_kind[], bigint[], timestamptz[], text[],
    integer[],
    integer[],
    telemetry.register_rules
) IS
'Takes readings within all bounds as arrays: place in what was sent, vehicle, time, kind, energy or register in milliwatt-hours, start of the interval, session, state of charge in thousandths of a percent, battery temperature in thousandths of a degree Celsius; and the row of telemetry.register_rules. Locks the vehicles'' states, judges each reading by the one before it, stores those that are not there yet, and queues what has to be settled. Returns vehicles and times of what was stored, the places of differences that cannot have flowed since the reading before, and what to fix of each.';
REVOKE ALL ON FUNCTION telemetry.store_vehicle_readings(
    integer[], text[], timestamptz[], telemetry.reading_kind[], bigint[], timestamptz[], text[],
    integer[],
    integer[],
    telemetry.register_rules
) FROM PUBLIC;
