-- Folding of history: staged readings become hours, days, anchors and charging as any other reading does. They stand
-- among raw readings for one transaction: settling, rollups and charging see them there as if nothing of that time had
-- been dropped, and then they are dropped with the chunk that held them.

CREATE OR REPLACE FUNCTION telemetry.history_piece(
    import_id bigint,
    most bigint,
    OUT meters text[],
    OUT vehicles text[],
    OUT readings bigint
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_next record;
    v_part record;
BEGIN
    meters := ARRAY[]::text[];
    vehicles := ARRAY[]::text[];
    readings := 0;
    FOR v_next IN
        SELECT h.dataset, h.device_id
        FROM telemetry.history_device AS h
        WHERE h.import_id = history_piece.import_id AND h.folded_at IS NULL AND h.refused_because IS NULL
        ORDER BY h.dataset, h.device_id
    LOOP
        EXIT WHEN readings >= most;
        CONTINUE WHEN v_next.device_id = ANY (
            CASE v_next.dataset WHEN 'meter_reading' THEN meters ELSE vehicles END
        );
        -- what was ever linked is matched with one another: it goes together
        WITH RECURSIVE linked (dataset, device_id) AS (
            SELECT v_next.dataset, v_next.device_id
            UNION
            SELECT h.dataset, h.device_id
            FROM linked AS k
            INNER JOIN telemetry.charging_link AS l
                ON (k.dataset = 'meter_reading' AND l.meter_id = k.device_id)
                OR (k.dataset = 'vehicle_reading' AND l.vehicle_id = k.device_id)
            INNER JOIN telemetry.history_device AS h
                ON h.import_id = history_piece.import_id
                AND h.dataset = CASE k.dataset WHEN 'meter_reading' THEN 'vehicle_reading' ELSE 'meter_reading' END
                AND h.device_id = CASE k.dataset WHEN 'meter_reading' THEN l.vehicle_id ELSE l.meter_id END
                AND h.folded_at IS NULL
                AND h.refused_because IS NULL
        )
        SELECT
            array_agg(h.device_id) FILTER (WHERE h.dataset = 'meter_reading') AS meters,
            array_agg(h.device_id) FILTER (WHERE h.dataset = 'vehicle_reading') AS vehicles,
            sum(h.readings)::bigint AS readings
        INTO v_part
        FROM linked AS k
        INNER JOIN telemetry.history_device AS h
            ON h.import_id = history_piece.import_id AND h.dataset = k.dataset AND h.device_id = k.device_id;
        meters := meters || v_part.meters;
        vehicles := vehicles || v_part.vehicles;
        readings := readings + v_part.readings;
    END LOOP;
END;
$$;

COMMENT ON FUNCTION telemetry.history_piece(bigint, bigint) IS
'Takes an import, and how many readings are enough. Returns meters and vehicles to fold next, those together that were ever linked, and how many readings of them were staged; none where nothing is left.';

CREATE OR REPLACE FUNCTION telemetry.history_since(
    import_id bigint,
    dataset text,
    device_id text,
    bound timestamptz,
    OUT since timestamptz,
    OUT refused_because text
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_known_until timestamptz := telemetry.known_until(dataset, device_id, bound);
    v_first timestamptz;
BEGIN
    SELECT telemetry.floor_day(min(least(r.interval_start, r.ts))), min(r.ts) INTO since, v_first
    FROM telemetry.staged_reading AS r
    WHERE r.import_id = history_since.import_id
        AND r.dataset = history_since.dataset
        AND r.device_id = history_since.device_id;
    IF v_first < v_known_until THEN
        refused_because := telemetry.known_text(v_known_until);
    ELSIF v_first IS NULL THEN
        refused_because := 'nothing is staged of it';
    END IF;
    -- what is known stays as it is: energy of before counts in the first hour after it
    since := greatest(since, v_known_until, telemetry.earliest());
END;
$$;

COMMENT ON FUNCTION telemetry.history_since(bigint, text, text, timestamptz) IS
'Takes an import, meter_reading or vehicle_reading, a device and the moment at which history ends. Returns the midnight in UTC from which on its hours may have energy of what is staged, and why it cannot be folded; NULL where it can.';

CREATE OR REPLACE FUNCTION telemetry.lend_history(
    import_id bigint,
    dataset text,
    device_ids text[],
    until timestamptz
)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_relation regclass := format('telemetry.%I', dataset)::regclass;
    v_interval_us bigint := (SELECT t.interval_us FROM telemetry.time_dimension(lend_history.dataset) AS t);
BEGIN
    PERFORM telemetry.number_sessions(dataset, array_agg(s.device_id), array_agg(s.session_id))
    FROM (
        SELECT r.device_id, r.session_id
        FROM telemetry.staged_reading AS r
        WHERE r.import_id = lend_history.import_id
            AND r.dataset = lend_history.dataset
            AND r.device_id = ANY (lend_history.device_ids)
            AND r.session_id IS NOT NULL
        ORDER BY r.device_id, r.ts
    ) AS s
    HAVING count(*) > 0;
    -- one chunk holds all of it, since chunks start at multiples of their length since 1970: it ends with history
    PERFORM public.set_chunk_time_interval(v_relation, telemetry.span(telemetry.us(
        lend_history.until - timestamptz '1970-01-01 00:00:00+00'
    )));
    IF dataset = 'meter_reading' THEN
        INSERT INTO telemetry.meter_reading (
            meter_id, ts, energy_mwh, kind, register_mwh, interval_start, session_no, voltage_mv
        )
        SELECT
            r.device_id,
            r.ts,
            CASE WHEN r.kind = 'difference' THEN r.reported_mwh ELSE 0 END,
            r.kind,
            CASE WHEN r.kind <> 'difference' THEN r.reported_mwh END,
            r.interval_start,
            n.session_no,
            r.voltage_mv
        FROM telemetry.staged_reading AS r
        LEFT JOIN telemetry.device_session AS n
            ON n.dataset = r.dataset AND n.device_id = r.device_id AND n.session_id = r.session_id
        WHERE r.import_id = lend_history.import_id
            AND r.dataset = lend_history.dataset
            AND r.device_id = ANY (lend_history.device_ids)
        ORDER BY r.ts, r.device_id;
    ELSE
        INSERT INTO telemetry.vehicle_reading (
            vehicle_id, ts, energy_mwh, kind, register_mwh, interval_start, session_no, soc_mpct, battery_temp_mc
        )
        SELECT
            r.device_id,
            r.ts,
            CASE WHEN r.kind = 'difference' THEN r.reported_mwh ELSE 0 END,
            r.kind,
            CASE WHEN r.kind <> 'difference' THEN r.reported_mwh END,
            r.interval_start,
            n.session_no,
            r.soc_mpct,
            r.battery_temp_mc
        FROM telemetry.staged_reading AS r
        LEFT JOIN telemetry.device_session AS n
            ON n.dataset = r.dataset AND n.device_id = r.device_id AND n.session_id = r.session_id
        WHERE r.import_id = lend_history.import_id
            AND r.dataset = lend_history.dataset
            AND r.device_id = ANY (lend_history.device_ids)
        ORDER BY r.ts, r.device_id;
    END IF;
    PERFORM public.set_chunk_time_interval(v_relation, telemetry.span(v_interval_us));
END;
$$;

COMMENT ON FUNCTION telemetry.lend_history(bigint, text, text[], timestamptz) IS
'Puts staged readings among the raw readings, in a chunk of their own, for as long as this transaction lasts. Takes the import, meter_reading or vehicle_reading, devices, and the midnight at which history ends. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.settle_history(dataset text, device_id text)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_done record;
    v_detail text;
    v_hours timestamptz[] := ARRAY[]::timestamptz[];
BEGIN
    LOOP
        BEGIN
            v_done := telemetry.settle_devices(dataset, ARRAY[device_id], TRUE, 'infinity', v_hours);
            EXIT;
        EXCEPTION WHEN SQLSTATE 'WL060' THEN
            -- of days that are kept and have none yet; it is this transaction's turn to make chunks
            GET STACKED DIAGNOSTICS v_detail = PG_EXCEPTION_DETAIL;
            v_hours := v_hours || ARRAY(
                SELECT h.hour::timestamptz FROM jsonb_array_elements_text(v_detail::jsonb -> 'hours') AS h (hour)
            );
        END;
    END LOOP;
    IF v_done.settled = '{}' THEN
        RAISE EXCEPTION 'another session settles % of %', device_id, dataset
            USING ERRCODE = 'lock_not_available';
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.settle_history(text, text) IS
'Settles a device whose staged readings stand among the raw ones. Takes meter_reading or vehicle_reading and the device. Returns nothing.';

REVOKE ALL ON FUNCTION
    telemetry.history_piece(bigint, bigint),
    telemetry.history_since(bigint, text, text, timestamptz),
    telemetry.lend_history(bigint, text, text[], timestamptz),
    telemetry.settle_history(text, text)
FROM PUBLIC;
