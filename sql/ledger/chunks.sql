-- Chunks that a group of readings needs: made in turn, and none again whose readings were counted and dropped.

-- in PL/pgSQL, whose plans are kept: they run once for each group that is not in one chunk

CREATE OR REPLACE FUNCTION telemetry.hours_without_chunk(
    dataset text,
    read_at timestamptz[],
    oldest timestamptz,
    newest timestamptz
)
RETURNS timestamptz[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN ARRAY(
        SELECT h.first
        FROM (
            -- chunks start at full hours, so that an hour is in one; one that somebody cut otherwise takes the lock
            SELECT min(r.ts) AS first, max(r.ts) AS last
            FROM unnest(hours_without_chunk.read_at) AS r (ts)
            WHERE r.ts BETWEEN hours_without_chunk.oldest AND hours_without_chunk.newest
            GROUP BY telemetry.floor_hour(r.ts)
        ) AS h
        WHERE NOT telemetry.is_in_one_chunk(hours_without_chunk.dataset, h.first, h.last)
        ORDER BY h.first
    );
END;
$$;

COMMENT ON FUNCTION telemetry.hours_without_chunk(text, timestamptz[], timestamptz, timestamptz) IS
'Takes meter_reading or vehicle_reading, times of readings, and the oldest and newest times accepted. Returns the first accepted time of each hour in which accepted times lack a chunk, or are in several.';

CREATE OR REPLACE FUNCTION telemetry.has_hours(dataset text, since timestamptz, until timestamptz)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    IF has_hours.dataset LIKE 'meter%' THEN
        RETURN EXISTS (
            SELECT FROM bi.meter_energy_hourly AS h
            WHERE h.bucket >= has_hours.since AND h.bucket <= has_hours.until - INTERVAL '1 hour'
        );
    END IF;
    RETURN EXISTS (
        SELECT FROM bi.vehicle_energy_hourly AS h
        WHERE h.bucket >= has_hours.since AND h.bucket <= has_hours.until - INTERVAL '1 hour'
    );
END;
$$;

COMMENT ON FUNCTION telemetry.has_hours(text, timestamptz, timestamptz) IS
'Takes meter_reading or vehicle_reading and a window (since included, until not). Returns whether any device of its side has energy in an hour that is wholly in it.';

CREATE OR REPLACE FUNCTION telemetry.claim_chunks(
    dataset text,
    read_at timestamptz[],
    oldest timestamptz,
    newest timestamptz
)
RETURNS timestamptz[]
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF telemetry.hours_without_chunk(dataset, read_at, oldest, newest) = '{}' THEN
        RETURN ARRAY[]::timestamptz[];
    END IF;
    -- whoever makes a chunk holds this lock until commit. Taken now, before any row, it cannot close a circle: one who
    -- has it waits for rows of others, and those make no chunk
    IF dataset = 'meter_reading' THEN
        LOCK TABLE ONLY telemetry.meter_reading IN SHARE UPDATE EXCLUSIVE MODE;
    ELSE
        LOCK TABLE ONLY telemetry.vehicle_reading IN SHARE UPDATE EXCLUSIVE MODE;
    END IF;
    -- a new statement, to see the chunks that others have made meanwhile
    RETURN ARRAY(
        SELECT unnest(g.hours)
        FROM (
            SELECT h.since, h.until, array_agg(h.hour) AS hours
            FROM (
                SELECT
                    telemetry.floor_hour(w.ts) AS hour,
                    -- what is older is refused anyway, also once there is a chunk for it
                    greatest(c.since, telemetry.floor_hour(claim_chunks.oldest)) AS since,
                    c.until
                FROM unnest(
                    telemetry.hours_without_chunk(
                        claim_chunks.dataset, claim_chunks.read_at, claim_chunks.oldest, claim_chunks.newest
                    )
                ) AS w (ts)
                CROSS JOIN LATERAL telemetry.coming_chunk(claim_chunks.dataset, w.ts) AS c
                WHERE NOT telemetry.is_in_one_chunk(claim_chunks.dataset, w.ts, w.ts)
            ) AS h
            GROUP BY h.since, h.until
        ) AS g
        -- the whole chunk, since once it is there it lets in what it holds
        WHERE telemetry.has_hours(claim_chunks.dataset, g.since, g.until)
    );
END;
$$;

COMMENT ON FUNCTION telemetry.claim_chunks(text, timestamptz[], timestamptz, timestamptz) IS
'Takes meter_reading or vehicle_reading, times of readings that are about to be stored, and the oldest and newest times accepted. Where chunks are missing, waits for its turn to make them, and keeps it until this transaction ends: to be called before any row is locked or written. Returns the start of each hour whose chunk was dropped, as the rollups tell: readings of it would be counted twice.';

REVOKE ALL ON FUNCTION
    telemetry.hours_without_chunk(text, timestamptz[], timestamptz, timestamptz),
    telemetry.has_hours(text, timestamptz, timestamptz),
    telemetry.claim_chunks(text, timestamptz[], timestamptz, timestamptz)
FROM PUBLIC;
