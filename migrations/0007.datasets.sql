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
COMMENT ON COLUMN telemetry.dataset.complete_since IS
'Before this chunks were dropped, under any retention and by whomever: what is accepted and answered from raw readings begins here at the earliest.';

INSERT INTO telemetry.dataset (dataset, keep, compress_after)
SELECT
    d.dataset,
    r.raw_retention,
    INTERVAL '7 days' AS compress_after
FROM telemetry.rules AS r
CROSS JOIN (VALUES ('meter_reading'), ('vehicle_reading')) AS d (dataset);

INSERT INTO telemetry.dataset (dataset, keep, refresh_every, refresh_lag) VALUES
('meter_energy_hourly', '5 years', '15 minutes', '1 hour'),
('vehicle_energy_hourly', '5 years', '15 minutes', '1 hour'),
('meter_energy_daily', NULL, '1 hour', '1 day'),
('vehicle_energy_daily', NULL, '1 hour', '1 day');

ALTER TABLE telemetry.rules DROP COLUMN raw_retention;

-- the first takes the rules as a parameter now, so that views can call it; the others return a column more
DROP FUNCTION IF EXISTS telemetry.efficiency_status(numeric, numeric, numeric, numeric);
DROP FUNCTION IF EXISTS api.performance(text, timestamptz, timestamptz);
DROP FUNCTION IF EXISTS api.installed_version();

CREATE TABLE telemetry.maintenance (
    only_row boolean PRIMARY KEY DEFAULT TRUE CHECK (only_row),
    last_run_at timestamptz,
    last_dropped_chunks integer NOT NULL DEFAULT 0,
    total_dropped_chunks bigint NOT NULL DEFAULT 0,
    total_runs bigint NOT NULL DEFAULT 0
);

COMMENT ON TABLE telemetry.maintenance IS
'What the maintenance did that stands in for TimescaleDB''s jobs on the Apache edition: exactly one row.';
COMMENT ON COLUMN telemetry.maintenance.only_row IS 'Always true: the key that keeps this table at one row.';
COMMENT ON COLUMN telemetry.maintenance.last_run_at IS 'When it last ran to its end; null if it never did.';
COMMENT ON COLUMN telemetry.maintenance.last_dropped_chunks IS 'How many chunks it dropped then.';
COMMENT ON COLUMN telemetry.maintenance.total_dropped_chunks IS 'How many chunks it has dropped in all.';
COMMENT ON COLUMN telemetry.maintenance.total_runs IS 'How often it has run to its end.';

INSERT INTO telemetry.maintenance DEFAULT VALUES;

CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.dataset
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();
CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.maintenance
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();
