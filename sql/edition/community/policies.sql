-- Policies on the Community edition, as telemetry.dataset has them: jobs of ours, run by TimescaleDB's scheduler. They
-- take turns and keep to what is accepted and complete, of which TimescaleDB's own policies know nothing.

CREATE OR REPLACE FUNCTION telemetry.has_policies()
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT TRUE
$$;

COMMENT ON FUNCTION telemetry.has_policies() IS
'Takes nothing. Returns whether this edition of TimescaleDB has policies, continuous aggregates and a columnstore.';

CREATE OR REPLACE VIEW telemetry.wanted_policy AS
SELECT
    d.dataset,
    p.work,
    p.every
FROM telemetry.dataset AS d
CROSS JOIN LATERAL (
    VALUES
    ('refresh', d.refresh_every, d.refresh_lag IS NOT NULL),
    ('compress', INTERVAL '1 hour', d.compress_after IS NOT NULL),
    ('retain', INTERVAL '1 hour', d.keep IS NOT NULL),
    ('settle', INTERVAL '1 minute', d.dataset LIKE '%reading')
) AS p (work, every, wanted)
WHERE p.wanted;

COMMENT ON VIEW telemetry.wanted_policy IS 'The jobs that there should be, one row each.';
COMMENT ON COLUMN telemetry.wanted_policy.dataset IS 'What the job is for.';
COMMENT ON COLUMN telemetry.wanted_policy.work IS 'refresh, compress, retain or settle: telemetry.work_done says what that is.';
COMMENT ON COLUMN telemetry.wanted_policy.every IS
'How often it runs; all but a refresh as often as a DBA chose by alter_job.';

CREATE OR REPLACE VIEW telemetry.present_policy AS
SELECT
    j.dataset,
    j.work,
    j.every,
    j.job_id
FROM telemetry.timescaledb_job() AS j
WHERE j.work IS NOT NULL;

COMMENT ON VIEW telemetry.present_policy IS 'The jobs that there are, one row each.';
COMMENT ON COLUMN telemetry.present_policy.dataset IS 'What the job is for.';
COMMENT ON COLUMN telemetry.present_policy.work IS 'refresh, compress, retain or settle.';
COMMENT ON COLUMN telemetry.present_policy.every IS 'How often it runs.';
COMMENT ON COLUMN telemetry.present_policy.job_id IS 'TimescaleDB''s number of the job.';

CREATE OR REPLACE FUNCTION telemetry.apply_policies()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_policy record;
BEGIN
    FOR v_policy IN
        SELECT
            coalesce(w.dataset, p.dataset) AS dataset,
            coalesce(w.work, p.work) AS work,
            p.job_id,
            w.every
        FROM telemetry.wanted_policy AS w
        FULL JOIN telemetry.present_policy AS p USING (dataset, work)
        WHERE w.dataset IS NULL
            OR p.dataset IS NULL
            -- how often a chunk is dropped or compressed is nobody's concern but the DBA's
            OR (w.work = 'refresh' AND w.every <> p.every)
    LOOP
        CASE
            WHEN v_policy.every IS NULL THEN
                PERFORM public.delete_job(v_policy.job_id);
            WHEN v_policy.job_id IS NULL THEN
                PERFORM public.alter_job(
                    public.add_job(
                        'telemetry.run_policy'::regproc,
                        v_policy.every,
                        jsonb_build_object('work', v_policy.work, 'dataset', v_policy.dataset)
                    ),
                    retry_period => INTERVAL '1 minute'
                );
            ELSE
                PERFORM public.alter_job(v_policy.job_id, schedule_interval => v_policy.every);
        END CASE;
    END LOOP;
    -- TimescaleDB's own would drop what is not counted yet, and refresh what was dropped
    FOR v_policy IN
        SELECT h.relation, j.proc_name
        FROM telemetry.timescaledb_job() AS j
        INNER JOIN telemetry.dataset_hypertable() AS h ON h.dataset = j.dataset
        WHERE j.work IS NULL
    LOOP
        CASE v_policy.proc_name
            WHEN 'policy_retention' THEN
                PERFORM public.remove_retention_policy(v_policy.relation, if_exists => TRUE);
            WHEN 'policy_compression' THEN
                PERFORM public.remove_compression_policy(v_policy.relation, if_exists => TRUE);
            WHEN 'policy_refresh_continuous_aggregate' THEN
                PERFORM public.remove_continuous_aggregate_policy(v_policy.relation, if_exists => TRUE);
            ELSE NULL;  -- a job that somebody else made
        END CASE;
    END LOOP;
