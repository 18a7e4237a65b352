-- Policies: what is kept, compressed and refreshed, and when, as each edition shows it (sql/edition).

COMMENT ON VIEW ops.policies IS
'What ops.set_retention, ops.set_compression and ops.set_refresh have chosen, one row per dataset.';
COMMENT ON COLUMN ops.policies.dataset IS 'The dataset: raw readings, or an hourly or daily rollup of bi.';
COMMENT ON COLUMN ops.policies.keep IS 'How long rows are kept at least; NULL: for ever.';
COMMENT ON COLUMN ops.policies.drop_after IS 'The age at which a whole chunk is dropped; NULL: never.';
COMMENT ON COLUMN ops.policies.compress_after IS 'The age at which a chunk moves to the columnstore; NULL: never.';
COMMENT ON COLUMN ops.policies.refresh_every IS
'How often the continuous aggregate is refreshed; NULL where every write keeps it up to date.';
COMMENT ON COLUMN ops.policies.refresh_lag IS
'How far behind now a refresh ends; NULL where every write keeps it up to date.';
COMMENT ON COLUMN ops.policies.kept_by IS
'TimescaleDB, whose jobs do it, or ops.maintain, which the service calls every hour.';
COMMENT ON COLUMN ops.policies.retention_job IS 'Number of the job that drops chunks; NULL without one.';
COMMENT ON COLUMN ops.policies.compression_job IS 'Number of the job that compresses chunks; NULL without one.';
COMMENT ON COLUMN ops.policies.refresh_job IS 'Number of the job that refreshes; NULL without one.';

COMMENT ON VIEW ops.jobs IS 'The jobs that keep history in shape, one row per job.';
COMMENT ON COLUMN ops.jobs.job_id IS 'TimescaleDB''s number of the job; NULL for ops.maintain.';
COMMENT ON COLUMN ops.jobs.job IS 'What the job does: refresh, compress, retain (drops what is kept no longer), or its name.';
COMMENT ON COLUMN ops.jobs.dataset IS 'The dataset it works on; empty for all.';
COMMENT ON COLUMN ops.jobs.last_run_at IS 'When it last ran; NULL if it never did.';
COMMENT ON COLUMN ops.jobs.last_run_status IS 'Running, Success or Failed; NULL if it never ran.';
COMMENT ON COLUMN ops.jobs.next_run_at IS 'When it is to run next; NULL while it runs.';
COMMENT ON COLUMN ops.jobs.total_runs IS 'How often it has run.';
COMMENT ON COLUMN ops.jobs.total_failures IS 'How often it has failed.';
COMMENT ON COLUMN ops.jobs.last_error IS 'The message of its last failure that is still on record.';
COMMENT ON COLUMN ops.jobs.needs_attention IS
'Whether it failed last, or is overdue, and nobody has done its work by hand since: CALL ops.maintain() does.';

REVOKE ALL ON ops.policies, ops.jobs FROM PUBLIC;
GRANT SELECT ON ops.policies, ops.jobs TO wattledger_dba;
