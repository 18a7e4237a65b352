-- Ingestion of meter readings: each is stored once; a trigger keeps every meter's latest state (sql/edition).

CREATE OR REPLACE FUNCTION api.ingest_meter_readings(
    meter_ids text[],
    read_at timestamptz[],
    energies_kwh double precision[],
    voltages_v double precision[]
)
RETURNS TABLE (reading_index integer, outcome text, detail text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_sent integer := cardinality(meter_ids);
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
        cardinality(voltages_v)
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
    LOCK TABLE ONLY telemetry.meter_reading IN ROW EXCLUSIVE MODE;

    v_accepted := telemetry.acceptance('meter_reading');

    -- the usual group: every reading is good, and newer than its meter's state, so that none can be stored already
    SELECT
        bool_and((
            telemetry.reading_fault(s.meter_id, s.ts, s.energy_kwh, v_accepted.oldest, v_accepted.newest, '{}') IS NULL
            AND telemetry.is_in_range(s.energy_kwh, v_accepted.energy)
            AND telemetry.is_storable(s.voltage_v, v_accepted.voltage)
            -- a look by key for each, whatever the planner thinks of the group's size
            AND telemetry.is_newer(s.ts, (
                SELECT d.ts
                FROM telemetry.meter_state AS d
                WHERE d.meter_id = s.meter_id
            ))
        ) IS TRUE),
        bool_or(
            telemetry.is_in_range(s.voltage_v, v_accepted.voltage) IS FALSE
        ),
        min(s.ts) FILTER (WHERE s.ts BETWEEN v_accepted.oldest AND v_accepted.newest),
        max(s.ts) FILTER (WHERE s.ts BETWEEN v_accepted.oldest AND v_accepted.newest)
    INTO v_all_new, v_discards, v_first, v_last
    FROM unnest(meter_ids, read_at, energies_kwh, voltages_v) AS s (meter_id, ts, energy_kwh, voltage_v);

    IF v_first IS NOT NULL AND NOT telemetry.is_in_one_chunk('meter_reading', v_first, v_last) THEN
        v_dropped_hours := telemetry.claim_chunks('meter_reading', read_at, v_accepted.oldest, v_accepted.newest);
    END IF;

    IF v_all_new AND v_dropped_hours = '{}' THEN
        BEGIN
            INSERT INTO telemetry.meter_reading (meter_id, ts, energy_mwh, voltage_mv)
            SELECT
                s.meter_id,
                s.ts,
                telemetry.mwh(s.energy_kwh),
                telemetry.thousandths(s.voltage_v, v_accepted.voltage)
            FROM unnest(meter_ids, read_at, energies_kwh, voltages_v) AS s (meter_id, ts, energy_kwh, voltage_v)
            ORDER BY s.ts, s.meter_id COLLATE "C";
            GET DIAGNOSTICS v_stored = ROW_COUNT;
            v_stored_ids := meter_ids;
            v_stored_ts := read_at;
        EXCEPTION WHEN unique_violation THEN
            NULL;  -- twice in this group, or stored by another one meanwhile: a closer look is needed
        END;
    END IF;

    IF v_stored IS NULL THEN
        WITH stored AS (
            INSERT INTO telemetry.meter_reading AS r (meter_id, ts, energy_mwh, voltage_mv)
            SELECT
                s.meter_id,
                s.ts,
                telemetry.mwh(s.energy_kwh),
                telemetry.thousandths(s.voltage_v, v_accepted.voltage)
            FROM unnest(meter_ids, read_at, energies_kwh, voltages_v)
                WITH ORDINALITY AS s (meter_id, ts, energy_kwh, voltage_v, place)
            WHERE telemetry.reading_fault(
                s.meter_id, s.ts, s.energy_kwh, v_accepted.oldest, v_accepted.newest, v_dropped_hours
            ) IS NULL
                AND telemetry.is_in_range(s.energy_kwh, v_accepted.energy)
                AND telemetry.is_storable(s.voltage_v, v_accepted.voltage)
            -- one lock order for all batches: no deadlock
            ORDER BY s.ts, s.meter_id COLLATE "C", s.place
            ON CONFLICT ON CONSTRAINT meter_reading_pkey DO NOTHING
            RETURNING r.meter_id, r.ts
        )
        SELECT count(*)::integer, array_agg(s.meter_id), array_agg(s.ts) INTO v_stored, v_stored_ids, v_stored_ts
        FROM stored AS s;
    END IF;

    IF v_discards AND v_stored > 0 THEN
        PERFORM telemetry.count_discarded(d.bounds, v_stored_ids, v_stored_ts, meter_ids, read_at, d.measured)
        FROM (VALUES
            (v_accepted.voltage, voltages_v)
        ) AS d (bounds, measured);
    END IF;

    IF v_stored < v_sent THEN
        -- a new statement, to see what another transaction committed while the one above waited for its key
        RETURN QUERY
        WITH sent AS (
            SELECT
                s.place,
                s.meter_id,
                s.ts,
                s.energy_kwh,
                s.voltage_v,
                telemetry.reading_fault(
                    s.meter_id, s.ts, s.energy_kwh, v_accepted.oldest, v_accepted.newest, v_dropped_hours
                ) AS fault,
                nullif(concat_ws(
                    '; ',
                    telemetry.range_fault('energy in kWh', s.energy_kwh, v_accepted.energy),
                    telemetry.range_fault('voltage in V', s.voltage_v, v_accepted.voltage)
                ), '') AS range_fault
            FROM unnest(meter_ids, read_at, energies_kwh, voltages_v)
                WITH ORDINALITY AS s (meter_id, ts, energy_kwh, voltage_v, place)
        ),
        storable AS (
            SELECT
                s.place,
                s.meter_id,
                s.ts,
                telemetry.mwh(s.energy_kwh) AS energy_mwh,
                telemetry.thousandths(s.voltage_v, v_accepted.voltage) AS voltage_mv,
                row_number() OVER (PARTITION BY s.meter_id, s.ts ORDER BY s.place) AS occurrence
            FROM sent AS s
            WHERE s.fault IS NULL AND s.range_fault IS NULL
        ),
        again AS (
            SELECT s.*
            FROM storable AS s
            LEFT JOIN unnest(v_stored_ids, v_stored_ts) AS n (meter_id, ts) USING (meter_id, ts)
            WHERE n.meter_id IS NULL OR s.occurrence > 1
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
                'already recorded for this meter and time: ', trim_scale(telemetry.kwh(f.energy_mwh)), ' kWh',
                ', ' || trim_scale(f.voltage_mv * 0.001) || ' V',
                '; the first reading stands'
            ) END
        FROM again AS s
        INNER JOIN (
            SELECT r.*
            FROM (SELECT array_agg(a.meter_id) AS ids, array_agg(a.ts) AS times FROM again AS a) AS a
            CROSS JOIN LATERAL telemetry.stored_meter_readings(a.ids, a.times) AS r
        ) AS f USING (meter_id, ts)
        CROSS JOIN LATERAL (
            SELECT
                (f.energy_mwh, f.voltage_mv) IS NOT DISTINCT FROM
                (s.energy_mwh, s.voltage_mv) AS same
        ) AS c
        ORDER BY 1;
        GET DIAGNOSTICS v_reported = ROW_COUNT;
    END IF;
    PERFORM telemetry.check_accounted(v_sent, v_stored, v_reported);
END;
$$;

COMMENT ON FUNCTION api.ingest_meter_readings(text[], timestamptz[], double precision[], double precision[]) IS
'Takes meter readings as arrays with one element per reading: meter id, reading time, AC energy in kWh since the previous reading, voltage in V or NULL. Stores each once, to the milliwatt-hour, and moves the meter''s state forward. A voltage outside its bounds is stored as NULL and counted where telemetry.limits says so. Returns a row for each reading that was not newly stored: its zero-based index, the outcome (duplicate, conflict, future, too_old, out_of_range or malformed) and, unless duplicate, a sentence that says what to fix. No row: all stored. Raises WL001 where the arrays differ in length, WL050 where telemetry.limits, rules or dataset lacks a row that is needed, WL051 where not every reading is either stored or returned, WL052 in a transaction that is not READ COMMITTED; then nothing is stored.';

REVOKE ALL ON FUNCTION api.ingest_meter_readings(text[], timestamptz[], double precision[], double precision[])
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.ingest_meter_readings(text[], timestamptz[], double precision[], double precision[])
TO wattledger_service;
