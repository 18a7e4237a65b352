-- Records of the ledger: made and cancelled in the name of a key, and listed.

CREATE OR REPLACE FUNCTION api.make_record(
    record text,
    side text,
    device_id text,
    happened_at timestamptz,
    reason text,
    starts_at timestamptz DEFAULT NULL,
    final_kwh numeric DEFAULT NULL,
    initial_kwh numeric DEFAULT NULL,
    value_kwh numeric DEFAULT NULL,
    withdraw boolean DEFAULT NULL,
    energy_kwh numeric DEFAULT NULL,
    resolution text DEFAULT NULL,
    acting_key text DEFAULT NULL
)
RETURNS TABLE (record_id bigint, is_new boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_dataset text := side || '_reading';
    v_made_by text := telemetry.key_name(acting_key);
    v_needed text[] := CASE record
        WHEN 'exchange' THEN ARRAY['final_kwh', 'initial_kwh']
        WHEN 'correction' THEN ARRAY[CASE WHEN withdraw THEN 'withdraw' ELSE 'value_kwh' END]
        WHEN 'booking' THEN ARRAY['starts_at', 'energy_kwh']
        WHEN 'resolution' THEN ARRAY['resolution']
    END;
    v_allowed text[] := v_needed || CASE record
        WHEN 'correction' THEN ARRAY['withdraw']
        WHEN 'resolution' THEN ARRAY['energy_kwh']
        ELSE ARRAY[]::text[]
    END;
    v_given text[] := array_remove(ARRAY[
        CASE WHEN starts_at IS NOT NULL THEN 'starts_at' END,
        CASE WHEN final_kwh IS NOT NULL THEN 'final_kwh' END,
        CASE WHEN initial_kwh IS NOT NULL THEN 'initial_kwh' END,
        CASE WHEN value_kwh IS NOT NULL THEN 'value_kwh' END,
        CASE WHEN withdraw IS NOT NULL THEN 'withdraw' END,
        CASE WHEN energy_kwh IS NOT NULL THEN 'energy_kwh' END,
        CASE WHEN resolution IS NOT NULL THEN 'resolution' END
    ], NULL);
BEGIN
    IF (v_given @> v_needed AND v_allowed @> v_given) IS NOT TRUE THEN
        RAISE EXCEPTION 'a record of the kind "%" is not told like this', record
            USING ERRCODE = 'WL026',
                HINT = 'An exchange has finalKwh and initialKwh; a correction valueKwh, or "withdraw": true to take the reading back; a booking from and energyKwh; a resolution resolution, and energyKwh where it books what is not known.';
    END IF;
    PERFORM telemetry.commit_durably();
    -- whoever got no answer asks again: what it booked must not be booked twice
    PERFORM pg_advisory_xact_lock(hashtextextended('telemetry.make_record ' || side || ':' || device_id, 0));
    SELECT r.record_id INTO make_record.record_id
    FROM bi.ledger_record AS r
    WHERE r.side = make_record.side
        AND r.device_id = make_record.device_id
        AND r.happened_at = make_record.happened_at
        AND r.record = make_record.record
        AND r.state = 'stands'
        AND r.reason = make_record.reason
        AND r.resolution IS NOT DISTINCT FROM make_record.resolution
        AND r.final_kwh IS NOT DISTINCT FROM round(make_record.final_kwh, 6)
        AND r.initial_kwh IS NOT DISTINCT FROM round(make_record.initial_kwh, 6)
        AND r.value_kwh IS NOT DISTINCT FROM round(make_record.value_kwh, 6)
        AND (make_record.energy_kwh IS NULL OR r.energy_kwh = round(make_record.energy_kwh, 6))
        AND (make_record.starts_at IS NULL OR r.starts_at = make_record.starts_at)
    LIMIT 1;
    make_record.is_new := NOT found;
    IF found THEN
        RETURN NEXT;
        RETURN;
    END IF;
    IF starts_at > happened_at THEN
        RAISE EXCEPTION 'a record starts before it ends'
            USING ERRCODE = 'WL026', HINT = 'Send a "from" that is not later than "at".';
    END IF;
    make_record.record_id := CASE record
        WHEN 'exchange' THEN telemetry.exchange_meter(
            v_dataset, device_id, happened_at, final_kwh, initial_kwh, reason, v_made_by
        )
        WHEN 'correction' THEN telemetry.correct_reading(
            v_dataset, device_id, happened_at, value_kwh, reason, v_made_by
        )
        WHEN 'booking' THEN telemetry.book_energy(
            v_dataset,
            device_id,
            tstzrange(starts_at, happened_at, '[]'),
            energy_kwh,
            reason,
            v_made_by
        )
        ELSE telemetry.resolve_register_event(
            v_dataset, device_id, happened_at, resolution, energy_kwh, reason, v_made_by
        )
    END;
    RETURN NEXT;
END;
$$;

COMMENT ON FUNCTION api.make_record(
    text, text, text, timestamptz, text, timestamptz, numeric, numeric, numeric, boolean, numeric, text, text
) IS
'Makes a record of the ledger in the name of a key. Takes what it is: exchange, correction, booking or resolution; meter or vehicle, and the device''s id; when: the exchange, the reading that is corrected, the event that is resolved, or the end of what is booked; why; since when what is booked flowed; an exchange''s last and first level in kWh; the value that a reading should have reported in kWh, or that it is withdrawn; energy to book in kWh; book or dismiss; and the id of the key (NULL: none). What does not belong to the record is NULL. Returns the record''s id and whether it is new: one that stands and says the same for the same reason is not made again. Raises WL026 where it is told otherwise or cannot be kept, WL027 where there is no such device, reading or event.';

CREATE OR REPLACE FUNCTION api.cancel_record(of_record_id bigint, reason text, acting_key text DEFAULT NULL)
RETURNS TABLE (record_id bigint, is_new boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM telemetry.commit_durably();
    SELECT r.record_id INTO cancel_record.record_id
    FROM telemetry.ledger_record AS r
    WHERE r.cancels = of_record_id AND r.reason = cancel_record.reason;
    cancel_record.is_new := NOT found;
    IF NOT found THEN
        cancel_record.record_id := telemetry.cancel_record(of_record_id, reason, telemetry.key_name(acting_key));
    END IF;
    RETURN NEXT;
END;
$$;

COMMENT ON FUNCTION api.cancel_record(bigint, text, text) IS
'Takes a record back in the name of a key; both stay. Takes the record, why, and the id of the key (NULL: none). Returns the id of the cancellation, and whether it is new: one that was made for the same reason is not made again. Raises WL027 where there is no such record or it is a cancellation, WL026 where it was cancelled already for another reason or raw readings of its time are gone.';

CREATE OR REPLACE FUNCTION api.ledger_records(
    of_meter_id text DEFAULT NULL,
    of_vehicle_id text DEFAULT NULL,
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL,
    of_record_id bigint DEFAULT NULL,
    after text DEFAULT NULL,
    page_size integer DEFAULT 100,
    acting_key text DEFAULT NULL
)
RETURNS TABLE (
    record_id bigint,
    record text,
    meter_id text,
    vehicle_id text,
    happened_at timestamptz,
    starts_at timestamptz,
    reported_kind text,
    reported_kwh numeric,
    value_kwh numeric,
    final_kwh numeric,
    initial_kwh numeric,
    energy_kwh numeric,
    resolution text,
    reason text,
    made_by text,
    recorded_at timestamptz,
    state text,
    cancels bigint,
    cancelled_by bigint,
    sentence text,
    place text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan  -- each of the questions that this is has an index of its own
AS $$
DECLARE
    -- before all, since the newest come first
    v_before bigint := coalesce(
        (telemetry.sorted_by(after, 'records', ARRAY['number']) ->> 0)::bigint, 9223372036854775807
    );
BEGIN
    IF since >= until THEN
        RAISE EXCEPTION 'the window must begin before it ends'
            USING ERRCODE = 'WL002', HINT = 'Send a "to" that is later than "from".';
    END IF;
    RETURN QUERY
    SELECT
        r.record_id,
        r.record,
        CASE WHEN r.side = 'meter' THEN r.device_id END,
        CASE WHEN r.side = 'vehicle' THEN r.device_id END,
        r.happened_at,
        r.starts_at,
        r.reported_kind,
        trim_scale(r.reported_kwh),
        trim_scale(r.value_kwh),
        trim_scale(r.final_kwh),
        trim_scale(r.initial_kwh),
        trim_scale(r.energy_kwh),
        r.resolution,
        r.reason,
        r.made_by,
        r.recorded_at,
        r.state,
        r.cancels,
        r.cancelled_by,
        telemetry.record_sentence(r.record_id),
        telemetry.place('records', jsonb_build_array(r.record_id))
    FROM bi.ledger_record AS r
    WHERE r.record_id < v_before
        AND (ledger_records.of_record_id IS NULL OR r.record_id = ledger_records.of_record_id)
        AND (ledger_records.of_meter_id IS NULL OR (r.side = 'meter' AND r.device_id = ledger_records.of_meter_id))
        AND (
            ledger_records.of_vehicle_id IS NULL
            OR (r.side = 'vehicle' AND r.device_id = ledger_records.of_vehicle_id)
        )
        AND (ledger_records.since IS NULL OR r.happened_at >= ledger_records.since)
        AND (ledger_records.until IS NULL OR coalesce(r.starts_at, r.happened_at) < ledger_records.until)
        AND (
            ledger_records.acting_key IS NULL
            OR EXISTS (
                SELECT FROM telemetry.api_key AS k
                WHERE k.key_id = ledger_records.acting_key
                    AND telemetry.key_covers(k.device_patterns, k.fleet, r.side, r.device_id)
            )
        )
    ORDER BY r.record_id DESC
    LIMIT ledger_records.page_size;
END;
$$;

COMMENT ON FUNCTION api.ledger_records(text, text, timestamptz, timestamptz, bigint, text, integer, text) IS
'Takes a meter and a vehicle to look for (NULL: any), a window that the records are about (since included, NULL: since ever; until not, NULL: no end), a record (NULL: any), the place of the last record of the page before (NULL: the first page), a page size, and the id of the key that asks (NULL: none). Returns records, those made last first, of a key only those about devices that it covers: as bi.ledger_record has them, energy and levels in kWh, each with a sentence that says it, and its place. Raises WL002 where the window is empty, WL008 where the place cannot be read.';

REVOKE ALL ON FUNCTION
    api.make_record(
        text, text, text, timestamptz, text, timestamptz, numeric, numeric, numeric, boolean, numeric, text, text
    ),
    api.cancel_record(bigint, text, text),
    api.ledger_records(text, text, timestamptz, timestamptz, bigint, text, integer, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    api.make_record(
        text, text, text, timestamptz, text, timestamptz, numeric, numeric, numeric, boolean, numeric, text, text
    ),
    api.cancel_record(bigint, text, text),
    api.ledger_records(text, text, timestamptz, timestamptz, bigint, text, integer, text)
TO wattledger_service;
