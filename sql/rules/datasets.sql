-- What the datasets of telemetry.dataset are: which relation and which hypertable.

CREATE OR REPLACE FUNCTION telemetry.drop_after(keep interval)
RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT keep + INTERVAL '2 days'
$$;

COMMENT ON FUNCTION telemetry.drop_after(interval) IS
'Takes how long rows are to be kept at least. Returns the age at which a chunk is dropped: two days more, in which the rollups catch up with readings that came at the last moment. Null for null.';
REVOKE ALL ON FUNCTION telemetry.drop_after(interval) FROM PUBLIC;

CREATE OR REPLACE VIEW telemetry.dataset_hypertable AS
SELECT
    d.dataset,
    (coalesce(c.view_schema, 'telemetry') || '.' || d.dataset)::regclass AS relation,
    h.id AS hypertable_id,
    h.schema_name::text AS hypertable_schema,
    h.table_name::text AS hypertable_name
FROM telemetry.dataset AS d
LEFT JOIN timescaledb_information.continuous_aggregates AS c
    ON c.view_schema = 'bi' AND c.view_name = d.dataset
INNER JOIN _timescaledb_catalog.hypertable AS h
    ON h.schema_name = coalesce(c.materialization_hypertable_schema, 'telemetry')
        AND h.table_name = coalesce(c.materialization_hypertable_name, d.dataset);

COMMENT ON VIEW telemetry.dataset_hypertable IS 'Which hypertable holds a dataset.';
COMMENT ON COLUMN telemetry.dataset_hypertable.dataset IS 'The dataset''s name.';
COMMENT ON COLUMN telemetry.dataset_hypertable.relation IS 'What TimescaleDB''s functions take for it: a hypertable or a continuous aggregate.';
COMMENT ON COLUMN telemetry.dataset_hypertable.hypertable_id IS 'TimescaleDB''s number of the hypertable.';
COMMENT ON COLUMN telemetry.dataset_hypertable.hypertable_schema IS 'The hypertable''s schema.';
COMMENT ON COLUMN telemetry.dataset_hypertable.hypertable_name IS 'The hypertable''s name.';

CREATE OR REPLACE FUNCTION telemetry.known_dataset(name text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_name text := regexp_replace(name, '^(telemetry|bi)\.', '');
BEGIN
    IF NOT EXISTS (SELECT FROM telemetry.dataset AS d WHERE d.dataset = v_name) THEN
        RAISE EXCEPTION 'there is no dataset %', coalesce(name, 'null')
            USING ERRCODE = 'WL021',
                HINT = 'One of: ' || (SELECT string_agg(d.dataset, ', ' ORDER BY d.dataset) FROM telemetry.dataset AS d);
    END IF;
    RETURN v_name;
END;
$$;

COMMENT ON FUNCTION telemetry.known_dataset(text) IS
'Takes a dataset''s name, with or without its schema. Returns it without. Raises WL021 where there is none of that name.';
REVOKE ALL ON FUNCTION telemetry.known_dataset(text) FROM PUBLIC;

CREATE OR REPLACE VIEW telemetry.dataset_level AS
SELECT
    d.dataset,
    split_part(d.dataset, '_', 1) AS side,
    CASE WHEN d.dataset LIKE '%reading' THEN 0 WHEN d.dataset LIKE '%hourly' THEN 1 ELSE 2 END AS level,
    d.keep
FROM telemetry.dataset AS d;

COMMENT ON VIEW telemetry.dataset_level IS 'Which dataset is built from which: of one side, from the level below.';
COMMENT ON COLUMN telemetry.dataset_level.dataset IS 'The dataset''s name.';
COMMENT ON COLUMN telemetry.dataset_level.side IS 'meter or vehicle.';
COMMENT ON COLUMN telemetry.dataset_level.level IS '0: raw readings, 1: hours, 2: days.';
COMMENT ON COLUMN telemetry.dataset_level.keep IS 'How long it is kept; null: for ever.';

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
    FROM telemetry.dataset_hypertable AS h
    INNER JOIN timescaledb_information.chunks AS c
        ON c.hypertable_schema = h.hypertable_schema AND c.hypertable_name = h.hypertable_name
    WHERE h.dataset = chunks_before.dataset AND c.range_end <= chunks_before.cutoff
    ORDER BY c.range_start
$$;

COMMENT ON FUNCTION telemetry.chunks_before(text, timestamptz) IS
'Takes a dataset and a moment. Returns its chunks whose rows are all older, oldest first: name, begin, end, and size in bytes.';
REVOKE ALL ON FUNCTION telemetry.chunks_before(text, timestamptz) FROM PUBLIC;
