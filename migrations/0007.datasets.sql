-- How long each dataset is kept and when it is compressed, set by the functions of ops.

SET LOCAL ROLE wattledger_owner;

CREATE TABLE telemetry.dataset (
    dataset text PRIMARY KEY,
    keep interval CHECK (keep >= '2 days'),
    compress_after interval CHECK (compress_after >= '1 day'),
    refresh_every interval CHECK (refresh_every > '0'),
    refresh_lag interval CHECK (refresh_lag > '0'),
    accepted_since timestamptz NOT NULL DEFAULT '-infinity',
    complete_since timestamptz NOT NULL DEFAULT '-infinity',
    held_until timestamptz NOT NULL DEFAULT '-infinity'
);

COMMENT ON TABLE telemetry.dataset IS 'What ops.set_retention and ops.set_compression have set, one row per dataset.';
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
COMMENT ON COLUMN telemetry.dataset.held_until IS
'Until then nothing is dropped and readings of any age are accepted that follow what was dropped: history is being imported.';

-- hours: late readings change them for as long as they are accepted
INSERT INTO telemetry.dataset (dataset, keep, compress_after, refresh_every, refresh_lag) VALUES
('meter_reading', '90 days', '7 days', NULL, NULL),
('vehicle_reading', '90 days', '7 days', NULL, NULL),
('meter_energy_hourly', '5 years', '97 days', '15 minutes', '1 hour'),
('vehicle_energy_hourly', '5 years', '97 days', '15 minutes', '1 hour'),
('meter_energy_daily', NULL, NULL, '1 hour', '1 day'),
('vehicle_energy_daily', NULL, NULL, '1 hour', '1 day');

CREATE TRIGGER always_there BEFORE DELETE OR TRUNCATE ON telemetry.dataset
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_removal();
