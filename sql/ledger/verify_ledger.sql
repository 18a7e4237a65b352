-- Verification of the ledger: the fold, run dry, beside what settling posted.

CREATE OR REPLACE FUNCTION telemetry.verify_device(
    dataset text,
    device_id text,
    since timestamptz,
    until timestamptz
)
RETURNS TABLE (bucket timestamptz, stored text, computed text, verdict text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_folded telemetry.folded;
    v_due_at timestamptz;
BEGIN
    SELECT min(q.due_at) INTO v_due_at
    FROM telemetry.settle_queue AS q
    WHERE q.dataset = verify_device.dataset
        AND q.device_id = verify_device.device_id
        AND q.day <= telemetry.utc_day(verify_device.until);
    IF v_due_at > now() - INTERVAL '10 minutes' THEN
        -- what has just come is not wrong
        RETURN;
    END IF;
    v_folded := telemetry.fold(
        dataset,
        device_id,
        telemetry.utc_day(since),
        telemetry.utc_day(least(until, telemetry.newest_item(dataset, device_id)))
    );
    RETURN QUERY
    SELECT
        coalesce(d.hour, p.hour),
        p.entry::text,
        concat_ws(' ', d.entry::text, 'by ' || (
            -- the first reading of that day that puts energy into that hour, or takes it
            SELECT to_char(min(s.ts) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            FROM unnest(v_folded.steps) AS s
            WHERE telemetry.utc_day(s.ts) = coalesce(d.source_day, p.source_day)
                AND coalesce(d.hour, p.hour) BETWEEN
                CASE WHEN s.is_cut THEN telemetry.floor_hour(s.since) ELSE telemetry.floor_hour(s.ts) END
                AND s.ts
        )),
        CASE WHEN v_due_at IS NULL THEN 'differs' ELSE 'unsettled' END
    FROM (
        SELECT e.hour, e.source_day, e.reason, (e.energy_mwh, e.reason, e.source_day) AS entry
        FROM telemetry.entries_due(ARRAY[v_folded]) AS e
    ) AS d
    FULL JOIN (
        SELECT e.hour, e.source_day, e.reason, (e.energy_mwh, e.reason, e.source_day) AS entry
        FROM telemetry.entries_posted(ARRAY[v_folded]) AS e
        WHERE e.energy_mwh <> 0
    ) AS p ON p.hour = d.hour AND p.source_day = d.source_day AND p.reason = d.reason
    WHERE d.entry IS DISTINCT FROM p.entry
    UNION ALL
    SELECT
        telemetry.day_start(n.day),
        CASE WHEN s.day IS NOT NULL THEN (s.level_mwh, s.differences_mwh, s.jitters, s.read_at)::text END,
        (n.level_mwh, n.differences_mwh, n.jitters, n.read_at)::text,
        CASE WHEN v_due_at IS NULL THEN 'differs' ELSE 'unsettled' END
    FROM unnest(v_folded.days) AS n
    LEFT JOIN telemetry.settled_day AS s
        ON s.dataset = n.dataset AND s.device_id = n.device_id AND s.day = n.day
    -- the newest day goes on, and is noted when it has ended
    WHERE n.is_final AND s.is_final AND NOT telemetry.stands_alike(n, s);
END;
$$;

COMMENT ON FUNCTION telemetry.verify_device(text, text, timestamptz, timestamptz) IS
'Takes meter_reading or vehicle_reading, a device and a window. Folds the device''s readings of these UTC days and returns a row for each hour and reason whose entries are not what the fold comes to, and for each day that ended otherwise: the hour or day, what is stored and what it should be (of an entry its milliwatt-hours, reason, source day and the first reading that it may be of; of a day the level and differences in milliwatt-hours, how often the register fell within its tolerance, and the last reading), and differs, or unsettled where the device is queued; nothing where it was due within the last ten minutes.';

CREATE OR REPLACE FUNCTION telemetry.verify_ledger(since timestamptz, until timestamptz)
RETURNS TABLE (dataset text, device_id text, bucket timestamptz, stored text, computed text, verdict text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    RETURN QUERY
    SELECT replace(d.dataset, '_reading', '_ledger'), d.device_id, v.bucket, v.stored, v.computed, v.verdict
    FROM (
        SELECT DISTINCT 'meter_reading' AS dataset, m.meter_id AS device_id
        FROM bi.meter_energy_daily AS m
        WHERE m.bucket >= telemetry.floor_day(verify_ledger.since) AND m.bucket < verify_ledger.until
        UNION ALL
        SELECT DISTINCT 'vehicle_reading', v.vehicle_id
        FROM bi.vehicle_energy_daily AS v
        WHERE v.bucket >= telemetry.floor_day(verify_ledger.since) AND v.bucket < verify_ledger.until
    ) AS d
    INNER JOIN telemetry.dataset AS k ON k.dataset = d.dataset
    CROSS JOIN LATERAL telemetry.verify_device(
        d.dataset, d.device_id, greatest(verify_ledger.since, k.complete_since), verify_ledger.until
    ) AS v;
END;
$$;

COMMENT ON FUNCTION telemetry.verify_ledger(timestamptz, timestamptz) IS
'Takes a window. Returns what telemetry.verify_device does for each device that has energy in these UTC days, with meter_ledger or vehicle_ledger and the device.';

REVOKE ALL ON FUNCTION
    telemetry.verify_device(text, text, timestamptz, timestamptz),
    telemetry.verify_ledger(timestamptz, timestamptz)
FROM PUBLIC;
