-- Kinds of records: what each says, and what has to be so for it to be kept. Who makes it is told, since logins of the
-- database and keys of the API do.

CREATE OR REPLACE FUNCTION telemetry.new_record(
    record text,
    dataset text,
    device_id text,
    happened_at timestamptz,
    reason text,
    made_by text
)
RETURNS telemetry.ledger_record
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_new telemetry.ledger_record;
BEGIN
    v_new.record := record;
    v_new.dataset := dataset;
    v_new.device_id := device_id;
    v_new.happened_at := happened_at;
    v_new.reason := reason;
    v_new.made_by := made_by;
    RETURN v_new;
END;
$$;

COMMENT ON FUNCTION telemetry.new_record(text, text, text, timestamptz, text, text) IS
'Takes what all records say: the kind, the dataset and id of the device, the moment, why, and who says so. Returns such a record, which nothing keeps yet.';

CREATE OR REPLACE FUNCTION telemetry.exchange_meter(
    dataset text,
    device_id text,
    at timestamptz,
    final_kwh numeric,
    initial_kwh numeric,
    reason text,
    made_by text
)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_new telemetry.ledger_record;
BEGIN
    PERFORM telemetry.begin_record(dataset, device_id, at, at, reason);
    v_new := telemetry.new_record('exchange', dataset, device_id, at, reason, made_by);
    v_new.final_mwh := telemetry.recorded_mwh(final_kwh);
    v_new.initial_mwh := telemetry.recorded_mwh(initial_kwh);
    RETURN telemetry.keep_record(v_new);
END;
$$;

COMMENT ON FUNCTION telemetry.exchange_meter(text, text, timestamptz, numeric, numeric, text, text) IS
'Records that a device''s register was replaced. Takes meter_reading or vehicle_reading, the device, when, the last level of the old register and the first of the new one in kWh, why, and who says so. Returns the record''s id. Raises WL026 where it cannot be kept, WL027 where nothing was ever stored of the device.';

CREATE OR REPLACE FUNCTION telemetry.correct_reading(
    dataset text,
    device_id text,
    ts timestamptz,
    value_kwh numeric,
    reason text,
    made_by text
)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_accepted telemetry.accepted;
    v_bounds telemetry.limits;
    v_new telemetry.ledger_record;
BEGIN
    v_accepted := telemetry.begin_record(dataset, device_id, ts, ts, reason);
    v_new := telemetry.new_record('correction', dataset, device_id, ts, reason, made_by);
    IF dataset = 'meter_reading' THEN
        SELECT m.kind, coalesce(m.register_mwh, m.energy_mwh) INTO v_new.reported_kind, v_new.reported_mwh
        FROM telemetry.meter_reading AS m
        WHERE m.meter_id = correct_reading.device_id AND m.ts = correct_reading.ts AND m.entry = 0;
    ELSE
        SELECT v.kind, coalesce(v.register_mwh, v.energy_mwh) INTO v_new.reported_kind, v_new.reported_mwh
        FROM telemetry.vehicle_reading AS v
        WHERE v.vehicle_id = correct_reading.device_id AND v.ts = correct_reading.ts AND v.entry = 0;
    END IF;
    IF NOT found THEN
        RAISE EXCEPTION 'there is no reading of % at %', device_id, ts
            USING ERRCODE = 'WL027',
                HINT = 'ops.explain_hour lists readings, with their times to the microsecond. ops.book_energy adds what no reading tells.';
    END IF;
    v_bounds := CASE WHEN v_new.reported_kind = 'difference' THEN v_accepted.energy ELSE v_accepted.register END;
    v_new.value_mwh := telemetry.recorded_mwh(value_kwh);
    IF NOT (value_kwh BETWEEN v_bounds.minimum::numeric AND v_bounds.maximum::numeric) THEN
        RAISE EXCEPTION '% kWh is no value of a reading: allowed is % to %', value_kwh, v_bounds.minimum, v_bounds.maximum
            USING ERRCODE = 'WL026', HINT = 'The bounds are those of readings that come in; ops.set_limits moves them.';
    END IF;
    RETURN telemetry.keep_record(v_new);
END;
$$;

COMMENT ON FUNCTION telemetry.correct_reading(text, text, timestamptz, numeric, text, text) IS
'Records what a reading should have reported. Takes meter_reading or vehicle_reading, the device, the time of the reading to the microsecond, the energy of its difference or the level of its register in kWh (NULL: it is taken back, as if it had never been sent), why, and who says so. Returns the record''s id. Raises WL026 where it cannot be kept or the value is out of bounds, WL027 where there is no such reading.';

CREATE OR REPLACE FUNCTION telemetry.book_energy(
    dataset text,
    device_id text,
    during tstzrange,
    energy_kwh numeric,
    reason text,
    made_by text
)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_new telemetry.ledger_record;
BEGIN
    IF isempty(during) THEN
        RAISE EXCEPTION 'an empty interval has no hour'
            USING ERRCODE = 'WL026', HINT = 'An interval of one moment is written [t,t], and counts in its hour.';
    END IF;
    PERFORM telemetry.begin_record(dataset, device_id, lower(during), upper(during), reason);
    v_new := telemetry.new_record('booking', dataset, device_id, upper(during), reason, made_by);
    v_new.starts_at := lower(during);
    v_new.energy_mwh := telemetry.recorded_mwh(energy_kwh);
    RETURN telemetry.keep_record(v_new);
END;
$$;

