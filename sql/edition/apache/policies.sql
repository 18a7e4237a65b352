-- Policies on the Apache edition, which has none: nothing is compressed or scheduled, and writes keep rollups right.

CREATE OR REPLACE FUNCTION telemetry.has_policies()
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT FALSE
$$;

COMMENT ON FUNCTION telemetry.has_policies() IS
'Takes nothing. Returns whether this edition of TimescaleDB has policies, continuous aggregates and a columnstore.';

CREATE OR REPLACE FUNCTION telemetry.apply_policies()
RETURNS void
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
$$;

COMMENT ON FUNCTION telemetry.apply_policies() IS
'Brings TimescaleDB''s jobs in line with telemetry.dataset: this edition has none, and api.maintain looks there.';

CREATE OR REPLACE FUNCTION telemetry.run_soon(dataset text, work text)
RETURNS void
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
$$;

COMMENT ON FUNCTION telemetry.run_soon(text, text) IS
'Has the scheduler start a job as soon as it can: this edition has none. Takes its dataset and work. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.compressed_after(dataset text)
RETURNS interval
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT NULL::interval
$$;

COMMENT ON FUNCTION telemetry.compressed_after(text) IS
'Takes a dataset. Returns the age at which its chunks move to the columnstore, NULL where they never do: on this edition always.';

CREATE OR REPLACE FUNCTION telemetry.check_can_compress(dataset text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION 'this edition of TimescaleDB has no columnstore to compress % into', dataset
        USING ERRCODE = 'WL022', HINT = 'It comes with the Community edition.';
END;
$$;

COMMENT ON FUNCTION telemetry.check_can_compress(text) IS
'Takes a dataset. Returns nothing. Raises WL022 where there is no columnstore: on this edition always.';

CREATE OR REPLACE FUNCTION telemetry.check_can_refresh(dataset text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% is kept up to date by every write here, there is nothing to schedule', dataset
        USING ERRCODE = 'WL022', HINT = 'Refresh policies come with the Community edition of TimescaleDB.';
END;
$$;

COMMENT ON FUNCTION telemetry.check_can_refresh(text) IS
'Takes a dataset. Returns nothing. Raises WL022 where no refresh is to be scheduled: on this edition always.';

REVOKE ALL ON FUNCTION
    telemetry.has_policies(),
    telemetry.apply_policies(),
    telemetry.run_soon(text, text),
    telemetry.compressed_after(text),
    telemetry.check_can_compress(text),
    telemetry.check_can_refresh(text)
FROM PUBLIC;
-- so that a DBA can tell
GRANT EXECUTE ON FUNCTION telemetry.has_policies() TO wattledger_dba;

CREATE OR REPLACE VIEW ops.policies AS
SELECT
    d.dataset,
    d.keep,
    telemetry.drop_after(d.keep) AS drop_after,
    NULL::interval AS compress_after,
    NULL::interval AS refresh_every,
    NULL::interval AS refresh_lag,
    'ops.maintain' AS kept_by,
    NULL::integer AS retention_job,
    NULL::integer AS compression_job,
    NULL::integer AS refresh_job
FROM telemetry.dataset AS d;

CREATE OR REPLACE VIEW ops.jobs AS
SELECT
    NULL::integer AS job_id,
    'ops.maintain' AS job,
    '' AS dataset,
    m.last_run_at,
    CASE WHEN m.last_run_at IS NOT NULL THEN 'Success' END AS last_run_status,
    m.last_run_at + INTERVAL '1 hour' AS next_run_at,
    m.total_runs,
    0::bigint AS total_failures,
    NULL::text AS last_error,
    coalesce(m.last_run_at < now() - INTERVAL '24 hours', TRUE) AS needs_attention
FROM telemetry.maintenance AS m;

CREATE OR REPLACE VIEW ops.freshness AS
SELECT
    d.dataset,
    now() AS watermark,
    INTERVAL '0' AS lag,
    0::bigint AS late_changes,
    NULL::timestamptz AS late_since,
    NULL::timestamptz AS last_refresh_at
FROM telemetry.dataset AS d
WHERE d.dataset LIKE '%energy%';
