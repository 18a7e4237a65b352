-- What people tell the ledger about devices, append-only.

SET LOCAL ROLE wattledger_owner;

CREATE TABLE telemetry.ledger_record (
    record_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    made_by text NOT NULL,
    record text NOT NULL CHECK (record IN ('exchange', 'correction', 'booking', 'resolution', 'cancellation')),
    dataset text COLLATE "C" NOT NULL CHECK (dataset IN ('meter_reading', 'vehicle_reading')),
    device_id text COLLATE "C" NOT NULL CHECK (length(device_id) BETWEEN 1 AND 128),
    happened_at timestamptz NOT NULL,
    starts_at timestamptz CHECK (starts_at <= happened_at AND happened_at - starts_at <= '366 days'),
    final_mwh bigint CHECK (final_mwh BETWEEN 0 AND 1e15),
    initial_mwh bigint CHECK (initial_mwh BETWEEN 0 AND 1e15),
    energy_mwh bigint CHECK (energy_mwh BETWEEN -1e15 AND 1e15),
    reported_kind telemetry.reading_kind,
    reported_mwh bigint,
    value_mwh bigint CHECK (value_mwh BETWEEN 0 AND 1e15),
    resolution text CHECK (resolution IN ('book', 'dismiss')),
    cancels bigint UNIQUE,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
    CHECK ((record = 'exchange') = (final_mwh IS NOT NULL)),
    CHECK ((record = 'exchange') = (initial_mwh IS NOT NULL)),
    CHECK ((record = 'correction') = (reported_kind IS NOT NULL)),
    CHECK ((record = 'correction') = (reported_mwh IS NOT NULL)),
    CHECK (record = 'correction' OR value_mwh IS NULL),
    CHECK ((record = 'resolution') = (resolution IS NOT NULL)),
    CHECK ((record = 'booking' OR resolution IS NOT DISTINCT FROM 'book') = (energy_mwh IS NOT NULL)),
    CHECK ((energy_mwh IS NOT NULL) = (starts_at IS NOT NULL)),
    CHECK ((record = 'cancellation') = (cancels IS NOT NULL))
);

-- the device first: whoever asks by its side in words finds it too
CREATE INDEX ledger_record_device ON telemetry.ledger_record (device_id, dataset, happened_at);

COMMENT ON TABLE telemetry.ledger_record IS
'What people told the ledger about devices, append-only: a meter that was replaced, what a reading should have reported, energy to add or take, what is to become of an event. A cancellation takes back another row.';
COMMENT ON COLUMN telemetry.ledger_record.record_id IS 'Which record, in order.';
COMMENT ON COLUMN telemetry.ledger_record.recorded_at IS 'When it was made.';
COMMENT ON COLUMN telemetry.ledger_record.made_by IS
'Who made it: the login of the database, or key and the name of the key of the API.';
COMMENT ON COLUMN telemetry.ledger_record.record IS 'exchange, correction, booking, resolution or cancellation.';
COMMENT ON COLUMN telemetry.ledger_record.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.ledger_record.device_id IS 'The meter''s or vehicle''s id.';
COMMENT ON COLUMN telemetry.ledger_record.happened_at IS
'When it happened: the exchange, the reading that is corrected, the end of what is booked, the event that is resolved; of a cancellation that of the record that it takes back.';
COMMENT ON COLUMN telemetry.ledger_record.starts_at IS
'Where energy is booked: since when it flowed; the same as happened_at where all of it counts in the hour of that moment.';
COMMENT ON COLUMN telemetry.ledger_record.final_mwh IS 'An exchange''s last level of the old register, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.ledger_record.initial_mwh IS
'An exchange''s first level of the new register, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.ledger_record.energy_mwh IS
'The energy that a booking, or a resolution that books, adds, in milliwatt-hours; negative: takes.';
COMMENT ON COLUMN telemetry.ledger_record.reported_kind IS 'What kind of reading a correction is of.';
COMMENT ON COLUMN telemetry.ledger_record.reported_mwh IS
'What that reading reported, energy of a difference or level of a register, in milliwatt-hours: kept here for when the reading is gone.';
COMMENT ON COLUMN telemetry.ledger_record.value_mwh IS
'What it should have reported, in milliwatt-hours; null: nothing, it is taken back.';
COMMENT ON COLUMN telemetry.ledger_record.resolution IS 'What a resolution does about the event: book or dismiss.';
COMMENT ON COLUMN telemetry.ledger_record.cancels IS 'The record that a cancellation takes back.';
COMMENT ON COLUMN telemetry.ledger_record.reason IS 'Why, in the words of who made it.';

CREATE FUNCTION telemetry.refuse_change_of_records()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is refused: records are append-only', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'WL010', HINT = 'Take a record back with ops.cancel_record, and make another.';
END;
$$;

COMMENT ON FUNCTION telemetry.refuse_change_of_records() IS
'Trigger: raises WL010 on whatever would change or remove a record of the ledger.';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON telemetry.ledger_record
FOR EACH STATEMENT EXECUTE FUNCTION telemetry.refuse_change_of_records();

REVOKE UPDATE, DELETE, TRUNCATE ON telemetry.ledger_record FROM wattledger_owner;
