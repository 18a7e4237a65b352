-- What stays of history beside hours, days and anchors: proof that the hours hold it, and charging.

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
    SELECT prove_history.dataset, e.day, coalesce(h.device_hours, 0), e.samples, e.energy_mwh, now()
    FROM (
        SELECT m.bucket AS day, sum(m.samples)::bigint AS samples, sum(m.energy_mwh)::bigint AS energy_mwh
        FROM bi.meter_energy_daily AS m
        WHERE prove_history.dataset = 'meter_reading'
            AND m.meter_id = ANY (prove_history.device_ids)
            AND m.bucket >= prove_history.since AND m.bucket < prove_history.until
        GROUP BY 1
        UNION ALL
        SELECT v.bucket, sum(v.samples)::bigint, sum(v.energy_mwh)::bigint
        FROM bi.vehicle_energy_daily AS v
        WHERE prove_history.dataset = 'vehicle_reading'
            AND v.vehicle_id = ANY (prove_history.device_ids)
            AND v.bucket >= prove_history.since AND v.bucket < prove_history.until
        GROUP BY 1
    ) AS e
    LEFT JOIN (
        SELECT telemetry.floor_day(m.bucket) AS day, count(*) AS device_hours
        FROM bi.meter_energy_hourly AS m
        WHERE prove_history.dataset = 'meter_reading'
            AND m.meter_id = ANY (prove_history.device_ids)
            AND m.bucket >= prove_history.since AND m.bucket < prove_history.until
        GROUP BY 1
        UNION ALL
        SELECT telemetry.floor_day(v.bucket), count(*)
        FROM bi.vehicle_energy_hourly AS v
        WHERE prove_history.dataset = 'vehicle_reading'
            AND v.vehicle_id = ANY (prove_history.device_ids)
            AND v.bucket >= prove_history.since AND v.bucket < prove_history.until
        GROUP BY 1
    ) AS h ON h.day = e.day
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

REVOKE ALL ON FUNCTION
    telemetry.prove_history(text, text[], timestamptz, timestamptz),
    telemetry.keep_history_charging(text[], text[], timestamptz, timestamptz)
FROM PUBLIC;
