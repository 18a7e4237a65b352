-- Records of the ledger: what DBAs say about devices, and the list of it.

CREATE OR REPLACE VIEW ops.ledger_records AS
SELECT
    r.record_id,
    r.recorded_at,
    r.login,
    r.record,
    split_part(r.dataset, '_', 1) || ':' || r.device_id AS device,
    r.happened_at,
    telemetry.kwh(r.final_mwh)::numeric(20, 6) AS final_kwh,
    telemetry.kwh(r.initial_mwh)::numeric(20, 6) AS initial_kwh,
    telemetry.kwh(r.energy_mwh)::numeric(20, 6) AS energy_kwh,
    r.why,
    r.cancels,
    c.record_id AS cancelled_by
FROM telemetry.ledger_record AS r
LEFT JOIN telemetry.ledger_record AS c ON c.cancels = r.record_id;

COMMENT ON VIEW ops.ledger_records IS 'What DBAs told the ledger about devices, one row per record. Nothing is ever removed from it.';
COMMENT ON COLUMN ops.ledger_records.record_id IS 'Which record, in order.';
COMMENT ON COLUMN ops.ledger_records.recorded_at IS 'When it was made.';
COMMENT ON COLUMN ops.ledger_records.login IS 'The login of the database that made it.';
COMMENT ON COLUMN ops.ledger_records.record IS 'exchange, correction, dismissal or cancellation.';
COMMENT ON COLUMN ops.ledger_records.device IS 'The device: meter: or vehicle: and its id.';
COMMENT ON COLUMN ops.ledger_records.happened_at IS 'When it happened, or the time of the event that it is about.';
COMMENT ON COLUMN ops.ledger_records.final_kwh IS 'An exchange''s last level of the old register, in kWh.';
COMMENT ON COLUMN ops.ledger_records.initial_kwh IS 'An exchange''s first level of the new register, in kWh.';
COMMENT ON COLUMN ops.ledger_records.energy_kwh IS 'A correction''s energy in kWh; negative: to take.';
COMMENT ON COLUMN ops.ledger_records.why IS 'Why, in the words of who made it.';
COMMENT ON COLUMN ops.ledger_records.cancels IS 'The record that a cancellation takes back; NULL for others.';
COMMENT ON COLUMN ops.ledger_records.cancelled_by IS 'The record that takes this one back; NULL: it holds.';

CREATE OR REPLACE FUNCTION ops.record_exchange(
    device text,
    happened_at timestamptz,
    final_kwh numeric,
    initial_kwh numeric,
    why text
)
RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT telemetry.keep_record(
        'exchange',
        d.dataset,
        d.device_id,
        record_exchange.happened_at,
        record_exchange.why,
        final_mwh => telemetry.mwh(record_exchange.final_kwh),
        initial_mwh => telemetry.mwh(record_exchange.initial_kwh)
    )
    FROM telemetry.named_device(record_exchange.device) AS d
$$;

COMMENT ON FUNCTION ops.record_exchange(text, timestamptz, numeric, numeric, text) IS
'Says that a device''s register was replaced: what the old one still counted is added, and the next reading counts from the new one''s first level. Takes the device (meter: or vehicle: and its id), when, the last level of the old register and the first of the new one in kWh, and why. Returns the record''s id, for ops.cancel_record. Raises WL026 where no device is named or the record cannot be kept, WL027 where nothing was ever stored of the device.';

CREATE OR REPLACE FUNCTION ops.record_correction(
    device text,
    happened_at timestamptz,
    energy_kwh numeric,
    why text
)
RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT telemetry.keep_record(
        'correction',
        d.dataset,
        d.device_id,
        record_correction.happened_at,
        record_correction.why,
        energy_mwh => telemetry.mwh(record_correction.energy_kwh)
    )
    FROM telemetry.named_device(record_correction.device) AS d
$$;

COMMENT ON FUNCTION ops.record_correction(text, timestamptz, numeric, text) IS
'Adds energy to the hour of a moment, or takes some. At the time of an open event it settles that. Takes the device (meter: or vehicle: and its id), when, energy in kWh (negative: to take), and why. Returns the record''s id, for ops.cancel_record. Raises WL026 where no device is named or the record cannot be kept, WL027 where nothing was ever stored of the device.';

CREATE OR REPLACE FUNCTION ops.dismiss_event(device text, happened_at timestamptz, why text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_device record;
BEGIN
    SELECT d.dataset, d.device_id INTO v_device FROM telemetry.named_device(device) AS d;
    IF NOT EXISTS (
        SELECT
        FROM telemetry.register_event AS e
        WHERE e.dataset = v_device.dataset AND e.device_id = v_device.device_id
            AND e.happened_at = dismiss_event.happened_at
    ) THEN
        RAISE EXCEPTION 'there is no event of % at that time', device
            USING ERRCODE = 'WL027', HINT = 'bi.register_event lists them, with their times to the microsecond.';
    END IF;
    RETURN telemetry.keep_record('dismissal', v_device.dataset, v_device.device_id, happened_at, why);
END;
$$;

COMMENT ON FUNCTION ops.dismiss_event(text, timestamptz, text) IS
'Settles an open event without energy. Takes the device (meter: or vehicle: and its id), the event''s time as bi.register_event has it, and why. Returns the record''s id, for ops.cancel_record. Raises WL027 where there is no event at that time, WL026 where no device is named or the record cannot be kept.';

CREATE OR REPLACE FUNCTION ops.cancel_record(record_id bigint, why text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_record telemetry.ledger_record;
BEGIN
    SELECT r.* INTO v_record FROM telemetry.ledger_record AS r WHERE r.record_id = cancel_record.record_id;
    IF NOT found OR v_record.record = 'cancellation' THEN
        RAISE EXCEPTION 'there is no record % that could be cancelled', coalesce(cancel_record.record_id::text, 'null')
            USING ERRCODE = 'WL027', HINT = 'ops.ledger_records lists them. Instead of cancelling a cancellation, make the record again.';
    END IF;
    RETURN telemetry.keep_record(
        'cancellation',
        v_record.dataset,
        v_record.device_id,
        v_record.happened_at,
        cancel_record.why,
        cancels => cancel_record.record_id
    );
END;
$$;

COMMENT ON FUNCTION ops.cancel_record(bigint, text) IS
'Takes a record back, as if it had not been made; both stay in ops.ledger_records. Takes the record''s id and why. Returns the id of the cancellation. Raises WL027 where there is no such record, or it is a cancellation, WL026 where it was cancelled already or raw readings of its time are gone.';

REVOKE ALL ON ops.ledger_records FROM PUBLIC;
GRANT SELECT ON ops.ledger_records TO wattledger_dba;
REVOKE ALL ON FUNCTION
    ops.record_exchange(text, timestamptz, numeric, numeric, text),
    ops.record_correction(text, timestamptz, numeric, text),
    ops.dismiss_event(text, timestamptz, text),
    ops.cancel_record(bigint, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    ops.record_exchange(text, timestamptz, numeric, numeric, text),
    ops.record_correction(text, timestamptz, numeric, text),
    ops.dismiss_event(text, timestamptz, text),
    ops.cancel_record(bigint, text)
TO wattledger_dba;
