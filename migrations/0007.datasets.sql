-- How long each dataset is kept and when it is compressed, set by the functions of ops.

-- roles belong to the whole cluster: what another database's migration has set stands
DO $$
BEGIN
    -- TimescaleDB's own functions ask for the owner of what they work on. A DBA becomes that by SET ROLE, not unawares
    IF NOT pg_has_role('wattledger_dba', 'wattledger_owner', 'SET') THEN
        GRANT wattledger_owner TO wattledger_dba WITH INHERIT FALSE, SET TRUE;
    END IF;
END;
$$;

SET LOCAL ROLE wattledger_owner;

-- TimescaleDB's views of jobs and chunks look relations up by name, with the rights of whoever asks
GRANT USAGE ON SCHEMA telemetry, bi TO wattledger_dba;

CREATE TABLE telemetry.dataset (
    dataset text PRIMARY KEY,
    keep interval CHECK (keep >= '2 days'),
    compress_after interval CHECK (compress_after >= '1 day'),
    refresh_every interval CHECK (refresh_every > '0'),
    refresh_lag interval CHECK (refresh_lag > '0'),
    accepted_since timestamptz NOT NULL DEFAULT '-infinity',
    complete_since timestamptz NOT NULL DEFAULT '-infinity'
);

COMMENT ON TABLE telemetry.dataset IS 'What ops.set_retention and ops.set_compression have set, a row a dataset.';
COMMENT ON COLUMN telemetry.dataset.dataset IS
'meter_reading, vehicle_reading, or one of the hourly and daily relations of bi.';
COMMENT ON COLUMN telemetry.dataset.keep IS
'How long rows are kept, at least: whole chunks go, when all their rows are older. Null: for ever.';
COMMENT ON COLUMN telemetry.dataset.compress_after IS
'When a chunk moves to the columnstore, where the edition has one. Null: never.';
COMMENT ON COLUMN telemetry.dataset.refresh_every IS
'How often a continuous aggregate is refreshed. Null where there is none.';
COMMENT ON COLUMN telemetry.dataset.refresh_lag IS
'How far behind now a continuous aggregate ends; later rows are computed when asked for. Null where there is none.';
COMMENT ON COLUMN telemetry.dataset.accepted_since IS
'Before this no reading is accepted, since its chunk is about to be dropped or was: it moves, and is committed, before anything goes.';
COMMENT ON COLUMN telemetry.dataset.complete_since IS
'Before this chunks were dropped, under any retention and by whomever: what is accepted and answered from this dataset begins here at the earliest, and what was built from it before never changes again.';

INSERT INTO telemetry.dataset (dataset, keep, compress_after)
SELECT
    d.dataset,
    r.raw_retention,
    INTERVAL '7 days' AS compress_after
FROM telemetry.rules AS r
CROSS JOIN (VALUES ('meter_reading'), ('vehicle_reading')) AS d (dataset);

INSERT INTO telemetry.dataset (dataset, keep, compress_after, refresh_every, refresh_lag)
SELECT
    d.dataset,
    d.keep,
    -- late readings change hours for as long as they are accepted
    CASE WHEN d.is_hourly THEN r.raw_retention + INTERVAL '7 days' END AS compress_after,
    CASE WHEN d.is_hourly THEN INTERVAL '15 minutes' ELSE INTERVAL '1 hour' END AS refresh_every,
    CASE WHEN d.is_hourly THEN INTERVAL '1 hour' ELSE INTERVAL '1 day' END AS refresh_lag
FROM telemetry.rules AS r
CROSS JOIN (VALUES
    ('meter_energy_hourly', TRUE, INTERVAL '5 years'),
    ('vehicle_energy_hourly', TRUE, INTERVAL '5 years'),
    ('meter_energy_daily', FALSE, NULL),
    ('vehicle_energy_daily', FALSE, NULL)
) AS d (dataset, is_hourly, keep);

ALTER TABLE telemetry.rules DROP COLUMN raw_retention;

-- the first takes the rules as a parameter now, so that views can call it; the others return a column more
DROP FUNCTION IF EXISTS telemetry.efficiency_status(numeric, numeric, numeric, numeric);
DROP FUNCTION IF EXISTS api.performance(text, timestamptz, timestamptz);
DROP FUNCTION IF EXISTS api.installed_version();

