-- Entries: what the fold of a device places in each hour beyond what was taken for its readings at arrival.

CREATE OR REPLACE FUNCTION telemetry.entries_due(folded telemetry.folded)
RETURNS SETOF telemetry.due_entry
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    WITH step AS MATERIALIZED (
        SELECT telemetry.utc_day(s.ts) AS source_day, telemetry.floor_hour(s.ts) AS hour, s.*
        FROM unnest(folded.steps) AS s
    )
    SELECT p.source_day, p.hour, p.reason, sum(p.energy_mwh)::bigint, max(p.ts)
    FROM (
        -- with its reading, so that a part of the hour has both or neither
        SELECT s.source_day, s.hour, s.verdict AS reason, s.energy_mwh - s.known_mwh AS energy_mwh, s.ts
        FROM step AS s
        UNION ALL
        SELECT s.source_day, s.hour, 'taken', -s.energy_mwh, s.ts
        FROM step AS s
        WHERE s.is_cut
        UNION ALL
        SELECT
            s.source_day,
            -- what is not kept any more cannot change: it counts in the first hour that can
            greatest(h.hour, folded.kept_since),
            'apportioned',
            telemetry.part_before(least(h.hour + INTERVAL '1 hour', s.ts), s.energy_mwh, s.since, s.ts)
            - telemetry.part_before(greatest(h.hour, s.since), s.energy_mwh, s.since, s.ts),
            greatest(h.hour, folded.kept_since)
        FROM step AS s
        CROSS JOIN LATERAL generate_series(telemetry.floor_hour(s.since), s.hour, INTERVAL '1 hour') AS h (hour)
        WHERE s.is_cut AND h.hour < s.ts
        UNION ALL
        -- what hours before that have of it counts there for good, whatever the readings after it turn out to be
        SELECT
            coalesce(c.source_day, telemetry.utc_day(folded.kept_since)),
            folded.kept_since,
            'apportioned',
            -folded.kept_carried_mwh,
            folded.kept_since
        FROM (
            -- of the reading whose interval goes across
            SELECT min(s.source_day) AS source_day
            FROM step AS s
            WHERE s.is_cut AND s.since < folded.kept_since AND s.ts >= folded.kept_since
        ) AS c
        WHERE folded.kept_carried_mwh <> 0
            AND (c.source_day IS NOT NULL OR folded.first_day <= telemetry.utc_day(folded.kept_since))
        UNION ALL
        SELECT
            telemetry.utc_day(r.happened_at),
            telemetry.floor_hour(r.happened_at),
            'correction',
            r.energy_mwh,
            r.happened_at
        FROM telemetry.standing_record AS r
        WHERE r.dataset = folded.dataset
            AND r.device_id = folded.device_id
            AND r.record = 'correction'
            AND r.happened_at >= greatest(telemetry.day_start(folded.first_day), folded.kept_since)
            AND r.happened_at < telemetry.day_start(folded.last_day + 1)
    ) AS p
    GROUP BY 1, 2, 3
    HAVING sum(p.energy_mwh) <> 0;
END;
$$;

COMMENT ON FUNCTION telemetry.entries_due(telemetry.folded) IS
'Takes what the fold of a device found. Returns what its entries above 0 must come to: the UTC day that they follow from, the start of the hour that they are of, the reason, the energy in milliwatt-hours, and where in the hour it is put.';

CREATE OR REPLACE FUNCTION telemetry.entries_posted(folded telemetry.folded)
RETURNS SETOF telemetry.due_entry
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_until timestamptz := telemetry.day_start(folded.last_day + 1);
    v_since timestamptz;
BEGIN
    SELECT greatest(folded.kept_since, least(telemetry.day_start(folded.first_day), min(d.placed_since))) INTO v_since
    FROM telemetry.settled_day AS d
    WHERE d.dataset = folded.dataset
        AND d.device_id = folded.device_id
        AND d.day BETWEEN folded.first_day AND folded.last_day
    HAVING count(*) > 0;
    IF NOT found THEN
        -- days that were never settled have none
        RETURN;
    END IF;
    IF folded.dataset = 'meter_reading' THEN
        RETURN QUERY
        SELECT r.source_day, telemetry.floor_hour(r.ts), r.reason, sum(r.energy_mwh)::bigint, max(r.ts)
        FROM telemetry.meter_reading AS r
        WHERE r.meter_id = folded.device_id
            AND r.entry > 0
            AND r.source_day BETWEEN folded.first_day AND folded.last_day
            AND r.ts >= v_since AND r.ts < v_until
        GROUP BY 1, 2, 3;
    ELSE
        RETURN QUERY
        SELECT r.source_day, telemetry.floor_hour(r.ts), r.reason, sum(r.energy_mwh)::bigint, max(r.ts)
        FROM telemetry.vehicle_reading AS r
        WHERE r.vehicle_id = folded.device_id
            AND r.entry > 0
            AND r.source_day BETWEEN folded.first_day AND folded.last_day
            AND r.ts >= v_since AND r.ts < v_until
        GROUP BY 1, 2, 3;
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.entries_posted(telemetry.folded) IS
'Takes what the fold of a device found. Returns the entries above 0 that are stored of its days, as telemetry.entries_due does.';

CREATE OR REPLACE FUNCTION telemetry.entries_missing(folded telemetry.folded)
RETURNS SETOF telemetry.due_entry
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.source_day, e.hour, e.reason, sum(e.energy_mwh)::bigint, coalesce(max(e.due_at), max(e.ts))
    FROM (
        SELECT d.source_day, d.hour, d.reason, d.energy_mwh, d.ts AS due_at, d.ts
        FROM telemetry.entries_due(folded) AS d
        UNION ALL
        SELECT p.source_day, p.hour, p.reason, -p.energy_mwh, NULL, p.ts
        FROM telemetry.entries_posted(folded) AS p
    ) AS e
    GROUP BY 1, 2, 3
    HAVING sum(e.energy_mwh) <> 0
$$;

COMMENT ON FUNCTION telemetry.entries_missing(telemetry.folded) IS
'Takes what the fold of a device found. Returns what has to be posted so that its entries come to what is due, as telemetry.entries_due does: no row where the ledger follows from the readings.';

REVOKE ALL ON FUNCTION
    telemetry.entries_due(telemetry.folded),
    telemetry.entries_posted(telemetry.folded),
    telemetry.entries_missing(telemetry.folded)
FROM PUBLIC;
