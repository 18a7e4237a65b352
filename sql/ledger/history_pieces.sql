-- A piece of history after the other, each in a transaction of its own.

CREATE OR REPLACE FUNCTION telemetry.fold_history_of(
    import_id bigint,
    dataset text,
    device_ids text[],
    sinces timestamptz[],
    until timestamptz
)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_device record;
BEGIN
    IF device_ids = '{}' THEN
        RETURN;
    END IF;
    PERFORM telemetry.lend_history(import_id, dataset, device_ids, until);
    FOR v_device IN
        SELECT d.device_id, d.since
        FROM unnest(fold_history_of.device_ids, fold_history_of.sinces) AS d (device_id, since)
        ORDER BY d.device_id
    LOOP
        -- no hour before its first one may change
        UPDATE telemetry.dataset AS d
        SET complete_since = v_device.since
        WHERE d.dataset = fold_history_of.dataset;
        PERFORM telemetry.settle_history(dataset, v_device.device_id);
    END LOOP;
    UPDATE telemetry.dataset AS d
    SET complete_since = (SELECT min(s.since) FROM unnest(sinces) AS s (since))
    WHERE d.dataset = fold_history_of.dataset;
    PERFORM telemetry.keep_history_rollups(
        dataset, device_ids, (SELECT min(s.since) FROM unnest(sinces) AS s (since)), until
    );
END;
$$;

COMMENT ON FUNCTION telemetry.fold_history_of(bigint, text, text[], timestamptz[], timestamptz) IS
'Puts staged readings of one side among the raw ones, settles them, and brings hours and days up to date. Takes the import, meter_reading or vehicle_reading, devices, the first midnight in UTC of each, and that at which history ends. Returns nothing; telemetry.dataset is left as if nothing had been dropped since the first of these.';

CREATE OR REPLACE FUNCTION telemetry.fold_history_piece(
    import_id bigint,
    most bigint DEFAULT 20000,
    OUT devices integer,
    OUT readings bigint
)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_piece record;
    v_meter_bound timestamptz;
    v_vehicle_bound timestamptz;
    v_meters text[];
    v_vehicles text[];
    v_meter_sinces timestamptz[];
    v_vehicle_sinces timestamptz[];
    v_since timestamptz;
    v_complete telemetry.dataset[];
BEGIN
    -- nothing is dropped or computed anew meanwhile, and nobody keeps charging
    PERFORM pg_advisory_xact_lock(hashtextextended('telemetry.drop_next', 0));
    PERFORM pg_advisory_xact_lock(hashtextextended('telemetry.settle_charging', 0));
    PERFORM telemetry.check_history_open(import_id);
    SELECT p.* INTO v_piece FROM telemetry.history_piece(import_id, most) AS p;
    devices := cardinality(v_piece.meters) + cardinality(v_piece.vehicles);
    readings := v_piece.readings;
    IF devices = 0 THEN
        RETURN;
    END IF;
    -- it makes chunks: see telemetry.claim_chunks
    LOCK TABLE ONLY telemetry.meter_reading, ONLY telemetry.vehicle_reading IN SHARE UPDATE EXCLUSIVE MODE;
    v_meter_bound := telemetry.history_bound('meter_reading');
    v_vehicle_bound := telemetry.history_bound('vehicle_reading');
    SELECT array_agg(d) INTO v_complete FROM telemetry.dataset AS d WHERE d.dataset LIKE '%reading';
    IF telemetry.has_chunk('meter_reading', telemetry.earliest(), telemetry.floor_day(v_meter_bound))
        OR telemetry.has_chunk('vehicle_reading', telemetry.earliest(), telemetry.floor_day(v_vehicle_bound))
    THEN
        RAISE EXCEPTION 'raw readings are still there of a time that was dropped'
            USING ERRCODE = 'WL070', HINT = 'CALL ops.maintain() drops them, or says why it cannot.';
    END IF;

    WITH looked_at AS (
        UPDATE telemetry.history_device AS h
        SET refused_because = s.refused_because
        FROM (
            SELECT 'meter_reading' AS dataset, unnest(v_piece.meters) AS device_id, v_meter_bound AS bound
            UNION ALL
            SELECT 'vehicle_reading', unnest(v_piece.vehicles), v_vehicle_bound
        ) AS d
        CROSS JOIN LATERAL telemetry.history_since(fold_history_piece.import_id, d.dataset, d.device_id, d.bound) AS s
        WHERE h.import_id = fold_history_piece.import_id AND h.dataset = d.dataset AND h.device_id = d.device_id
        RETURNING h.dataset, h.device_id, s.since, s.refused_because
    )
    SELECT
        coalesce(array_agg(l.device_id) FILTER (WHERE l.dataset = 'meter_reading'), '{}'),
        coalesce(array_agg(l.since) FILTER (WHERE l.dataset = 'meter_reading'), '{}'),
        coalesce(array_agg(l.device_id) FILTER (WHERE l.dataset = 'vehicle_reading'), '{}'),
        coalesce(array_agg(l.since) FILTER (WHERE l.dataset = 'vehicle_reading'), '{}'),
        min(l.since)
    INTO v_meters, v_meter_sinces, v_vehicles, v_vehicle_sinces, v_since
    FROM looked_at AS l
    WHERE l.refused_because IS NULL;

    IF v_since IS NOT NULL THEN
        -- charging looks at both sides, and begins an hour after what is complete
        UPDATE telemetry.dataset AS d
        SET complete_since = v_since - INTERVAL '2 hours'
        WHERE d.dataset LIKE '%reading';
        PERFORM telemetry.fold_history_of(
            import_id, 'meter_reading', v_meters, v_meter_sinces, telemetry.floor_day(v_meter_bound)
        );
        PERFORM telemetry.fold_history_of(
            import_id, 'vehicle_reading', v_vehicles, v_vehicle_sinces, telemetry.floor_day(v_vehicle_bound)
        );
        PERFORM telemetry.prove_history('meter_reading', v_meters, v_since, telemetry.floor_day(v_meter_bound));
        PERFORM telemetry.prove_history('vehicle_reading', v_vehicles, v_since, telemetry.floor_day(v_vehicle_bound));
        UPDATE telemetry.dataset AS d
        SET complete_since = v_since - INTERVAL '2 hours'
        WHERE d.dataset LIKE '%reading';
        PERFORM telemetry.keep_history_charging(
            v_meters, v_vehicles, v_since, greatest(v_meter_bound, v_vehicle_bound)
        );
        PERFORM public.drop_chunks('telemetry.meter_reading', older_than => telemetry.floor_day(v_meter_bound));
        PERFORM public.drop_chunks('telemetry.vehicle_reading', older_than => telemetry.floor_day(v_vehicle_bound));
        UPDATE telemetry.dataset AS d
        SET complete_since = c.complete_since
        FROM unnest(v_complete) AS c
        WHERE c.dataset = d.dataset;
    END IF;
    UPDATE telemetry.history_device AS h
    SET folded_at = now()
    WHERE h.import_id = fold_history_piece.import_id
        AND (
            (h.dataset = 'meter_reading' AND h.device_id = ANY (v_meters))
            OR (h.dataset = 'vehicle_reading' AND h.device_id = ANY (v_vehicles))
        );
    DELETE FROM telemetry.staged_reading AS r
    WHERE r.import_id = fold_history_piece.import_id
        AND (
            (r.dataset = 'meter_reading' AND r.device_id = ANY (v_piece.meters))
            OR (r.dataset = 'vehicle_reading' AND r.device_id = ANY (v_piece.vehicles))
        );
