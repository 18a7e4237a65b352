-- Ingestion of vehicle readings: each is stored once; a trigger keeps every vehicle's latest state (sql/edition).

CREATE OR REPLACE FUNCTION api.ingest_vehicle_readings(
    vehicle_ids text[],
    read_at timestamptz[],
    energies_kwh double precision[],
    socs_percent double precision[],
    battery_temps_c double precision[]
)
RETURNS TABLE (reading_index integer, outcome text, detail text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_sent integer := cardinality(vehicle_ids);
    v_accepted telemetry.accepted;
    v_all_new boolean;
    v_discards boolean;
    v_first timestamptz;
    v_last timestamptz;
    v_dropped_hours timestamptz[] := ARRAY[]::timestamptz[];
    v_stored_ids text[];
    v_stored_ts timestamptz[];
    v_stored integer;
    v_reported integer := 0;
BEGIN
    -- unnest pads the shorter array with NULLs, which would look like a device's fault
    IF (v_sent = ALL (ARRAY[
        cardinality(read_at),
        cardinality(energies_kwh),
        cardinality(socs_percent),
        cardinality(battery_temps_c)
    ])) IS NOT TRUE THEN
        RAISE EXCEPTION 'arrays of readings differ in length'
            USING ERRCODE = 'WL001', HINT = 'Send one element per reading in every array.';
    END IF;

    IF v_sent = 0 THEN
        RETURN;
    END IF;
    PERFORM telemetry.commit_durably();
    PERFORM telemetry.check_isolation();
    -- taken before acceptance is read: who drops chunks moves its bound first, and then waits for who holds this lock
    LOCK TABLE ONLY telemetry.vehicle_reading IN ROW EXCLUSIVE MODE;

    v_accepted := telemetry.acceptance('vehicle_reading');

    -- the usual group: every reading is good, and newer than its vehicle's state, so that none can be stored already
    SELECT
        bool_and((
            telemetry.reading_fault(s.vehicle_id, s.ts, s.energy_kwh, v_accepted.oldest, v_accepted.newest, '{}') IS NULL
            AND telemetry.is_in_range(s.energy_kwh, v_accepted.energy)
            AND telemetry.is_storable(s.soc_percent, v_accepted.soc)
            AND telemetry.is_storable(s.battery_temp_c, v_accepted.battery_temp)
            -- a look by key for each, whatever the planner thinks of the group's size
            AND telemetry.is_newer(s.ts, (
                SELECT d.ts
                FROM telemetry.vehicle_state AS d
                WHERE d.vehicle_id = s.vehicle_id
            ))
        ) IS TRUE),
        bool_or(
            telemetry.is_in_range(s.soc_percent, v_accepted.soc) IS FALSE
            OR telemetry.is_in_range(s.battery_temp_c, v_accepted.battery_temp) IS FALSE
        ),
        min(s.ts) FILTER (WHERE s.ts BETWEEN v_accepted.oldest AND v_accepted.newest),
        max(s.ts) FILTER (WHERE s.ts BETWEEN v_accepted.oldest AND v_accepted.newest)
    INTO v_all_new, v_discards, v_first, v_last
    FROM unnest(vehicle_ids, read_at, energies_kwh, socs_percent, battery_temps_c)
        AS s (vehicle_id, ts, energy_kwh, soc_percent, battery_temp_c);

    IF v_first IS NOT NULL AND NOT telemetry.is_in_one_chunk('vehicle_reading', v_first, v_last) THEN
        v_dropped_hours := telemetry.claim_chunks('vehicle_reading', read_at, v_accepted.oldest, v_accepted.newest);
    END IF;

    IF v_all_new AND v_dropped_hours = '{}' THEN
        BEGIN
            INSERT INTO telemetry.vehicle_reading (vehicle_id, ts, energy_mwh, soc_mpct, battery_temp_mc)
            SELECT
                s.vehicle_id,
                s.ts,
                telemetry.mwh(s.energy_kwh),
                telemetry.thousandths(s.soc_percent, v_accepted.soc),
                telemetry.thousandths(s.battery_temp_c, v_accepted.battery_temp)
            FROM unnest(vehicle_ids, read_at, energies_kwh, socs_percent, battery_temps_c)
                AS s (vehicle_id, ts, energy_kwh, soc_percent, battery_temp_c)
            ORDER BY s.ts, s.vehicle_id COLLATE "C";
            GET DIAGNOSTICS v_stored = ROW_COUNT;
            v_stored_ids := vehicle_ids;
            v_stored_ts := read_at;
        EXCEPTION WHEN unique_violation THEN
            NULL;  -- twice in this group, or stored by another one meanwhile: a closer look is needed
        END;
    END IF;

    IF v_stored IS NULL THEN
        WITH stored AS (
            INSERT INTO telemetry.vehicle_reading AS r (vehicle_id, ts, energy_mwh, soc_mpct, battery_temp_mc)
            SELECT
                s.vehicle_id,
                s.ts,
                telemetry.mwh(s.energy_kwh),
                telemetry.thousandths(s.soc_percent, v_accepted.soc),
                telemetry.thousandths(s.battery_temp_c, v_accepted.battery_temp)
            FROM unnest(vehicle_ids, read_at, energies_kwh, socs_percent, battery_temps_c)
                WITH ORDINALITY AS s (vehicle_id, ts, energy_kwh, soc_percent, battery_temp_c, place)
            WHERE telemetry.reading_fault(
                s.vehicle_id, s.ts, s.energy_kwh, v_accepted.oldest, v_accepted.newest, v_dropped_hours
            ) IS NULL
                AND telemetry.is_in_range(s.energy_kwh, v_accepted.energy)
                AND telemetry.is_storable(s.soc_percent, v_accepted.soc)
                AND telemetry.is_storable(s.battery_temp_c, v_accepted.battery_temp)
            -- one lock order for all batches: no deadlock
            ORDER BY s.ts, s.vehicle_id COLLATE "C", s.place
            ON CONFLICT ON CONSTRAINT vehicle_reading_pkey DO NOTHING
            RETURNING r.vehicle_id, r.ts
        )
        SELECT count(*)::integer, array_agg(s.vehicle_id), array_agg(s.ts) INTO v_stored, v_stored_ids, v_stored_ts
        FROM stored AS s;
    END IF;

    IF v_discards AND v_stored > 0 THEN
        PERFORM telemetry.count_discarded(d.bounds, v_stored_ids, v_stored_ts, vehicle_ids, read_at, d.measured)
        FROM (VALUES
            (v_accepted.battery_temp, battery_temps_c),
            (v_accepted.soc, socs_percent)
        ) AS d (bounds, measured);
    END IF;

    IF v_stored < v_sent THEN
        -- a new statement, to see what another transaction committed while the one above waited for its key
        RETURN QUERY
        WITH sent AS (
            SELECT
                s.place,
                s.vehicle_id,
                s.ts,
                s.energy_kwh,
                s.soc_percent,
                s.battery_temp_c,
                telemetry.reading_fault(
                    s.vehicle_id, s.ts, s.energy_kwh, v_accepted.oldest, v_accepted.newest, v_dropped_hours
                ) AS fault,
                nullif(concat_ws(
                    '; ',
                    telemetry.range_fault('energy in kWh', s.energy_kwh, v_accepted.energy),
                    telemetry.range_fault('state of charge in percent', s.soc_percent, v_accepted.soc),
                    telemetry.range_fault('battery temperature in °C', s.battery_temp_c, v_accepted.battery_temp)
                ), '') AS range_fault
            FROM unnest(vehicle_ids, read_at, energies_kwh, socs_percent, battery_temps_c)
                WITH ORDINALITY AS s (vehicle_id, ts, energy_kwh, soc_percent, battery_temp_c, place)
        ),
        storable AS (
            SELECT
                s.place,
                s.vehicle_id,
                s.ts,
                telemetry.mwh(s.energy_kwh) AS energy_mwh,
                telemetry.thousandths(s.soc_percent, v_accepted.soc) AS soc_mpct,
                telemetry.thousandths(s.battery_temp_c, v_accepted.battery_temp) AS battery_temp_mc,
                row_number() OVER (PARTITION BY s.vehicle_id, s.ts ORDER BY s.place) AS occurrence
            FROM sent AS s
            WHERE s.fault IS NULL AND s.range_fault IS NULL
        ),
        again AS (
            SELECT s.*
            FROM storable AS s
            LEFT JOIN unnest(v_stored_ids, v_stored_ts) AS n (vehicle_id, ts) USING (vehicle_id, ts)
            WHERE n.vehicle_id IS NULL OR s.occurrence > 1
        )
        SELECT
            (s.place - 1)::integer,
            CASE s.fault WHEN 'dropped' THEN 'too_old' ELSE coalesce(s.fault, 'out_of_range') END,
            coalesce(
                telemetry.reading_fault_detail(s.fault, s.ts, v_accepted.oldest, v_accepted.newest), s.range_fault
            )
        FROM sent AS s
        WHERE s.fault IS NOT NULL OR s.range_fault IS NOT NULL
        UNION ALL
        SELECT
            (s.place - 1)::integer,
            CASE WHEN c.same THEN 'duplicate' ELSE 'conflict' END,
            CASE WHEN NOT c.same THEN concat(
                'already recorded for this vehicle and time: ', trim_scale(telemetry.kwh(f.energy_mwh)), ' kWh',
                ', ' || trim_scale(f.soc_mpct * 0.001) || ' %',
                ', ' || trim_scale(f.battery_temp_mc * 0.001) || ' °C',
                '; the first reading stands'
            ) END
        FROM again AS s
        INNER JOIN (
            SELECT r.*
            FROM (SELECT array_agg(a.vehicle_id) AS ids, array_agg(a.ts) AS times FROM again AS a) AS a
            CROSS JOIN LATERAL telemetry.stored_vehicle_readings(a.ids, a.times) AS r
        ) AS f USING (vehicle_id, ts)
        CROSS JOIN LATERAL (
            SELECT
                (f.energy_mwh, f.soc_mpct, f.battery_temp_mc) IS NOT DISTINCT FROM
                (s.energy_mwh, s.soc_mpct, s.battery_temp_mc) AS same
        ) AS c
        ORDER BY 1;
        GET DIAGNOSTICS v_reported = ROW_COUNT;
    END IF;
    PERFORM telemetry.check_accounted(v_sent, v_stored, v_reported);
END;
$$;

COMMENT ON FUNCTION api.ingest_vehicle_readings(text[], timestamptz[], double precision[], double precision[], double precision[]) IS
'Takes vehicle readings as arrays with one element per reading: vehicle id, reading time, DC energy in kWh since the previous reading, state of charge in percent or NULL, battery temperature in °C or NULL. Stores each once, to the milliwatt-hour, and moves the vehicle''s state forward. A measurement beside the energy that is outside its bounds is stored as NULL and counted where telemetry.limits says so. Returns a row for each reading that was not newly stored: its zero-based index, the outcome (duplicate, conflict, future, too_old, out_of_range or malformed) and, unless duplicate, a sentence that says what to fix. No row: all stored. Raises WL001 where the arrays differ in length, WL050 where telemetry.limits, rules or dataset lacks a row that is needed, WL051 where not every reading is either stored or returned, WL052 in a transaction that is not READ COMMITTED; then nothing is stored.';

REVOKE ALL ON FUNCTION api.ingest_vehicle_readings(
    text[], timestamptz[], double precision[], double precision[], double precision[]
) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.ingest_vehicle_readings(
    text[], timestamptz[], double precision[], double precision[], double precision[]
) TO wattledger_service;