COMMENT ON FUNCTION telemetry.book_energy(text, text, tstzrange, numeric, text, text) IS
'Records energy that no reading tells. Takes meter_reading or vehicle_reading, the device, the interval in which it flowed (both ends told; [t,t] counts in the hour of t), the energy in kWh (negative: to take), why, and who says so. Returns the record''s id. Raises WL026 where it cannot be kept, WL027 where nothing was ever stored of the device.';

CREATE OR REPLACE FUNCTION telemetry.resolve_register_event(
    dataset text,
    device_id text,
    happened_at timestamptz,
    resolution text,
    energy_kwh numeric,
    reason text,
    made_by text
)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_new telemetry.ledger_record;
    v_event telemetry.register_event;
    v_accepted telemetry.accepted;
    v_earlier bigint;
BEGIN
    IF (resolution IN ('book', 'dismiss')) IS NOT TRUE THEN
        RAISE EXCEPTION 'an event is resolved by book or dismiss' USING ERRCODE = 'WL026';
    END IF;
    IF resolution = 'dismiss' AND energy_kwh IS NOT NULL THEN
        RAISE EXCEPTION 'what is dismissed books no energy' USING ERRCODE = 'WL026', HINT = 'Give the energy with book.';
    END IF;
    v_accepted := telemetry.begin_record(dataset, device_id, happened_at, happened_at, reason);
    SELECT e.* INTO v_event
    FROM telemetry.register_event AS e
    WHERE e.dataset = resolve_register_event.dataset
        AND e.device_id = resolve_register_event.device_id
        AND e.happened_at = resolve_register_event.happened_at
        AND e.event IN ('reset', 'jump');
    IF NOT found THEN
        RAISE EXCEPTION 'there is no reset or jump of % at that time', device_id
            USING ERRCODE = 'WL027', HINT = 'bi.register_event lists them, with their times to the microsecond.';
    END IF;
    SELECT max(r.record_id) INTO v_earlier
    FROM telemetry.standing_record AS r
    WHERE r.dataset = resolve_register_event.dataset
        AND r.device_id = resolve_register_event.device_id
        AND r.happened_at = resolve_register_event.happened_at
        AND r.record = 'resolution';
    IF v_earlier IS NOT NULL THEN
        RAISE EXCEPTION 'record % has resolved that event', v_earlier
            USING ERRCODE = 'WL026', HINT = 'Take that back with ops.cancel_record first.';
    END IF;
    v_new := telemetry.new_record('resolution', dataset, device_id, happened_at, reason, made_by);
    v_new.resolution := resolution;
    IF resolution = 'book' THEN
        IF energy_kwh IS NULL AND v_event.event <> 'jump' THEN
            RAISE EXCEPTION 'nobody knows what flowed before a reset'
                USING ERRCODE = 'WL026', HINT = 'Say it in kWh, or dismiss the event.';
        END IF;
        v_new.energy_mwh := coalesce(telemetry.recorded_mwh(energy_kwh), v_event.explained_mwh);
        -- since the reading before it, as any step of a register
        v_new.starts_at := greatest(
            coalesce(telemetry.reading_before(dataset, device_id, happened_at), happened_at),
            v_accepted.oldest
        );
    END IF;
    RETURN telemetry.keep_record(v_new);
END;
$$;

COMMENT ON FUNCTION telemetry.resolve_register_event(text, text, timestamptz, text, numeric, text, text) IS
'Records what is to become of a reset or jump. Takes meter_reading or vehicle_reading, the device, the event''s time as bi.register_event has it, book or dismiss, the energy to book in kWh since the reading before it (NULL: what the register rose by in a jump), why, and who says so. Returns the record''s id. Raises WL026 where it cannot be kept, is resolved already or its energy is not known, WL027 where there is no such event.';

CREATE OR REPLACE FUNCTION telemetry.cancel_record(record_id bigint, reason text, made_by text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_record telemetry.ledger_record;
    v_new telemetry.ledger_record;
BEGIN
    SELECT r.* INTO v_record FROM telemetry.ledger_record AS r WHERE r.record_id = cancel_record.record_id;
    IF NOT found OR v_record.record = 'cancellation' THEN
        RAISE EXCEPTION 'there is no record % that could be cancelled', coalesce(cancel_record.record_id::text, 'null')
            USING ERRCODE = 'WL027', HINT = 'bi.ledger_record lists them. Instead of cancelling a cancellation, make the record again.';
    END IF;
    PERFORM telemetry.begin_record(
        v_record.dataset,
        v_record.device_id,
        coalesce(v_record.starts_at, v_record.happened_at),
        v_record.happened_at,
        cancel_record.reason
    );
    v_new := telemetry.new_record(
        'cancellation', v_record.dataset, v_record.device_id, v_record.happened_at, reason, made_by
    );
    v_new.cancels := cancel_record.record_id;
    RETURN telemetry.keep_record(v_new);
END;
$$;

COMMENT ON FUNCTION telemetry.cancel_record(bigint, text, text) IS
'Records that a record was none. Takes its id, why, and who says so. Returns the id of the cancellation. Raises WL027 where there is no such record or it is a cancellation, WL026 where it was cancelled already or raw readings of its time are gone.';

REVOKE ALL ON FUNCTION
    telemetry.new_record(text, text, text, timestamptz, text, text),
    telemetry.exchange_meter(text, text, timestamptz, numeric, numeric, text, text),
    telemetry.correct_reading(text, text, timestamptz, numeric, text, text),
    telemetry.book_energy(text, text, tstzrange, numeric, text, text),
    telemetry.resolve_register_event(text, text, timestamptz, text, numeric, text, text),
    telemetry.cancel_record(bigint, text, text)
FROM PUBLIC;
