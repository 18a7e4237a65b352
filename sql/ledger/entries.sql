-- Entries: what the fold of devices places in each hour beyond what was taken for their readings at arrival.

CREATE OR REPLACE FUNCTION telemetry.entries_due(folded telemetry.folded[])
RETURNS SETOF telemetry.due_entry
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    WITH step AS MATERIALIZED (
        SELECT
            f.device_id,
            f.kept_since,
            telemetry.utc_day(s.ts) AS source_day,
            telemetry.floor_hour(s.ts) AS hour,
            s.*
        FROM unnest(entries_due.folded) AS f
        CROSS JOIN LATERAL unnest(f.steps) AS s
    )
    SELECT p.device_id, p.source_day, p.hour, p.reason, sum(p.energy_mwh)::bigint, max(p.ts)
    FROM (
        -- with its reading, so that a part of the hour has both or neither
        SELECT
            s.device_id,
            s.source_day,
            s.hour,
            CASE WHEN s.is_corrected THEN 'correction' ELSE s.verdict END AS reason,
            s.energy_mwh - s.known_mwh AS energy_mwh,
            s.ts
        FROM step AS s
        UNION ALL
        SELECT s.device_id, s.source_day, s.hour, 'taken', -s.energy_mwh, s.ts
        FROM step AS s
        WHERE s.is_cut
        UNION ALL
        SELECT
            s.device_id,
            s.source_day,
            -- what is not kept any more cannot change: it counts in the first hour that can
            greatest(h.hour, s.kept_since),
            'apportioned',
            telemetry.part_before(least(h.hour + INTERVAL '1 hour', s.ts), s.energy_mwh, s.since, s.ts)
            - telemetry.part_before(greatest(h.hour, s.since), s.energy_mwh, s.since, s.ts),
            greatest(h.hour, s.kept_since)
        FROM step AS s
        CROSS JOIN LATERAL generate_series(telemetry.floor_hour(s.since), s.hour, INTERVAL '1 hour') AS h (hour)
        WHERE s.is_cut AND h.hour < s.ts
        UNION ALL
        -- what hours before that have of it counts there for good, whatever the readings after it turn out to be
        SELECT
            f.device_id,
            coalesce(c.source_day, telemetry.utc_day(f.kept_since)),
            f.kept_since,
            'apportioned',
            -f.kept_carried_mwh,
            f.kept_since
        FROM unnest(entries_due.folded) AS f
        CROSS JOIN LATERAL (
            -- of the reading whose interval goes across
            SELECT min(s.source_day) AS source_day
            FROM step AS s
            WHERE s.device_id = f.device_id AND s.is_cut AND s.since < f.kept_since AND s.ts >= f.kept_since
        ) AS c
        WHERE f.kept_carried_mwh <> 0
            AND (c.source_day IS NOT NULL OR f.first_day <= telemetry.utc_day(f.kept_since))
        UNION ALL
        SELECT
            b.device_id,
            telemetry.utc_day(b.hour),
            b.hour,
            'booking',
            b.energy_mwh,
            b.ts
        FROM unnest(entries_due.folded) AS f
        INNER JOIN telemetry.booked_hour AS b
            ON b.dataset = f.dataset
            AND b.device_id = f.device_id
            AND b.hour >= greatest(telemetry.day_start(f.first_day), f.kept_since)
            AND b.hour < telemetry.day_start(f.last_day + 1)
    ) AS p
    GROUP BY 1, 2, 3, 4
    HAVING sum(p.energy_mwh) <> 0;
END;
$$;

COMMENT ON FUNCTION telemetry.entries_due(telemetry.folded[]) IS
'Takes what the fold of devices of one side found, each device once. Returns what their entries above 0 must come to: the device, the UTC day that they follow from, the start of the hour that they are of, the reason, the energy in milliwatt-hours, and where in the hour it is put.';

CREATE OR REPLACE FUNCTION telemetry.entries_posted(folded telemetry.folded[])
RETURNS SETOF telemetry.due_entry
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_dataset text := folded[1].dataset;
    v_device_ids text[];
    v_first_days date[];
    v_last_days date[];
    v_sinces timestamptz[];
    v_untils timestamptz[];
    v_since timestamptz;
    v_until timestamptz;
