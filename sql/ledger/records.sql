-- Records of the ledger, made about devices: kept, never changed.

CREATE OR REPLACE FUNCTION telemetry.begin_record(
    dataset text,
    device_id text,
    since timestamptz,
    until timestamptz,
    reason text
)
RETURNS telemetry.accepted
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_accepted telemetry.accepted;
BEGIN
    IF (length(reason) BETWEEN 1 AND 1000) IS NOT TRUE THEN
        RAISE EXCEPTION 'a record needs a reason'
            USING ERRCODE = 'WL026', HINT = 'Say why in 1 to 1,000 characters: it is read by whoever disputes a bill.';
    END IF;
    -- before it looks at what is accepted, as ingestion does: who drops old readings waits for it
    IF dataset = 'meter_reading' THEN
        LOCK TABLE ONLY telemetry.meter_reading IN ROW EXCLUSIVE MODE;
    ELSE
        LOCK TABLE ONLY telemetry.vehicle_reading IN ROW EXCLUSIVE MODE;
    END IF;
    v_accepted := telemetry.acceptance(dataset);
    -- where raw readings are gone nothing can be judged anew
    IF (since >= v_accepted.oldest AND since <= until AND until <= v_accepted.newest) IS NOT TRUE THEN
        RAISE EXCEPTION 'a record about % cannot be kept', coalesce(since::text, 'no time')
            USING ERRCODE = 'WL026',
                HINT = format('It is about a time from %s, since when raw readings are kept, until now.', v_accepted.oldest);
    END IF;
    -- whoever settles the device meanwhile would not see the record, and take it off the queue
    IF NOT telemetry.lock_state(dataset, device_id, TRUE) THEN
        RAISE EXCEPTION 'nothing was ever stored of %', device_id
            USING ERRCODE = 'WL027', HINT = 'Is the id misspelt, or the side? A record is about a device that has reported.';
    END IF;
    RETURN v_accepted;
END;
$$;

COMMENT ON FUNCTION telemetry.begin_record(text, text, timestamptz, timestamptz, text) IS
'Takes the dataset and id of a device, the first and last moment that a record is to be about, and why it is made. Locks the device''s state until this transaction ends, and returns which readings of its side are accepted. Raises WL026 where there is no reason or raw readings of that time are not kept, WL027 where nothing was ever stored of the device.';

CREATE OR REPLACE FUNCTION telemetry.show_correction(dataset text, device_id text, ts timestamptz)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    -- a difference that is none has no kind, and a register no level: then arrival has the next reading settled at once,
    -- since its interval starts before that
    IF dataset = 'meter_reading' THEN
        UPDATE telemetry.meter_state AS s
        SET
            kind = CASE WHEN r.kind <> 'difference' OR c.record_id IS NULL OR c.value_mwh IS NOT NULL THEN r.kind END,
            energy_mwh = CASE
                WHEN c.record_id IS NULL OR (r.kind <> 'difference' AND c.value_mwh IS NOT NULL) THEN r.energy_mwh
                ELSE coalesce(c.value_mwh, 0)
            END,
            register_mwh = CASE
                WHEN r.kind = 'difference' THEN NULL
                WHEN c.record_id IS NULL THEN r.register_mwh
                ELSE c.value_mwh
            END,
            level_mwh = NULL
        FROM telemetry.meter_reading AS r
        LEFT JOIN telemetry.corrected_reading AS c
            ON c.dataset = 'meter_reading' AND c.device_id = r.meter_id AND c.ts = r.ts
        WHERE s.meter_id = show_correction.device_id
            AND s.ts = show_correction.ts
            AND r.meter_id = show_correction.device_id
            AND r.ts = show_correction.ts
            AND r.entry = 0;
    ELSE
        UPDATE telemetry.vehicle_state AS s
        SET
            kind = CASE WHEN r.kind <> 'difference' OR c.record_id IS NULL OR c.value_mwh IS NOT NULL THEN r.kind END,
            energy_mwh = CASE
                WHEN c.record_id IS NULL OR (r.kind <> 'difference' AND c.value_mwh IS NOT NULL) THEN r.energy_mwh
                ELSE coalesce(c.value_mwh, 0)
            END,
            register_mwh = CASE
                WHEN r.kind = 'difference' THEN NULL
                WHEN c.record_id IS NULL THEN r.register_mwh
                ELSE c.value_mwh
            END,
            level_mwh = NULL
        FROM telemetry.vehicle_reading AS r
        LEFT JOIN telemetry.corrected_reading AS c
            ON c.dataset = 'vehicle_reading' AND c.device_id = r.vehicle_id AND c.ts = r.ts
        WHERE s.vehicle_id = show_correction.device_id
            AND s.ts = show_correction.ts
            AND r.vehicle_id = show_correction.device_id
            AND r.ts = show_correction.ts
            AND r.entry = 0;
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.show_correction(text, text, timestamptz) IS
'Takes the dataset and id of a device whose state this transaction has locked, and the time of a reading about which a correction was made or cancelled. Where that is its newest one, its state shows what it should have reported, and settling has to say what the next one counts from. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.keep_record(new_record telemetry.ledger_record)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_record_id bigint;
    -- what it changes: of a cancellation that is what it takes back
    v_about telemetry.ledger_record := new_record;
    v_first date;
    v_last date;
