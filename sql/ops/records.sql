-- Records of the ledger, as DBAs make them: each with a reason, in the name of their login.

CREATE OR REPLACE FUNCTION ops.exchange_meter(
    device text,
    at timestamptz,
    final_kwh numeric,
    initial_kwh numeric,
    reason text
)
RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT telemetry.exchange_meter(
        d.dataset,
        d.device_id,
        exchange_meter.at,
        exchange_meter.final_kwh,
        exchange_meter.initial_kwh,
        exchange_meter.reason,
        session_user
    )
    FROM telemetry.named_device(exchange_meter.device) AS d
$$;

COMMENT ON FUNCTION ops.exchange_meter(text, timestamptz, numeric, numeric, text) IS
'Says that a device''s register was replaced: what the old one still counted is added, and the next reading counts from the new one''s first level. Takes the device (meter: or vehicle: and its id), when, the last level of the old register and the first of the new one in kWh, and why. Returns the record''s id, for ops.cancel_record. Raises WL026 where no device is named or the record cannot be kept, WL027 where nothing was ever stored of the device.';

CREATE OR REPLACE FUNCTION ops.correct_reading(device text, ts timestamptz, value_kwh numeric, reason text)
RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT telemetry.correct_reading(
        d.dataset, d.device_id, correct_reading.ts, correct_reading.value_kwh, correct_reading.reason, session_user
    )
    FROM telemetry.named_device(correct_reading.device) AS d
$$;

COMMENT ON FUNCTION ops.correct_reading(text, timestamptz, numeric, text) IS
'Says what a reading should have reported; what it did report stays stored. A later correction of the same reading goes before this one. Takes the device (meter: or vehicle: and its id), the time of the reading to the microsecond, the energy of its difference or the level of its register in kWh (NULL: it is taken back, as if it had never been sent), and why. Returns the record''s id, for ops.cancel_record. Raises WL026 where no device is named, the value is beyond what a reading may have, or the record cannot be kept, WL027 where there is no such reading.';

CREATE OR REPLACE FUNCTION ops.book_energy(device text, during tstzrange, energy_kwh numeric, reason text)
RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT telemetry.book_energy(
        d.dataset, d.device_id, book_energy.during, book_energy.energy_kwh, book_energy.reason, session_user
    )
    FROM telemetry.named_device(book_energy.device) AS d
$$;

COMMENT ON FUNCTION ops.book_energy(text, tstzrange, numeric, text) IS
'Adds energy that no reading tells to the hours of an interval, in proportion to time, or takes some. Registers stay where they are. Takes the device (meter: or vehicle: and its id), the interval (both ends told; [t,t] counts in the hour of t), energy in kWh (negative: to take), and why. Returns the record''s id, for ops.cancel_record. Raises WL026 where no device is named or the record cannot be kept, WL027 where nothing was ever stored of the device.';

CREATE OR REPLACE FUNCTION ops.resolve_register_event(
    device text,
    happened_at timestamptz,
    resolution text,
    reason text,
    energy_kwh numeric DEFAULT NULL
)
RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT telemetry.resolve_register_event(
        d.dataset,
        d.device_id,
        resolve_register_event.happened_at,
        resolve_register_event.resolution,
        resolve_register_event.energy_kwh,
        resolve_register_event.reason,
        session_user
    )
    FROM telemetry.named_device(resolve_register_event.device) AS d
$$;

COMMENT ON FUNCTION ops.resolve_register_event(text, timestamptz, text, text, numeric) IS
'Settles an open reset or jump of a register. Takes the device (meter: or vehicle: and its id), the event''s time as bi.register_event has it, book or dismiss, why, and the energy in kWh to book since the reading before it (NULL: what the register rose by in a jump; of a reset it has to be said). Returns the record''s id, for ops.cancel_record. Raises WL027 where there is no reset or jump at that time, WL026 where no device is named, it was resolved already, its energy is not known, or the record cannot be kept.';

CREATE OR REPLACE FUNCTION ops.cancel_record(record_id bigint, reason text)
RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT telemetry.cancel_record(cancel_record.record_id, cancel_record.reason, session_user)
$$;

COMMENT ON FUNCTION ops.cancel_record(bigint, text) IS
'Takes a record back, as if it had not been made; both stay in bi.ledger_record. Takes the record''s id and why. Returns the id of the cancellation. Raises WL027 where there is no such record, or it is a cancellation, WL026 where it was cancelled already or raw readings of its time are gone.';

REVOKE ALL ON FUNCTION
    ops.exchange_meter(text, timestamptz, numeric, numeric, text),
    ops.correct_reading(text, timestamptz, numeric, text),
    ops.book_energy(text, tstzrange, numeric, text),
    ops.resolve_register_event(text, timestamptz, text, text, numeric),
    ops.cancel_record(bigint, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    ops.exchange_meter(text, timestamptz, numeric, numeric, text),
    ops.correct_reading(text, timestamptz, numeric, text),
    ops.book_energy(text, tstzrange, numeric, text),
    ops.resolve_register_event(text, timestamptz, text, text, numeric),
    ops.cancel_record(bigint, text)
TO wattledger_dba;