CREATE TABLE telemetry.maintenance (
    only_row boolean PRIMARY KEY DEFAULT TRUE CHECK (only_row),
    last_run_at timestamptz,
    total_runs bigint NOT NULL DEFAULT 0
);

COMMENT ON TABLE telemetry.maintenance IS
'What the maintenance did that stands in for TimescaleDB''s jobs on the Apache edition: exactly one row.';
COMMENT ON COLUMN telemetry.maintenance.only_row IS 'Always true: the key that keeps this table at one row.';
COMMENT ON COLUMN telemetry.maintenance.last_run_at IS 'When it last ran to its end; null if it never did.';
COMMENT ON COLUMN telemetry.maintenance.total_runs IS 'How often it has run to its end.';

INSERT INTO telemetry.maintenance DEFAULT VALUES;

CREATE TABLE telemetry.turn (
    only_row boolean PRIMARY KEY DEFAULT TRUE CHECK (only_row),
    pid integer,
    server_started_at timestamptz,
    work text,
    taken_at timestamptz
);

COMMENT ON TABLE telemetry.turn IS
'Whose turn it is to refresh, compress or drop: exactly one row. A row, since the work commits as it goes, which no lock of a transaction outlives, and a lock of a session would outlive its failure.';
COMMENT ON COLUMN telemetry.turn.only_row IS 'Always true: the key that keeps this table at one row.';
COMMENT ON COLUMN telemetry.turn.pid IS 'The process of the session that has it, if it is at work; null: nobody has.';
COMMENT ON COLUMN telemetry.turn.server_started_at IS 'When that process''s server started: another one has other numbers.';
COMMENT ON COLUMN telemetry.turn.work IS 'What that session does.';
COMMENT ON COLUMN telemetry.turn.taken_at IS 'Since when it has its turn.';

INSERT INTO telemetry.turn DEFAULT VALUES;

CREATE TABLE telemetry.work_done (
    dataset text REFERENCES telemetry.dataset (dataset),
    work text CHECK (work IN ('refresh', 'compress', 'retain')),
    last_started_at timestamptz NOT NULL,
    last_finished_at timestamptz,
    last_complete_at timestamptz,
    PRIMARY KEY (dataset, work)
);

COMMENT ON TABLE telemetry.work_done IS
'When history was last kept in shape, by a job or by hand: a row a dataset and kind of work that was ever started.';
COMMENT ON COLUMN telemetry.work_done.dataset IS 'The dataset that was worked on.';
COMMENT ON COLUMN telemetry.work_done.work IS
'refresh: bring a rollup up to date; compress: move chunks to the columnstore; retain: drop what is kept no longer.';
COMMENT ON COLUMN telemetry.work_done.last_started_at IS 'When it last started.';
COMMENT ON COLUMN telemetry.work_done.last_finished_at IS 'When it last ended well; null if it never did.';
COMMENT ON COLUMN telemetry.work_done.last_complete_at IS
'When that started which last left nothing out: most refreshes of hours look at the last ones alone.';

CREATE TABLE telemetry.proven_energy (
    dataset text REFERENCES telemetry.dataset (dataset),
    day timestamptz,
    device_hours bigint NOT NULL,
    samples bigint NOT NULL,
    energy_mwh bigint NOT NULL,
    proven_at timestamptz NOT NULL,
    PRIMARY KEY (dataset, day)
);

COMMENT ON TABLE telemetry.proven_energy IS
'What raw readings held when they were dropped, and hours and days as well, as was proven then: a row a side and UTC day.';
COMMENT ON COLUMN telemetry.proven_energy.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.proven_energy.day IS 'Start of the UTC day.';
COMMENT ON COLUMN telemetry.proven_energy.device_hours IS 'How many rows the hours have of that day.';
COMMENT ON COLUMN telemetry.proven_energy.samples IS 'How many readings devices had sent.';
COMMENT ON COLUMN telemetry.proven_energy.energy_mwh IS 'Their energy in milliwatt-hours, corrections included.';
COMMENT ON COLUMN telemetry.proven_energy.proven_at IS 'When the last of these readings was dropped.';

CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.turn
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();
CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.proven_energy
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();
CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.dataset
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();
CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.maintenance
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();