BEGIN
    SELECT
        array_agg(w.device_id), array_agg(w.first_day), array_agg(w.last_day),
        array_agg(w.since), array_agg(w.until), min(w.since), max(w.until)
    INTO v_device_ids, v_first_days, v_last_days, v_sinces, v_untils, v_since, v_until
    FROM (
        SELECT
            f.device_id,
            f.first_day,
            f.last_day,
            greatest(f.kept_since, least(telemetry.day_start(f.first_day), min(d.placed_since))) AS since,
            telemetry.day_start(f.last_day + 1) AS until
        FROM unnest(entries_posted.folded) AS f
        -- days that were never settled have none
        INNER JOIN telemetry.settled_day AS d
            ON d.dataset = f.dataset AND d.device_id = f.device_id AND d.day BETWEEN f.first_day AND f.last_day
        GROUP BY f.device_id, f.first_day, f.last_day, f.kept_since
    ) AS w;
    IF v_device_ids IS NULL THEN
        RETURN;
    END IF;
    -- of each device its own time; the time of all, known when this is planned, leaves out other chunks
    IF v_dataset = 'meter_reading' THEN
        RETURN QUERY
        SELECT p.device_id, r.source_day, r.hour, r.reason, r.energy_mwh, r.ts
        FROM unnest(v_device_ids, v_first_days, v_last_days, v_sinces, v_untils)
            AS p (device_id, first_day, last_day, since, until)
        CROSS JOIN LATERAL (
            SELECT a.source_day, telemetry.floor_hour(a.ts) AS hour, a.reason,
                sum(a.energy_mwh)::bigint AS energy_mwh, max(a.ts) AS ts
            FROM telemetry.meter_reading AS a
            WHERE a.meter_id = p.device_id
                AND a.entry > 0
                AND a.source_day BETWEEN p.first_day AND p.last_day
                AND a.ts >= p.since AND a.ts < p.until
                AND a.ts >= v_since AND a.ts < v_until
            GROUP BY 1, 2, 3
        ) AS r;
    ELSE
        RETURN QUERY
        SELECT p.device_id, r.source_day, r.hour, r.reason, r.energy_mwh, r.ts
        FROM unnest(v_device_ids, v_first_days, v_last_days, v_sinces, v_untils)
            AS p (device_id, first_day, last_day, since, until)
        CROSS JOIN LATERAL (
            SELECT a.source_day, telemetry.floor_hour(a.ts) AS hour, a.reason,
                sum(a.energy_mwh)::bigint AS energy_mwh, max(a.ts) AS ts
            FROM telemetry.vehicle_reading AS a
            WHERE a.vehicle_id = p.device_id
                AND a.entry > 0
                AND a.source_day BETWEEN p.first_day AND p.last_day
                AND a.ts >= p.since AND a.ts < p.until
                AND a.ts >= v_since AND a.ts < v_until
            GROUP BY 1, 2, 3
        ) AS r;
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.entries_posted(telemetry.folded[]) IS
'Takes what the fold of devices of one side found, each device once. Returns the entries above 0 that are stored of their days, as telemetry.entries_due does.';

CREATE OR REPLACE FUNCTION telemetry.entries_missing(folded telemetry.folded[])
RETURNS SETOF telemetry.due_entry
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT e.device_id, e.source_day, e.hour, e.reason, sum(e.energy_mwh)::bigint, coalesce(max(e.due_at), max(e.ts))
    FROM (
        SELECT d.device_id, d.source_day, d.hour, d.reason, d.energy_mwh, d.ts AS due_at, d.ts
        FROM telemetry.entries_due(folded) AS d
        UNION ALL
        SELECT p.device_id, p.source_day, p.hour, p.reason, -p.energy_mwh, NULL, p.ts
        FROM telemetry.entries_posted(folded) AS p
    ) AS e
    GROUP BY 1, 2, 3, 4
    HAVING sum(e.energy_mwh) <> 0
$$;

COMMENT ON FUNCTION telemetry.entries_missing(telemetry.folded[]) IS
'Takes what the fold of devices of one side found, each device once. Returns what has to be posted so that their entries come to what is due, as telemetry.entries_due does: no row where the ledger follows from the readings.';

REVOKE ALL ON FUNCTION
    telemetry.entries_due(telemetry.folded[]),
    telemetry.entries_posted(telemetry.folded[]),
    telemetry.entries_missing(telemetry.folded[])
FROM PUBLIC;
