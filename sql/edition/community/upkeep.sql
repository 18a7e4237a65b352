-- State of continuous aggregates on the Community edition: what they await, what they have, who keeps them still.

CREATE OR REPLACE FUNCTION telemetry.pending_change()
RETURNS TABLE (dataset text, since_us bigint, until_us bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT d.dataset, i.lowest_modified_value, i.greatest_modified_value
    FROM telemetry.dataset_hypertable() AS d
    INNER JOIN _timescaledb_catalog.continuous_agg AS c ON c.mat_hypertable_id = d.hypertable_id
    INNER JOIN _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log AS i
        ON i.hypertable_id = c.raw_hypertable_id
    UNION ALL
    SELECT d.dataset, i.lowest_modified_value, i.greatest_modified_value
    FROM telemetry.dataset_hypertable() AS d
    INNER JOIN _timescaledb_catalog.continuous_aggs_materialization_invalidation_log AS i
        ON i.materialization_id = d.hypertable_id
$$;

COMMENT ON FUNCTION telemetry.pending_change() IS
'Takes nothing. Returns the ranges of time in which a continuous aggregate awaits a refresh: its dataset, and start and end (included) in microseconds since 1970. The time before the first and after the last refreshed bucket is among them.';

CREATE OR REPLACE FUNCTION telemetry.watermark()
RETURNS TABLE (dataset text, watermark timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT d.dataset, telemetry.from_us(w.watermark)
    FROM telemetry.dataset_hypertable() AS d
    INNER JOIN _timescaledb_catalog.continuous_aggs_watermark AS w ON w.mat_hypertable_id = d.hypertable_id
    -- before the first refresh it is the start of all time
    WHERE w.watermark > -210866803200000000
$$;

COMMENT ON FUNCTION telemetry.watermark() IS
'Takes nothing. Returns the datasets of continuous aggregates that were refreshed before, and up to when their rows are stored.';

CREATE OR REPLACE FUNCTION telemetry.is_materialized(dataset text, since timestamptz, until timestamptz)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT NOT EXISTS (
        SELECT
        FROM telemetry.pending_change() AS p
        WHERE p.dataset = is_materialized.dataset
            AND p.since_us < extract(EPOCH FROM is_materialized.until) * 1000000
            AND p.until_us >= extract(EPOCH FROM is_materialized.since) * 1000000
    )
$$;

COMMENT ON FUNCTION telemetry.is_materialized(text, timestamptz, timestamptz) IS
'Takes a continuous aggregate''s dataset and a window. Returns whether it has stored all that was committed of that time.';

CREATE OR REPLACE FUNCTION telemetry.is_refreshed(dataset text, since timestamptz, until timestamptz)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        (
            is_refreshed.dataset NOT LIKE '%reading'
            OR telemetry.is_materialized(s.side || '_energy_hourly', is_refreshed.since, is_refreshed.until)
        )
        AND (
            is_refreshed.dataset LIKE '%daily'
            OR telemetry.is_materialized(
                s.side || '_energy_daily',
                telemetry.floor_day(is_refreshed.since),
                telemetry.ceiling_day(is_refreshed.until)
            )
        )
    FROM split_part(is_refreshed.dataset, '_', 1) AS s (side)
$$;

COMMENT ON FUNCTION telemetry.is_refreshed(text, timestamptz, timestamptz) IS
'Takes a dataset and a window of whole hours. Returns whether all that is built from it has all rows of that time.';

CREATE OR REPLACE FUNCTION telemetry.lock_rollups(dataset text)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_hypertable regclass;
BEGIN
    FOR v_hypertable IN
        SELECT format('%I.%I', h.hypertable_schema, h.hypertable_name)::regclass
        FROM telemetry.dataset_hypertable() AS h
        WHERE split_part(h.dataset, '_', 1) = split_part(lock_rollups.dataset, '_', 1)
            AND h.dataset LIKE '%energy%'
        -- hours before days, as a refresh takes them
        ORDER BY h.dataset DESC
    LOOP
        PERFORM telemetry.lock_chunk(v_hypertable);
    END LOOP;
END;
$$;

COMMENT ON FUNCTION telemetry.lock_rollups(text) IS
'Keeps refreshes of all that is built from a dataset out until this transaction ends. Takes the dataset. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.has_rollups(dataset text, since timestamptz, until timestamptz)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    IF has_rollups.dataset NOT LIKE '%reading' THEN
        -- only days that were stored tell of hours that were
        until := least(until, coalesce(
            (
                SELECT w.watermark
                FROM telemetry.watermark() AS w
                WHERE w.dataset = replace(has_rollups.dataset, 'hourly', 'daily')
            ),
            '-infinity'
        ));
    END IF;
    -- days are kept longest, and show the hours that are not stored in them yet
    IF has_rollups.dataset LIKE 'meter%' THEN
        RETURN EXISTS (
            SELECT FROM bi.meter_energy_daily AS d
            WHERE d.bucket >= has_rollups.since AND d.bucket < has_rollups.until
        );
    END IF;
    RETURN EXISTS (
        SELECT FROM bi.vehicle_energy_daily AS d
        WHERE d.bucket >= has_rollups.since AND d.bucket < has_rollups.until
    );
END;
$$;

COMMENT ON FUNCTION telemetry.has_rollups(text, timestamptz, timestamptz) IS
'Takes a dataset and a window of whole UTC days (since included, until not). Returns whether any device of its side has energy in the rollups of that time.';

CREATE OR REPLACE FUNCTION telemetry.take_upkeep_step()
RETURNS TABLE (dataset text, step text, chunk text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT NULL::text, NULL::text, NULL::text WHERE FALSE
$$;

COMMENT ON FUNCTION telemetry.take_upkeep_step() IS
'Takes the next step in dropping what is kept no longer: on this edition none, since jobs do that. Takes nothing. Returns no row.';

REVOKE ALL ON FUNCTION
    telemetry.pending_change(),
    telemetry.watermark(),
    telemetry.is_materialized(text, timestamptz, timestamptz),
    telemetry.is_refreshed(text, timestamptz, timestamptz),
    telemetry.lock_rollups(text),
    telemetry.has_rollups(text, timestamptz, timestamptz),
    telemetry.take_upkeep_step()
FROM PUBLIC;
-- views of ops call them with the rights of whoever asks
GRANT EXECUTE ON FUNCTION telemetry.pending_change(), telemetry.watermark() TO wattledger_dba;

CREATE OR REPLACE VIEW ops.freshness AS
SELECT
    d.dataset,
    w.watermark,
    CASE WHEN w.watermark IS NOT NULL THEN greatest(now() - w.watermark, INTERVAL '0') END AS lag,
    l.late_changes,
    l.late_since,
    r.last_finished_at AS last_refresh_at
FROM telemetry.dataset AS d
INNER JOIN telemetry.dataset AS s ON s.dataset = telemetry.source_of(d.dataset)
LEFT JOIN telemetry.watermark() AS w ON w.dataset = d.dataset
CROSS JOIN LATERAL (
    SELECT
        count(*) AS late_changes,
        telemetry.from_us(min(p.since_us)) AS late_since
    FROM telemetry.pending_change() AS p
    WHERE p.dataset = d.dataset
        -- a drop changes nothing that could be refreshed
        AND telemetry.from_us(p.until_us) >= s.complete_since
        -- not the time before the first and after the last refreshed bucket
        AND p.since_us > -210866803200000000
        AND p.since_us < extract(EPOCH FROM w.watermark) * 1000000
) AS l
LEFT JOIN telemetry.work_done AS r ON r.dataset = d.dataset AND r.work = 'refresh'
WHERE d.dataset LIKE '%energy%';