END;
$$;

COMMENT ON FUNCTION telemetry.apply_policies() IS
'Brings TimescaleDB''s jobs in line with telemetry.dataset; leaves those alone that are, and removes TimescaleDB''s own policies on its datasets. Takes and returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.run_soon(dataset text, work text)
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT public.alter_job(p.job_id, next_start => now())
    FROM telemetry.present_policy AS p
    WHERE p.dataset = run_soon.dataset AND p.work = run_soon.work
$$;

COMMENT ON FUNCTION telemetry.run_soon(text, text) IS
'Has the scheduler start a job as soon as it can. Takes its dataset and work. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.compressed_after(dataset text)
RETURNS interval
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT d.compress_after FROM telemetry.dataset AS d WHERE d.dataset = compressed_after.dataset
$$;

COMMENT ON FUNCTION telemetry.compressed_after(text) IS
'Takes a dataset. Returns the age at which its chunks move to the columnstore, NULL where they never do.';

CREATE OR REPLACE FUNCTION telemetry.check_can_compress(dataset text)
RETURNS void
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
$$;

COMMENT ON FUNCTION telemetry.check_can_compress(text) IS
'Takes a dataset. Returns nothing. Raises WL022 where there is no columnstore: on this edition never.';

CREATE OR REPLACE FUNCTION telemetry.check_can_refresh(dataset text)
RETURNS void
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT
$$;

COMMENT ON FUNCTION telemetry.check_can_refresh(text) IS
'Takes a dataset. Returns nothing. Raises WL022 where no refresh is to be scheduled: on this edition never.';

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
    d.compress_after,
    d.refresh_every,
    d.refresh_lag,
    'TimescaleDB' AS kept_by,
    max(j.job_id) FILTER (WHERE j.work = 'retain') AS retention_job,
    max(j.job_id) FILTER (WHERE j.work = 'compress') AS compression_job,
    max(j.job_id) FILTER (WHERE j.work = 'refresh') AS refresh_job
FROM telemetry.dataset AS d
LEFT JOIN telemetry.timescaledb_job() AS j ON j.dataset = d.dataset
GROUP BY d.dataset;

CREATE OR REPLACE VIEW ops.jobs AS
SELECT
    j.job_id,
    coalesce(j.work, j.application_name) AS job,
    coalesce(j.dataset, '') AS dataset,
    j.last_run_at,
    CASE WHEN j.running THEN 'Running' ELSE j.last_run_status END AS last_run_status,
    j.next_run_at,
    j.total_runs,
    j.total_failures,
    j.last_error,
    NOT j.running
    AND (
        -- what failed may have been done by hand since
        (j.last_run_status = 'Failed' AND (d.last_finished_at > j.last_run_at) IS NOT TRUE)
        OR CASE
            -- by when it was done, whatever the scheduler plans
            WHEN d.last_started_at IS NOT NULL THEN coalesce(d.last_finished_at, d.last_started_at) < o.latest
            -- one that was never started is to be, unless it is somebody else's
            ELSE coalesce(j.next_run_at < o.latest, j.work IS NOT NULL)
        END
    ) IS TRUE AS needs_attention
FROM telemetry.timescaledb_job() AS j
LEFT JOIN telemetry.work_done AS d ON d.dataset = j.dataset AND d.work = j.work
CROSS JOIN LATERAL (
    -- a chunk that is in use may go a day later
    SELECT telemetry.utc_minus(
        now(), j.every + CASE WHEN j.work = 'retain' THEN INTERVAL '24 hours' ELSE INTERVAL '10 minutes' END
    ) AS latest
) AS o;
