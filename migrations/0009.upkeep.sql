-- How history is kept in shape: whose turn it is, what was done, and what dropped readings held.

SET LOCAL ROLE wattledger_owner;

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

CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.maintenance
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();

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

CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.turn
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();

CREATE TABLE telemetry.work_done (
    dataset text REFERENCES telemetry.dataset (dataset),
    work text CHECK (work IN ('refresh', 'compress', 'retain', 'settle')),
    last_started_at timestamptz NOT NULL,
    last_finished_at timestamptz,
    last_complete_at timestamptz,
    PRIMARY KEY (dataset, work)
);

COMMENT ON TABLE telemetry.work_done IS
'When history was last kept in shape, by a job or by hand: one row per dataset and kind of work that was ever started.';
COMMENT ON COLUMN telemetry.work_done.dataset IS 'The dataset that was worked on.';
COMMENT ON COLUMN telemetry.work_done.work IS
'refresh: bring a rollup up to date; compress: move chunks to the columnstore; retain: drop what is kept no longer; settle: bring the ledger in line with late readings and registers.';
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
'What raw readings held when they were dropped, and hours and days as well, as was proven then: one row per side and UTC day.';
COMMENT ON COLUMN telemetry.proven_energy.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.proven_energy.day IS 'Start of the UTC day.';
COMMENT ON COLUMN telemetry.proven_energy.device_hours IS 'How many rows the hours have of that day.';
COMMENT ON COLUMN telemetry.proven_energy.samples IS 'How many readings devices had sent.';
COMMENT ON COLUMN telemetry.proven_energy.energy_mwh IS 'Their energy in milliwatt-hours, corrections included.';
COMMENT ON COLUMN telemetry.proven_energy.proven_at IS 'When the last of these readings was dropped.';

CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.proven_energy
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();