END;
$$;

COMMENT ON FUNCTION telemetry.fold_history_piece(bigint, bigint) IS
'Folds what is staged of some devices of an import, or refuses them where energy is known of that time. Takes the import, and how many readings are enough. Returns how many devices were looked at (0: none is left), and how many readings of them were staged. Raises WL070 where the import is not open, or raw readings are still there of the time that was dropped.';

REVOKE ALL ON FUNCTION
    telemetry.fold_history_of(bigint, text, text[], timestamptz[], timestamptz),
    telemetry.fold_history_piece(bigint, bigint)
FROM PUBLIC;

CREATE OR REPLACE PROCEDURE telemetry.show_all_history()
LANGUAGE plpgsql
AS $$
DECLARE
    v_dataset text;
    v_until timestamptz;
BEGIN
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    CALL telemetry.take_turn('ops.fold_history');
    FOREACH v_dataset IN ARRAY ARRAY['meter_reading', 'vehicle_reading'] LOOP
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        v_until := telemetry.floor_day(telemetry.history_bound(v_dataset));
        CALL telemetry.show_history(v_dataset, telemetry.earliest(), v_until);
    END LOOP;
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    PERFORM telemetry.end_turn();
    COMMIT;
END;
$$;

COMMENT ON PROCEDURE telemetry.show_all_history () IS
'Has hours and days of history seen, on an edition that has to be told. Takes nothing. It commits as it goes.';

CREATE OR REPLACE PROCEDURE telemetry.fold_all_history(import_id bigint)
LANGUAGE plpgsql
AS $$
DECLARE
    v_done record;
    v_readings bigint := 0::bigint;
    v_is_first boolean;
    v_tell_at timestamptz := clock_timestamp();
BEGIN
    LOOP
        -- transactions of its own, so that it cannot pin its path: see ops.maintain
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        SELECT p.devices, p.readings INTO v_done FROM telemetry.fold_history_piece(import_id) AS p;
        COMMIT;
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        EXIT WHEN v_done.devices = 0;
        v_is_first := v_readings = 0;
        v_readings := v_readings + v_done.readings;
        IF clock_timestamp() > v_tell_at THEN
            RAISE NOTICE 'folded % readings of history', v_readings;
            v_tell_at := clock_timestamp() + INTERVAL '5 seconds';
        END IF;
        IF v_is_first THEN
            CALL telemetry.show_all_history();
        END IF;
    END LOOP;
    IF v_readings > 0 THEN
        CALL telemetry.show_all_history();
    END IF;
END;
$$;

COMMENT ON PROCEDURE telemetry.fold_all_history (bigint) IS
'Does the work of ops.fold_history, called as the owner with a path that is pinned.';
REVOKE ALL ON PROCEDURE telemetry.show_all_history() FROM PUBLIC;
REVOKE ALL ON PROCEDURE telemetry.fold_all_history(bigint) FROM PUBLIC;