BEGIN
    INSERT INTO telemetry.ledger_record AS r (
        made_by, record, dataset, device_id, happened_at, starts_at, final_mwh, initial_mwh, energy_mwh,
        reported_kind, reported_mwh, value_mwh, resolution, cancels, reason
    )
    VALUES (
        new_record.made_by,
        new_record.record,
        new_record.dataset,
        new_record.device_id,
        new_record.happened_at,
        new_record.starts_at,
        new_record.final_mwh,
        new_record.initial_mwh,
        new_record.energy_mwh,
        new_record.reported_kind,
        new_record.reported_mwh,
        new_record.value_mwh,
        new_record.resolution,
        new_record.cancels,
        new_record.reason
    )
    RETURNING r.record_id INTO v_record_id;
    IF new_record.cancels IS NOT NULL THEN
        SELECT r.* INTO STRICT v_about FROM telemetry.ledger_record AS r WHERE r.record_id = new_record.cancels;
    END IF;
    IF v_about.record = 'correction' THEN
        PERFORM telemetry.show_correction(v_about.dataset, v_about.device_id, v_about.happened_at);
    END IF;
    v_first := telemetry.utc_day(coalesce(v_about.starts_at, v_about.happened_at));
    v_last := telemetry.utc_day(v_about.happened_at);
    -- somebody waits for it: nothing else of an old day is waited for
    INSERT INTO telemetry.settle_queue AS q (dataset, device_id, day, due_at, changed_at, through)
    VALUES (v_about.dataset, v_about.device_id, v_first, now(), '-infinity', v_last)
    ON CONFLICT ON CONSTRAINT settle_queue_pkey DO UPDATE SET
        due_at = least(q.due_at, excluded.due_at),
        changed_at = excluded.changed_at,
        through = greatest(q.through, excluded.through),
        retry_at = '-infinity';
    IF v_about.record = 'correction' THEN
        -- what it explains changes also where no energy does
        PERFORM telemetry.queue_charging(
            v_about.dataset, ARRAY[v_about.device_id], ARRAY[v_first], ARRAY[v_last], ARRAY[TRUE]
        );
    END IF;
    RETURN v_record_id;
EXCEPTION
    WHEN unique_violation THEN
        RAISE EXCEPTION 'record % was cancelled already', new_record.cancels
            USING ERRCODE = 'WL026', HINT = 'bi.ledger_record has cancelled_by.';
    WHEN check_violation OR not_null_violation THEN
        RAISE EXCEPTION 'this record cannot be kept'
            USING ERRCODE = 'WL026',
                HINT = 'It needs its energy or levels in kWh, levels of 0 or more, at most 1,000,000,000, and at most 366 days.';
END;
$$;

COMMENT ON FUNCTION telemetry.keep_record(telemetry.ledger_record) IS
'Keeps a record about a device whose state this transaction has locked, and has the device settled from the first day that it is about. Takes the record, whose id and time of recording are given here. Returns its id. Raises WL026 where it cannot be kept.';

CREATE OR REPLACE FUNCTION telemetry.recorded_mwh(kwh numeric)
RETURNS bigint
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF kwh IS NOT NULL AND (abs(kwh) <= 1000000000) IS NOT TRUE THEN
        RAISE EXCEPTION '% kWh cannot be recorded', kwh
            USING ERRCODE = 'WL026', HINT = 'Energy and levels are in kWh, at most 1,000,000,000.';
    END IF;
    RETURN round(telemetry.mwh(kwh))::bigint;
END;
$$;

COMMENT ON FUNCTION telemetry.recorded_mwh(numeric) IS
'Takes energy or a level in kWh. Returns it in whole milliwatt-hours; NULL for NULL. Raises WL026 where it is no number, or beyond 1,000,000,000 kWh either way.';

REVOKE ALL ON FUNCTION
    telemetry.begin_record(text, text, timestamptz, timestamptz, text),
    telemetry.show_correction(text, text, timestamptz),
    telemetry.keep_record(telemetry.ledger_record),
    telemetry.recorded_mwh(numeric)
FROM PUBLIC;
