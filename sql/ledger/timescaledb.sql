-- Doors to TimescaleDB's own catalogue. Functions, since a view on it would stop ALTER EXTENSION timescaledb UPDATE,
-- which makes some of those relations anew.

CREATE OR REPLACE FUNCTION telemetry.from_us(us bigint)
RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE
        WHEN from_us.us <= -210866803200000000 THEN '-infinity'
        WHEN from_us.us >= 9223371331200000000 THEN 'infinity'
        ELSE timestamptz '1970-01-01 00:00:00+00' + from_us.us * INTERVAL '1 microsecond'
    END
$$;

COMMENT ON FUNCTION telemetry.from_us(bigint) IS
'Takes a moment as TimescaleDB''s catalogue has it, in microseconds since 1970. Returns it; infinite where it is beyond what PostgreSQL has.';

CREATE OR REPLACE FUNCTION telemetry.dataset_hypertable()
RETURNS TABLE (
    dataset text,
    relation regclass,
    hypertable_id integer,
    hypertable_schema text,
    hypertable_name text
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        d.dataset,
        (coalesce(c.view_schema, 'telemetry') || '.' || d.dataset)::regclass,
        h.id,
        h.schema_name::text,
        h.table_name::text
    FROM telemetry.dataset AS d
    LEFT JOIN timescaledb_information.continuous_aggregates AS c
        ON c.view_schema = 'bi' AND c.view_name = d.dataset
    INNER JOIN _timescaledb_catalog.hypertable AS h
        ON h.schema_name = coalesce(c.materialization_hypertable_schema, 'telemetry')
            AND h.table_name = coalesce(c.materialization_hypertable_name, d.dataset)
$$;

COMMENT ON FUNCTION telemetry.dataset_hypertable() IS
'Which hypertable holds a dataset. Takes nothing. Returns one row per dataset: what TimescaleDB''s functions take for it (a hypertable or a continuous aggregate), and its hypertable''s number, schema and name.';

CREATE OR REPLACE FUNCTION telemetry.timescaledb_job()
RETURNS TABLE (
    job_id integer,
    dataset text,
    application_name text,
    work text,
    proc_name text,
    every interval,
    running boolean,
    next_run_at timestamptz,
    last_run_at timestamptz,
    last_success_at timestamptz,
    last_run_status text,
    total_runs bigint,
    total_failures bigint,
    last_error text
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        j.job_id,
        coalesce(o.dataset, h.dataset),
        j.application_name::text,
        CASE WHEN o.dataset IS NOT NULL THEN j.config ->> 'work' END,
        j.proc_name::text,
        j.schedule_interval,
        coalesce(s.job_status = 'Running', FALSE),
        -- infinite while it runs, or before it first did: clients cannot read that
        nullif(j.next_start, '-infinity'),
        nullif(s.last_run_started_at, '-infinity'),
        nullif(s.last_successful_finish, '-infinity'),
        s.last_run_status::text,
        coalesce(s.total_runs, 0),
        coalesce(s.total_failures, 0),
        (
            SELECT e.err_message
            FROM timescaledb_information.job_errors AS e
            WHERE e.job_id = j.job_id
            ORDER BY e.start_time DESC
            LIMIT 1
        )
    FROM timescaledb_information.jobs AS j
    LEFT JOIN timescaledb_information.job_stats AS s ON s.job_id = j.job_id
    LEFT JOIN telemetry.dataset_hypertable() AS h
        ON h.hypertable_id = coalesce(j.config ->> 'mat_hypertable_id', j.config ->> 'hypertable_id')::integer
    LEFT JOIN telemetry.dataset AS o
        ON j.proc_schema = 'telemetry' AND j.proc_name = 'run_policy' AND o.dataset = j.config ->> 'dataset'
    -- the extension's own ones have lower numbers
    WHERE j.job_id >= 1000
$$;

COMMENT ON FUNCTION telemetry.timescaledb_job() IS
'TimescaleDB''s jobs and how they fare. Takes nothing. Returns one row per job that is not the extension''s own: its number, the dataset it works on (NULL for another relation), its name, its work (refresh, compress, retain or settle; NULL where it is none of ours), its procedure, how often it runs, whether it does so now, when it runs next (NULL while it does) and ran last, when it last succeeded, how the last run ended (NULL if it never ran), how often it ran and failed, and the last failure on record.';

CREATE OR REPLACE FUNCTION telemetry.chunks_before(dataset text, cutoff timestamptz)
RETURNS TABLE (chunk text, chunk_start timestamptz, chunk_end timestamptz, bytes bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        format('%I.%I', c.chunk_schema, c.chunk_name),
        c.range_start,
        c.range_end,
        pg_total_relation_size(format('%I.%I', c.chunk_schema, c.chunk_name))
    FROM telemetry.dataset_hypertable() AS h
    INNER JOIN timescaledb_information.chunks AS c
        ON c.hypertable_schema = h.hypertable_schema AND c.hypertable_name = h.hypertable_name
    WHERE h.dataset = chunks_before.dataset
        AND c.range_end <= CASE
            -- days are settled as a whole
            WHEN h.dataset LIKE '%reading' THEN telemetry.floor_day(chunks_before.cutoff)
            ELSE chunks_before.cutoff
        END
    ORDER BY c.range_start
$$;

COMMENT ON FUNCTION telemetry.chunks_before(text, timestamptz) IS
'Takes a dataset and a moment. Returns its chunks whose rows are all older, oldest first: name, start, end, and size in bytes.';

CREATE OR REPLACE FUNCTION telemetry.first_chunk_start(dataset text)
RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT min(c.range_start)
    FROM telemetry.dataset_hypertable() AS h
    INNER JOIN timescaledb_information.chunks AS c
        ON c.hypertable_schema = h.hypertable_schema AND c.hypertable_name = h.hypertable_name
    WHERE h.dataset = first_chunk_start.dataset
$$;

COMMENT ON FUNCTION telemetry.first_chunk_start(text) IS
'Takes a dataset. Returns when its first chunk starts; NULL where there is none.';

-- in PL/pgSQL, whose plans are kept: they are asked for each group of readings

CREATE OR REPLACE FUNCTION telemetry.time_dimension(dataset text)
RETURNS TABLE (dimension_id integer, interval_us bigint)
LANGUAGE sql STABLE
AS $$
    SELECT d.id, d.interval_length
    FROM _timescaledb_catalog.hypertable AS h
    INNER JOIN _timescaledb_catalog.dimension AS d ON d.hypertable_id = h.id
    WHERE h.schema_name = 'telemetry' AND h.table_name = time_dimension.dataset::name AND d.column_name = 'ts'
$$;

COMMENT ON FUNCTION telemetry.time_dimension(text) IS
'Takes meter_reading or vehicle_reading. Returns the number by which TimescaleDB knows how it is cut into chunks, and the length of those to come in microseconds.';

CREATE OR REPLACE FUNCTION telemetry.is_in_one_chunk(dataset text, first timestamptz, last timestamptz)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN (
        -- the chunk that starts last before both: one look into an index, however many there are
        SELECT s.range_end > (extract(EPOCH FROM is_in_one_chunk.last) * 1000000)::bigint
        FROM _timescaledb_catalog.dimension_slice AS s
        WHERE s.dimension_id = (SELECT t.dimension_id FROM telemetry.time_dimension(is_in_one_chunk.dataset) AS t)
            AND s.range_start <= (extract(EPOCH FROM is_in_one_chunk.first) * 1000000)::bigint
        ORDER BY s.range_start DESC
        LIMIT 1
    ) IS TRUE;
END;
$$;

COMMENT ON FUNCTION telemetry.is_in_one_chunk(text, timestamptz, timestamptz) IS
'Takes meter_reading or vehicle_reading and two finite moments, the earlier first. Returns whether there is a chunk that holds both, and so all between.';

CREATE OR REPLACE FUNCTION telemetry.chunk_spans(dataset text, read_at timestamptz[])
RETURNS TABLE (first timestamptz, last timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT min(r.ts), max(r.ts)
    FROM unnest(chunk_spans.read_at) AS r (ts)
    CROSS JOIN LATERAL (
        SELECT s.range_start, s.range_end
        FROM _timescaledb_catalog.dimension_slice AS s
        WHERE s.dimension_id = (SELECT t.dimension_id FROM telemetry.time_dimension(chunk_spans.dataset) AS t)
            AND s.range_start <= (extract(EPOCH FROM r.ts) * 1000000)::bigint
        ORDER BY s.range_start DESC
        LIMIT 1
    ) AS c
    WHERE c.range_end > (extract(EPOCH FROM r.ts) * 1000000)::bigint
    GROUP BY c.range_start
    ORDER BY c.range_start;
END;
$$;

COMMENT ON FUNCTION telemetry.chunk_spans(text, timestamptz[]) IS
'Takes meter_reading or vehicle_reading and finite times. Returns the earliest and the latest of them in each chunk that holds any, in order of time.';

CREATE OR REPLACE FUNCTION telemetry.coming_chunk(dataset text, moment timestamptz)
RETURNS TABLE (since timestamptz, until timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_moment_us bigint := (extract(EPOCH FROM coming_chunk.moment) * 1000000)::bigint;
    v_dimension integer;
    v_interval_us bigint;
    v_since_us bigint;
    v_until_us bigint;
BEGIN
    SELECT t.dimension_id, t.interval_us INTO v_dimension, v_interval_us
    FROM telemetry.time_dimension(coming_chunk.dataset) AS t;
    v_since_us := v_moment_us - v_moment_us % v_interval_us;
    v_until_us := v_since_us + v_interval_us;
    -- TimescaleDB cuts it where others are
    SELECT greatest(v_since_us, max(s.range_end) FILTER (WHERE s.range_end <= v_moment_us)),
        least(v_until_us, min(s.range_start) FILTER (WHERE s.range_start > v_moment_us))
    INTO v_since_us, v_until_us
    FROM _timescaledb_catalog.dimension_slice AS s
    WHERE s.dimension_id = v_dimension AND s.range_start < v_until_us AND s.range_end > v_since_us;
    RETURN QUERY SELECT telemetry.from_us(v_since_us), telemetry.from_us(v_until_us);
END;
$$;

COMMENT ON FUNCTION telemetry.coming_chunk(text, timestamptz) IS
'Takes meter_reading or vehicle_reading and a moment since 1970 that no chunk holds. Returns start and end of the chunk that a reading of that time would make.';

CREATE OR REPLACE FUNCTION telemetry.has_chunk(dataset text, since timestamptz, until timestamptz)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN EXISTS (
        SELECT
        FROM _timescaledb_catalog.hypertable AS h
        INNER JOIN _timescaledb_catalog.dimension AS d ON d.hypertable_id = h.id
        INNER JOIN _timescaledb_catalog.dimension_slice AS s ON s.dimension_id = d.id
        WHERE h.schema_name = 'telemetry'
            AND h.table_name = has_chunk.dataset::name
            AND s.range_start < (extract(EPOCH FROM has_chunk.until) * 1000000)::bigint
            AND s.range_end > (extract(EPOCH FROM has_chunk.since) * 1000000)::bigint
    );
END;
$$;

COMMENT ON FUNCTION telemetry.has_chunk(text, timestamptz, timestamptz) IS
'Takes meter_reading or vehicle_reading and a finite window (since included, until not). Returns whether there is a chunk for any part of it.';

REVOKE ALL ON FUNCTION
    telemetry.from_us(bigint),
    telemetry.dataset_hypertable(),
    telemetry.timescaledb_job(),
    telemetry.chunks_before(text, timestamptz),
    telemetry.first_chunk_start(text),
    telemetry.time_dimension(text),
    telemetry.is_in_one_chunk(text, timestamptz, timestamptz),
    telemetry.chunk_spans(text, timestamptz[]),
    telemetry.coming_chunk(text, timestamptz),
    telemetry.has_chunk(text, timestamptz, timestamptz)
FROM PUBLIC;
-- views of ops call them with the rights of whoever asks
GRANT EXECUTE ON FUNCTION telemetry.from_us(bigint), telemetry.dataset_hypertable(), telemetry.timescaledb_job()
TO wattledger_dba;
