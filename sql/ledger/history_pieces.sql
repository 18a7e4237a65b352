-- A piece of history after the other, each in a transaction of its own.

CREATE OR REPLACE FUNCTION telemetry.prove_history(
    dataset text,
    device_ids text[],
    since timestamptz,
    until timestamptz
)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    INSERT INTO telemetry.proven_energy AS p (dataset, day, device_hours, samples, energy_mwh, proven_at)
    SELECT
        prove_history.dataset,
        e.day,
        e.device_hours,
        e.samples,
        e.energy_mwh,
        now()
    FROM (
        SELECT
            telemetry.floor_day(h.bucket) AS day,
            count(*) AS device_hours,
            sum(h.samples)::bigint AS samples,
            sum(h.energy_mwh)::bigint AS energy_mwh
        FROM (
            SELECT m.bucket, m.samples, m.energy_mwh
            FROM bi.meter_energy_hourly AS m
            WHERE prove_history.dataset = 'meter_reading'
                AND m.meter_id = ANY (prove_history.device_ids)
                AND m.bucket >= prove_history.since AND m.bucket < prove_history.until
            UNION ALL
            SELECT v.bucket, v.samples, v.energy_mwh
            FROM bi.vehicle_energy_hourly AS v
            WHERE prove_history.dataset = 'vehicle_reading'
                AND v.vehicle_id = ANY (prove_history.device_ids)
                AND v.bucket >= prove_history.since AND v.bucket < prove_history.until
        ) AS h
        GROUP BY 1
    ) AS e
    -- of a day whose readings others dropped unproven nothing is known
    WHERE EXISTS (
        SELECT FROM telemetry.proven_energy AS k WHERE k.dataset = prove_history.dataset AND k.day = e.day
    )
    OR CASE prove_history.dataset
        WHEN 'meter_reading' THEN NOT EXISTS (
            SELECT FROM bi.meter_energy_daily AS o
            WHERE o.bucket = e.day AND o.meter_id <> ALL (prove_history.device_ids)
        )
        ELSE NOT EXISTS (
            SELECT FROM bi.vehicle_energy_daily AS o
            WHERE o.bucket = e.day AND o.vehicle_id <> ALL (prove_history.device_ids)
        )
    END
    ON CONFLICT ON CONSTRAINT proven_energy_pkey DO UPDATE SET
        device_hours = p.device_hours + excluded.device_hours,
        samples = p.samples + excluded.samples,
        energy_mwh = p.energy_mwh + excluded.energy_mwh,
        proven_at = excluded.proven_at;
END;
$$;

COMMENT ON FUNCTION telemetry.prove_history(text, text[], timestamptz, timestamptz) IS
'Notes in telemetry.proven_energy what the hours of devices hold of history. Takes meter_reading or vehicle_reading, the devices, and the window of whole UTC days (since included, until not). Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.keep_history_charging(
    meters text[],
    vehicles text[],
    since timestamptz,
    bound timestamptz
)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    -- what is kept of charging shortly after the bound began before it, perhaps
    v_until timestamptz := least(bound + INTERVAL '48 hours', telemetry.ceiling_hour(now()));
    v_meter record;
    v_device record;
    v_stays boolean := FALSE;
BEGIN
    FOR v_meter IN
        SELECT
            m.meter_id,
            (
                SELECT max(p.hour) + INTERVAL '1 hour'
                FROM telemetry.charging_part AS p
                WHERE p.meter_id = m.meter_id AND p.hour >= keep_history_charging.since AND p.hour < bound
            ) AS kept_until,
            least(
                telemetry.oldest_item('meter_reading', m.meter_id, keep_history_charging.since),
                (
                    SELECT min(telemetry.oldest_item(
                        'vehicle_reading', l.vehicle_id, greatest(keep_history_charging.since, lower(l.during))
                    ))
                    FROM telemetry.charging_link AS l
                    WHERE l.meter_id = m.meter_id
                )
            ) AS oldest
        FROM (
            SELECT unnest(meters) AS meter_id
            UNION
            SELECT l.meter_id FROM telemetry.charging_link AS l WHERE l.vehicle_id = ANY (vehicles)
        ) AS m
        ORDER BY m.meter_id
    LOOP
        IF v_meter.oldest < v_meter.kept_until THEN
            v_stays := TRUE;
            RAISE NOTICE 'charging at % until % stays as it is: readings that it was kept by are gone',
                v_meter.meter_id, telemetry.utc_text(v_meter.kept_until);
        ELSIF v_meter.oldest < bound THEN
            PERFORM telemetry.keep_charging(
                v_meter.meter_id,
                -- the first reading explains the end of the hour before it
                greatest(telemetry.floor_hour(v_meter.oldest) - INTERVAL '1 hour', v_meter.kept_until, since),
                v_until
            );
        END IF;
    END LOOP;
    DELETE FROM telemetry.charging_queue AS q
    WHERE q.day < telemetry.utc_day(bound)
        AND (
            (q.dataset = 'meter_reading' AND q.device_id = ANY (meters))
            OR (q.dataset = 'vehicle_reading' AND q.device_id = ANY (vehicles))
        );
    IF v_stays THEN
        RETURN;
    END IF;
    -- what is queued of kept days may follow from what flowed before them, which is known now alone
    FOR v_device IN
        SELECT d.dataset, d.device_id
        FROM (
            SELECT 'meter_reading' AS dataset, unnest(meters) AS device_id
            UNION ALL
            SELECT 'vehicle_reading', unnest(vehicles)
        ) AS d
        WHERE telemetry.newest_reading(d.dataset, d.device_id) >= bound
        ORDER BY d.dataset, d.device_id
    LOOP
        PERFORM telemetry.keep_device(v_device.dataset, v_device.device_id);
    END LOOP;
END;
$$;

COMMENT ON FUNCTION telemetry.keep_history_charging(text[], text[], timestamptz, timestamptz) IS
'Keeps charging at meters, and at those that vehicles were linked to, of history that stands among the raw readings. Takes meters, vehicles, the first hour that may change, and the moment from which on raw readings are kept. Where it is kept of that time already, it stays, which a notice tells. Returns nothing.';

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
    telemetry.prove_history(text, text[], timestamptz, timestamptz),
    telemetry.keep_history_charging(text[], text[], timestamptz, timestamptz),
    telemetry.fold_history_of(bigint, text, text[], timestamptz[], timestamptz),
    telemetry.fold_history_piece(bigint, bigint)
FROM PUBLIC;
