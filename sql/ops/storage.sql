-- Storage: how much room history takes.

CREATE OR REPLACE FUNCTION ops.dataset_storage()
RETURNS TABLE (
    dataset text,
    approximate_rows bigint,
    chunks bigint,
    compressed_chunks bigint,
    first_chunk_start timestamptz,
    last_chunk_end timestamptz,
    total_bytes bigint,
    bytes_before_compression bigint,
    bytes_after_compression bigint
)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        h.dataset,
        public.approximate_row_count(h.hypertable),
        c.chunks,
        c.compressed_chunks,
        c.first_chunk_start,
        c.last_chunk_end,
        public.hypertable_size(h.hypertable),
        s.before_compression_total_bytes,
        s.after_compression_total_bytes
    FROM (
        SELECT d.*, format('%I.%I', d.hypertable_schema, d.hypertable_name)::regclass AS hypertable
        FROM telemetry.dataset_hypertable() AS d
    ) AS h
    CROSS JOIN LATERAL (
        SELECT
            count(*) AS chunks,
            count(*) FILTER (WHERE i.is_compressed) AS compressed_chunks,
            min(i.range_start) AS first_chunk_start,
            max(i.range_end) AS last_chunk_end
        FROM timescaledb_information.chunks AS i
        WHERE i.hypertable_schema = h.hypertable_schema AND i.hypertable_name = h.hypertable_name
    ) AS c
    LEFT JOIN LATERAL public.hypertable_compression_stats(h.hypertable) AS s ON TRUE
$$;

COMMENT ON FUNCTION ops.dataset_storage() IS
'What ops.storage is computed from. Takes nothing. Returns one row per dataset: its approximate number of rows, chunks, and sizes in bytes.';

CREATE OR REPLACE VIEW ops.storage AS
SELECT
    s.dataset,
    s.approximate_rows,
    s.chunks,
    s.compressed_chunks,
    s.first_chunk_start,
    s.last_chunk_end,
    s.total_bytes,
    s.bytes_before_compression,
    s.bytes_after_compression,
    round(s.bytes_before_compression::numeric / nullif(s.bytes_after_compression, 0), 2) AS compression_ratio,
    round(s.total_bytes::numeric / nullif(s.approximate_rows, 0), 1) AS bytes_per_row,
    round(
        s.total_bytes * 86400::numeric
        / nullif(extract(EPOCH FROM least(s.last_chunk_end, now()) - s.first_chunk_start), 0)
    )::bigint AS bytes_per_day
FROM ops.dataset_storage() AS s;

COMMENT ON VIEW ops.storage IS 'How much room each dataset takes, its indexes included, one row per dataset.';
COMMENT ON COLUMN ops.storage.dataset IS 'The dataset: raw readings, or an hourly or daily rollup of bi.';
COMMENT ON COLUMN ops.storage.approximate_rows IS 'How many rows there are, by the planner''s statistics: ANALYZE brings them up to date.';
COMMENT ON COLUMN ops.storage.chunks IS 'How many chunks there are.';
COMMENT ON COLUMN ops.storage.compressed_chunks IS 'How many of them are in the columnstore.';
COMMENT ON COLUMN ops.storage.first_chunk_start IS 'Start of the first chunk.';
COMMENT ON COLUMN ops.storage.last_chunk_end IS 'End of the last chunk.';
COMMENT ON COLUMN ops.storage.total_bytes IS 'Bytes on disk now, indexes included.';
COMMENT ON COLUMN ops.storage.bytes_before_compression IS
'Bytes that the compressed chunks took before; NULL without any.';
COMMENT ON COLUMN ops.storage.bytes_after_compression IS
'Bytes that the compressed chunks take now; NULL without any.';
COMMENT ON COLUMN ops.storage.compression_ratio IS 'The first divided by the second; NULL without compressed chunks.';
COMMENT ON COLUMN ops.storage.bytes_per_row IS 'Bytes per row, over all chunks.';
COMMENT ON COLUMN ops.storage.bytes_per_day IS 'Bytes per day of data, over all chunks.';

REVOKE ALL ON ops.storage FROM PUBLIC;
GRANT SELECT ON ops.storage TO wattledger_dba;
REVOKE ALL ON FUNCTION ops.dataset_storage() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ops.dataset_storage() TO wattledger_dba;
