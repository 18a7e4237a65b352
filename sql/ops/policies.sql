-- What is kept, compressed and refreshed, and when.

CREATE OR REPLACE VIEW ops.policies AS
SELECT
    d.dataset,
    d.keep,
    telemetry.drop_after(d.keep) AS drop_after,
    CASE WHEN telemetry.has_policies() THEN d.compress_after END AS compress_after,
    CASE WHEN telemetry.has_policies() THEN d.refresh_every END AS refresh_every,
    CASE WHEN telemetry.has_policies() THEN d.refresh_lag END AS refresh_lag,
    CASE WHEN telemetry.has_policies() THEN 'TimescaleDB' ELSE 'ops.maintain' END AS kept_by,
    max(j.job_id) FILTER (WHERE j.work = 'retain') AS retention_job,
    max(j.job_id) FILTER (WHERE j.work = 'compress') AS compression_job,
    max(j.job_id) FILTER (WHERE j.work = 'refresh') AS refresh_job
FROM telemetry.dataset AS d
LEFT JOIN telemetry.timescaledb_job() AS j ON j.dataset = d.dataset
GROUP BY d.dataset;

COMMENT ON VIEW ops.policies IS
'What ops.set_retention, ops.set_compression and ops.set_refresh have chosen, a row a dataset.';
COMMENT ON COLUMN ops.policies.dataset IS 'The dataset: raw readings, or an hourly or daily rollup of bi.';
COMMENT ON COLUMN ops.policies.keep IS 'How long rows are kept at least; null: for ever.';
COMMENT ON COLUMN ops.policies.drop_after IS 'The age at which a whole chunk is dropped; null: never.';
COMMENT ON COLUMN ops.policies.compress_after IS 'The age at which a chunk moves to the columnstore; null: never.';
COMMENT ON COLUMN ops.policies.refresh_every IS
'How often the continuous aggregate is refreshed; null where every write keeps it up to date.';
COMMENT ON COLUMN ops.policies.refresh_lag IS
'How far behind now a refresh ends; null where every write keeps it up to date.';
COMMENT ON COLUMN ops.policies.kept_by IS
'TimescaleDB, whose jobs do it, or ops.maintain, which the service calls every hour.';
COMMENT ON COLUMN ops.policies.retention_job IS 'Number of the job that drops chunks; null without one.';
COMMENT ON COLUMN ops.policies.compression_job IS 'Number of the job that compresses chunks; null without one.';
COMMENT ON COLUMN ops.policies.refresh_job IS 'Number of the job that refreshes; null without one.';

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
) AS o
WHERE telemetry.has_policies()
UNION ALL
SELECT
    NULL AS job_id,
    'ops.maintain' AS job,
    '' AS dataset,
    m.last_run_at,
    CASE WHEN m.last_run_at IS NOT NULL THEN 'Success' END AS last_run_status,
    m.last_run_at + INTERVAL '1 hour' AS next_run_at,
    m.total_runs,
    0 AS total_failures,
    NULL AS last_error,
    coalesce(m.last_run_at < now() - INTERVAL '24 hours', TRUE) AS needs_attention
FROM telemetry.maintenance AS m
WHERE NOT telemetry.has_policies();

COMMENT ON VIEW ops.jobs IS 'The jobs that keep history in shape, a row a job.';
COMMENT ON COLUMN ops.jobs.job_id IS 'TimescaleDB''s number of the job; null for ops.maintain.';
COMMENT ON COLUMN ops.jobs.job IS 'What the job does: refresh, compress, retain (drops what is kept no longer), or its name.';
COMMENT ON COLUMN ops.jobs.dataset IS 'The dataset it works on; empty for all.';
COMMENT ON COLUMN ops.jobs.last_run_at IS 'When it last ran; null if it never did.';
COMMENT ON COLUMN ops.jobs.last_run_status IS 'Running, Success or Failed; null if it never ran.';
COMMENT ON COLUMN ops.jobs.next_run_at IS 'When it is to run next; null while it runs.';
COMMENT ON COLUMN ops.jobs.total_runs IS 'How often it has run.';
COMMENT ON COLUMN ops.jobs.total_failures IS 'How often it has failed.';
COMMENT ON COLUMN ops.jobs.last_error IS 'The message of its last failure that is still on record.';
COMMENT ON COLUMN ops.jobs.needs_attention IS
'Whether it failed last, or is overdue, and nobody has done its work by hand since: CALL ops.maintain() does.';

REVOKE ALL ON ops.policies, ops.jobs FROM PUBLIC;
GRANT SELECT ON ops.policies, ops.jobs TO wattledger_dba;
-- the views call them with the rights of whoever asks
GRANT EXECUTE ON FUNCTION telemetry.has_policies(), telemetry.drop_after(interval) TO wattledger_dba;
