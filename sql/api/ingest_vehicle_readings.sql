-- Ingestion of vehicle readings: each is stored once, and every vehicle's latest state is kept with it.

CREATE OR REPLACE FUNCTION api.ingest_vehicle_readings(
    vehicle_ids text[],
    read_at timestamptz[],
    kinds text[],
    energies_kwh double precision[],
    interval_starts timestamptz[],
    session_ids text[],
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
    v_first timestamptz;
    v_last timestamptz;
    v_is_usual boolean;
    v_dropped_hours timestamptz[] := ARRAY[]::timestamptz[];
    v_stored_ids text[];
    v_stored_ts timestamptz[];
    v_stored integer;
    v_refused integer[];
    v_details text[];
    v_reported integer := 0;
BEGIN
    -- unnest pads the shorter array with NULLs, which would look like a device's fault
    IF (v_sent = ALL (ARRAY[
        cardinality(read_at),
        coalesce(cardinality(kinds), v_sent),
        cardinality(energies_kwh),
        coalesce(cardinality(interval_starts), v_sent),
        coalesce(cardinality(session_ids), v_sent),
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

    SELECT min(s.ts), max(s.ts) INTO v_first, v_last FROM unnest(read_at) AS s (ts);
    v_is_usual := v_first >= v_accepted.oldest AND v_last <= v_accepted.newest;
    IF (v_is_usual AND telemetry.is_in_one_chunk('vehicle_reading', v_first, v_last)) IS NOT TRUE THEN
        v_dropped_hours := telemetry.claim_chunks('vehicle_reading', read_at, v_accepted.oldest, v_accepted.newest);
    END IF;

    -- the usual group: every reading is good, and newer than its vehicle's state, so that none can be stored already
    IF v_is_usual AND v_dropped_hours = '{}' THEN
        BEGIN
            IF telemetry.store_vehicle_readings_in_order(
                vehicle_ids, read_at, kinds, energies_kwh, interval_starts, session_ids,
                socs_percent,
                battery_temps_c,
                v_accepted, v_last
            ) THEN
                RETURN;
            END IF;
        EXCEPTION WHEN SQLSTATE 'WL054' OR unique_violation OR check_violation OR invalid_text_representation THEN
            NULL;  -- a vehicle is new or twice in it, a reading late or malformed: a closer look is needed
        END;
    END IF;

    SELECT a.stored_ids, a.stored_at, a.refused, a.details
    INTO v_stored_ids, v_stored_ts, v_refused, v_details
    FROM (
        SELECT
            array_agg(s.place::integer) AS places,
            array_agg(s.vehicle_id) AS ids,
            array_agg(s.ts) AS times,
            array_agg(telemetry.kind_named(s.kind)) AS kinds,
            array_agg(telemetry.mwh(s.energy_kwh)) AS reported,
            array_agg(s.interval_start) AS starts,
            array_agg(s.session_id) AS sessions,
            array_agg(telemetry.thousandths(s.soc_percent, v_accepted.soc)) AS socs,
            array_agg(telemetry.thousandths(s.battery_temp_c, v_accepted.battery_temp)) AS battery_temps
        FROM unnest(
            vehicle_ids, read_at, kinds, energies_kwh, interval_starts, session_ids, socs_percent, battery_temps_c
        ) WITH ORDINALITY AS s (
            vehicle_id, ts, kind, energy_kwh, interval_start, session_id, soc_percent, battery_temp_c, place
        )
        WHERE telemetry.reading_fault(
            s.vehicle_id, s.ts, s.kind, s.energy_kwh, s.interval_start, s.session_id,
            v_accepted.oldest, v_accepted.newest, v_dropped_hours
        ) IS NULL
            AND telemetry.is_in_range(s.energy_kwh, telemetry.bounds_of(s.kind, v_accepted.energy, v_accepted.register))
            AND telemetry.is_storable(s.soc_percent, v_accepted.soc)
            AND telemetry.is_storable(s.battery_temp_c, v_accepted.battery_temp)
    ) AS g
    CROSS JOIN LATERAL telemetry.store_vehicle_readings(
        g.places, g.ids, g.times, g.kinds, g.reported, g.starts, g.sessions,
        g.socs,
        g.battery_temps,
        v_accepted.rules
    ) AS a
    WHERE g.places IS NOT NULL;
    v_stored := coalesce(cardinality(v_stored_ids), 0);

    IF v_stored > 0 THEN
        PERFORM telemetry.count_discarded(d.bounds, v_stored_ids, v_stored_ts, vehicle_ids, read_at, d.measured)
        FROM (VALUES
            (v_accepted.soc, socs_percent),
            (v_accepted.battery_temp, battery_temps_c)
        ) AS d (bounds, measured)
        WHERE EXISTS (
            SELECT FROM unnest(d.measured) AS m (value) WHERE telemetry.is_in_range(m.value, d.bounds) IS FALSE
        );
    END IF;

    IF v_stored < v_sent THEN
        -- a new statement, to see what another transaction committed while the one above waited for its key
        RETURN QUERY
        WITH sent AS (
            SELECT
                s.*,
                telemetry.reading_fault(
                    s.vehicle_id, s.ts, s.kind, s.energy_kwh, s.interval_start, s.session_id,
                    v_accepted.oldest, v_accepted.newest, v_dropped_hours
                ) AS fault,
                coalesce(
                    nullif(concat_ws(
                        '; ',
                        telemetry.range_fault(
                            CASE WHEN s.kind <> 'difference' THEN 'register in kWh' ELSE 'energy in kWh' END,
                            s.energy_kwh,
                            telemetry.bounds_of(s.kind, v_accepted.energy, v_accepted.register)
                        ),
                        telemetry.range_fault('state of charge in percent', s.soc_percent, v_accepted.soc),
                        telemetry.range_fault('battery temperature in °C', s.battery_temp_c, v_accepted.battery_temp)
                    ), ''),
                    i.detail
                ) AS range_fault
            FROM unnest(
                vehicle_ids, read_at, kinds, energies_kwh, interval_starts, session_ids, socs_percent, battery_temps_c
            ) WITH ORDINALITY AS s (
                vehicle_id, ts, kind, energy_kwh, interval_start, session_id, soc_percent, battery_temp_c, place
            )
            LEFT JOIN unnest(v_refused, v_details) AS i (place, detail) ON i.place = s.place
        ),
        storable AS (
            SELECT
                s.place,
                s.vehicle_id,
                s.ts,
                telemetry.kind_named(s.kind) AS kind,
                telemetry.mwh(s.energy_kwh) AS reported_mwh,
                s.interval_start,
                s.session_id,
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
            telemetry.fault_outcome(s.fault),
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
                'already recorded for this vehicle and time: ',
                telemetry.reported_text(f.kind, f.reported_mwh, f.interval_start, f.session_id),
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
                (f.kind, f.reported_mwh, f.interval_start, f.session_id, f.soc_mpct, f.battery_temp_mc) IS NOT DISTINCT FROM
                (s.kind, s.reported_mwh, s.interval_start, s.session_id, s.soc_mpct, s.battery_temp_mc) AS same
        ) AS c
        ORDER BY 1;
        GET DIAGNOSTICS v_reported = ROW_COUNT;
    END IF;
    PERFORM telemetry.check_accounted(v_sent, v_stored, v_reported);
END;
$$;

COMMENT ON FUNCTION api.ingest_vehicle_readings(
    text[], timestamptz[], text[], double precision[], timestamptz[], text[],
    double precision[],
    double precision[]
) IS
'Takes vehicle readings as arrays with one element per reading: vehicle id; reading time; kind (difference, lifetime_register or session_counter; NULL: difference); DC energy in kWh, since the previous reading or as the register shows it; of a difference, since when it flowed, or NULL; the id of the charging session, or NULL; state of charge in percent or NULL; battery temperature in °C or NULL. Kinds, starts and sessions may be NULL as a whole. Stores each once, to the milliwatt-hour, moves the vehicle''s state forward, and queues what has to be settled. A measurement outside its bounds is stored as NULL and counted where telemetry.limits says so. Returns a row for each reading that was not newly stored: its zero-based index, the outcome (duplicate, conflict, future, too_old, out_of_range or malformed) and, unless duplicate, a sentence that says what to fix. No row: all stored. Raises WL001 where the arrays differ in length, WL050 where telemetry.limits, rules, register_rules or dataset lacks a row that is needed, WL051 where not every reading is either stored or returned, WL052 in a transaction that is not READ COMMITTED; then nothing is stored.';

REVOKE ALL ON FUNCTION api.ingest_vehicle_readings(
    text[], timestamptz[], text[], double precision[], timestamptz[], text[],
    double precision[],
    double precision[]
) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.ingest_vehicle_readings(
    text[], timestamptz[], text[], double precision[], timestamptz[], text[],
    double precision[],
    double precision[]
) TO wattledger_service;
