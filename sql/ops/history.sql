-- Imports of history: what is older than raw history keeps, staged, and folded into hours, days and anchors.

CREATE OR REPLACE FUNCTION ops.begin_history(label text, hold interval DEFAULT INTERVAL '24 hours')
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_import_id bigint;
BEGIN
    IF (length(label) BETWEEN 1 AND 200 AND hold BETWEEN INTERVAL '1 minute' AND INTERVAL '31 days') IS NOT TRUE THEN
        RAISE EXCEPTION 'an import needs a label of 1 to 200 characters, and up to 31 days'
            USING ERRCODE = 'WL070', HINT = 'Name it after its file, such as label => ''operator-2025.csv''.';
    END IF;
    -- nothing is dropped from here on
    PERFORM pg_advisory_xact_lock(hashtextextended('telemetry.drop_next', 0));
    PERFORM telemetry.set_history_bound();
    UPDATE telemetry.history_import AS i
    SET held_until = telemetry.utc_minus(now(), -begin_history.hold)
    WHERE i.label = begin_history.label AND i.ended_at IS NULL
    RETURNING i.import_id INTO v_import_id;
    IF NOT found THEN
        INSERT INTO telemetry.history_import AS i (label, held_until)
        VALUES (begin_history.label, telemetry.utc_minus(now(), -begin_history.hold))
        RETURNING i.import_id INTO v_import_id;
    END IF;
    UPDATE telemetry.dataset AS d
    SET held_until = greatest(d.held_until, telemetry.utc_minus(now(), -begin_history.hold)),
        -- what was to be dropped next stays for now
        accepted_since = least(d.accepted_since, d.complete_since)
    WHERE d.dataset IN ('meter_reading', 'vehicle_reading');
    RETURN v_import_id;
END;
$$;

COMMENT ON FUNCTION ops.begin_history(text, interval) IS
'Begins an import of readings that may be older than raw history keeps, or goes on with the open one of that label. Takes a label, and for how long to hold retention off, unless ops.end_history ends that before. Meanwhile no raw readings are dropped, and all are accepted that are not older than ops.history_bound says. Returns the import''s id. Raises WL070 where either is missing or too long.';

CREATE OR REPLACE FUNCTION ops.history_bound(dataset text)
RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT telemetry.history_bound(telemetry.known_dataset(dataset))
$$;

COMMENT ON FUNCTION ops.history_bound(text) IS
'Takes meter_reading or vehicle_reading. Returns the moment before which no raw readings are kept, which does not move while an import is open: readings before it go to ops.stage_history, readings from it on are sent as any other. Raises WL021 for an unknown dataset.';

CREATE OR REPLACE FUNCTION ops.stage_history(
    import_id bigint,
    dataset text,
    device_ids text[],
    read_at timestamptz[],
    kinds text[],
    energies_kwh double precision[],
    interval_starts timestamptz[] DEFAULT NULL,
    session_ids text[] DEFAULT NULL,
    voltages_v double precision[] DEFAULT NULL,
    socs_percent double precision[] DEFAULT NULL,
    battery_temps_c double precision[] DEFAULT NULL
)
RETURNS TABLE (reading_index integer, outcome text, detail text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_dataset text := telemetry.known_dataset(stage_history.dataset);
    v_sent integer := cardinality(device_ids);
    v_accepted telemetry.accepted;
    v_faulty bigint[];  -- places, from 1 on
    v_outcomes text[];
    v_details text[];
    v_stored_ids text[];
    v_stored_ts timestamptz[];
BEGIN
    IF (v_sent = ALL (ARRAY[
        cardinality(read_at),
        coalesce(cardinality(kinds), v_sent),
        cardinality(energies_kwh),
        coalesce(cardinality(interval_starts), v_sent),
        coalesce(cardinality(session_ids), v_sent),
        coalesce(cardinality(voltages_v), v_sent),
        coalesce(cardinality(socs_percent), v_sent),
        coalesce(cardinality(battery_temps_c), v_sent)
    ])) IS NOT TRUE THEN
        RAISE EXCEPTION 'arrays of readings differ in length'
            USING ERRCODE = 'WL001', HINT = 'Send one element per reading in every array.';
    END IF;
    PERFORM telemetry.check_history_open(import_id);
    v_accepted := telemetry.acceptance(v_dataset);

    SELECT array_agg(f.place), array_agg(f.outcome), array_agg(f.detail)
    INTO v_faulty, v_outcomes, v_details
    FROM telemetry.staged_faults(
        import_id, v_dataset, device_ids, read_at, kinds, energies_kwh, interval_starts, session_ids, voltages_v,
        socs_percent, battery_temps_c
    ) AS f;

    -- one import at a time of a device's row: who stages the same twice at once waits here
    INSERT INTO telemetry.history_device AS h (import_id, dataset, device_id)
    SELECT stage_history.import_id, v_dataset, s.device_id
    FROM unnest(device_ids) WITH ORDINALITY AS s (device_id, place)
    LEFT JOIN unnest(v_faulty) AS f (place) ON f.place = s.place
    WHERE f.place IS NULL
    GROUP BY s.device_id
    ORDER BY s.device_id COLLATE "C"
    -- one that was refused is looked at afresh
    ON CONFLICT ON CONSTRAINT history_device_pkey DO UPDATE SET refused_because = NULL, folded_at = NULL;
    WITH stored AS (
        INSERT INTO telemetry.staged_reading AS r (
            import_id, dataset, device_id, ts, reported_mwh, interval_start, kind, voltage_mv, soc_mpct,
            battery_temp_mc, session_id
        )
        -- of several of one device and time the first one counts
        SELECT DISTINCT ON (s.device_id, s.ts)
            stage_history.import_id,
            v_dataset,
            s.device_id,
            s.ts,
            telemetry.mwh(s.energy_kwh),
            s.interval_start,
            telemetry.kind_named(s.kind),
            telemetry.thousandths(s.voltage_v, v_accepted.voltage),
            telemetry.thousandths(s.soc_percent, v_accepted.soc),
            telemetry.thousandths(s.battery_temp_c, v_accepted.battery_temp),
            s.session_id
        FROM unnest(
            device_ids, read_at, kinds, energies_kwh, interval_starts, session_ids, voltages_v, socs_percent,
            battery_temps_c
        ) WITH ORDINALITY AS s (
            device_id, ts, kind, energy_kwh, interval_start, session_id, voltage_v, soc_percent, battery_temp_c, place
        )
        LEFT JOIN unnest(v_faulty) AS f (place) ON f.place = s.place
        WHERE f.place IS NULL
        ORDER BY s.device_id, s.ts, s.place
        ON CONFLICT ON CONSTRAINT staged_reading_pkey DO NOTHING
        RETURNING r.device_id, r.ts
    ),
    counted AS (
        UPDATE telemetry.history_device AS h
        SET readings = h.readings + n.readings
        FROM (SELECT s.device_id, count(*) AS readings FROM stored AS s GROUP BY s.device_id) AS n
        WHERE h.import_id = stage_history.import_id AND h.dataset = v_dataset AND h.device_id = n.device_id
    )
    SELECT array_agg(s.device_id), array_agg(s.ts) INTO v_stored_ids, v_stored_ts FROM stored AS s;

    RETURN QUERY
    SELECT (f.place - 1)::integer, f.outcome, f.detail
    FROM unnest(v_faulty, v_outcomes, v_details) AS f (place, outcome, detail)
    UNION ALL
    SELECT
        (s.place - 1)::integer,
        CASE WHEN c.same THEN 'duplicate' ELSE 'conflict' END,
        CASE WHEN NOT c.same THEN concat(
            'already staged for this device and time: ',
            telemetry.reported_text(r.kind, r.reported_mwh, r.interval_start, r.session_id),
            '; the first reading stands'
        ) END
    FROM (
        SELECT o.*, row_number() OVER (PARTITION BY o.device_id, o.ts ORDER BY o.place) AS occurrence
        FROM unnest(
            device_ids, read_at, kinds, energies_kwh, interval_starts, session_ids
        ) WITH ORDINALITY AS o (device_id, ts, kind, energy_kwh, interval_start, session_id, place)
        LEFT JOIN unnest(v_faulty) AS f (place) ON f.place = o.place
        WHERE f.place IS NULL
    ) AS s
    LEFT JOIN unnest(v_stored_ids, v_stored_ts) AS n (device_id, ts) ON n.device_id = s.device_id AND n.ts = s.ts
    INNER JOIN telemetry.staged_reading AS r
        ON r.import_id = stage_history.import_id
        AND r.dataset = v_dataset
        AND r.device_id = s.device_id
        AND r.ts = s.ts
    CROSS JOIN LATERAL (
        SELECT
            (r.kind, r.reported_mwh, r.interval_start, r.session_id) IS NOT DISTINCT FROM
            (telemetry.kind_named(s.kind), telemetry.mwh(s.energy_kwh), s.interval_start, s.session_id) AS same
    ) AS c
    WHERE n.device_id IS NULL OR s.occurrence > 1
    ORDER BY 1;
END;
$$;

COMMENT ON FUNCTION ops.stage_history(
    bigint, text, text[], timestamptz[], text[], double precision[], timestamptz[], text[], double precision[],
    double precision[], double precision[]
) IS
'Stages readings that are older than what raw history keeps, for ops.fold_history. Takes the import, meter_reading or vehicle_reading, and arrays with one element per reading, as the ingest functions do: device; time; kind (difference, lifetime_register or session_counter; NULL: difference); energy or register in kWh; of a difference, since when it flowed, or NULL; the charging session, or NULL; a meter''s voltage in V; a vehicle''s state of charge in percent and battery temperature in °C; all but the first, second and energies may be NULL as a whole. Returns a row for each reading that was not newly staged: its zero-based index, the outcome (duplicate, conflict, too_old, out_of_range or malformed; known: the device has energy after it, whose raw readings are gone; kept: raw readings of that time are kept, so it is to be sent as any other) and, unless duplicate, a sentence that says why. Raises WL001 where the arrays differ in length, WL021 for an unknown dataset, WL070 where the import is not open.';

CREATE OR REPLACE FUNCTION ops.end_history(import_id bigint)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM telemetry.check_history_open(import_id);
    DELETE FROM telemetry.staged_reading AS r WHERE r.import_id = end_history.import_id;
    DELETE FROM telemetry.history_device AS h WHERE h.import_id = end_history.import_id AND h.folded_at IS NULL;
    UPDATE telemetry.history_import AS i
    SET ended_at = now(), held_until = least(i.held_until, now())
    WHERE i.import_id = end_history.import_id;
    UPDATE telemetry.dataset AS d
    SET held_until = coalesce(
        (SELECT max(i.held_until) FROM telemetry.history_import AS i WHERE i.ended_at IS NULL), '-infinity'
    )
    WHERE d.dataset IN ('meter_reading', 'vehicle_reading');
END;
$$;

COMMENT ON FUNCTION ops.end_history(bigint) IS
'Ends an import: what is staged of it and not folded is forgotten, and raw readings are dropped again when their time has come. Takes the import. Returns nothing. Raises WL070 where it is not open.';

CREATE OR REPLACE VIEW ops.history_imports AS
SELECT
    i.import_id,
    i.label,
    i.begun_at,
    i.begun_by,
    CASE WHEN i.ended_at IS NULL THEN i.held_until END AS held_until,
    i.ended_at,
    d.devices,
    d.folded_devices,
    d.refused_devices,
    d.readings,
    d.folded_readings
FROM telemetry.history_import AS i
CROSS JOIN LATERAL (
    SELECT
        count(*) AS devices,
        count(h.folded_at) AS folded_devices,
        count(h.refused_because) AS refused_devices,
        coalesce(sum(h.readings), 0)::bigint AS readings,
        coalesce(sum(h.readings) FILTER (WHERE h.folded_at IS NOT NULL), 0)::bigint AS folded_readings
    FROM telemetry.history_device AS h
    WHERE h.import_id = i.import_id
) AS d;

COMMENT ON VIEW ops.history_imports IS 'Imports of history and how far they are, one row each.';
COMMENT ON COLUMN ops.history_imports.import_id IS 'Which import, in order.';
COMMENT ON COLUMN ops.history_imports.label IS 'What it is called.';
COMMENT ON COLUMN ops.history_imports.begun_at IS 'When it was begun.';
COMMENT ON COLUMN ops.history_imports.begun_by IS 'The login that began it.';
COMMENT ON COLUMN ops.history_imports.held_until IS
'Until when it holds retention off, unless it ends before; NULL once it has ended.';
COMMENT ON COLUMN ops.history_imports.ended_at IS 'When it was ended; NULL while it is open.';
COMMENT ON COLUMN ops.history_imports.devices IS 'How many devices have readings that were staged.';
COMMENT ON COLUMN ops.history_imports.folded_devices IS 'How many of them are folded.';
COMMENT ON COLUMN ops.history_imports.refused_devices IS 'How many were refused: ops.history_devices says why.';
COMMENT ON COLUMN ops.history_imports.readings IS 'How many readings were staged.';
COMMENT ON COLUMN ops.history_imports.folded_readings IS 'How many of them are folded.';

CREATE OR REPLACE VIEW ops.history_devices AS
SELECT
    h.import_id,
    split_part(h.dataset, '_', 1) || ':' || h.device_id AS device,
    h.readings,
    h.folded_at,
    h.refused_because
FROM telemetry.history_device AS h;

COMMENT ON VIEW ops.history_devices IS 'Devices of which history was staged, one row per import and device.';
COMMENT ON COLUMN ops.history_devices.import_id IS 'The import.';
COMMENT ON COLUMN ops.history_devices.device IS 'The device: meter: or vehicle: and its id.';
COMMENT ON COLUMN ops.history_devices.readings IS 'How many readings of it were staged.';
COMMENT ON COLUMN ops.history_devices.folded_at IS 'When they were folded; NULL: not yet, or refused.';
COMMENT ON COLUMN ops.history_devices.refused_because IS 'Why they were not; NULL where they were, or wait.';

REVOKE ALL ON ops.history_imports, ops.history_devices FROM PUBLIC;
GRANT SELECT ON ops.history_imports, ops.history_devices TO wattledger_dba;
REVOKE ALL ON FUNCTION
    ops.begin_history(text, interval),
    ops.history_bound(text),
    ops.stage_history(
        bigint, text, text[], timestamptz[], text[], double precision[], timestamptz[], text[], double precision[],
        double precision[], double precision[]
    ),
    ops.end_history(bigint)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    ops.begin_history(text, interval),
    ops.history_bound(text),
    ops.stage_history(
        bigint, text, text[], timestamptz[], text[], double precision[], timestamptz[], text[], double precision[],
        double precision[], double precision[]
    ),
    ops.end_history(bigint)
TO wattledger_dba;
