-- Records of the ledger, which DBAs make about devices: kept, never changed.

CREATE OR REPLACE FUNCTION telemetry.keep_record(
    record text,
    dataset text,
    device_id text,
    happened_at timestamptz,
    why text,
    final_mwh numeric DEFAULT NULL,
    initial_mwh numeric DEFAULT NULL,
    energy_mwh numeric DEFAULT NULL,
    cancels bigint DEFAULT NULL
)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_accepted telemetry.accepted := telemetry.acceptance(dataset);
    v_record_id bigint;
BEGIN
    -- where raw readings are gone nothing can be judged anew
    IF (happened_at BETWEEN v_accepted.oldest AND v_accepted.newest) IS NOT TRUE THEN
        RAISE EXCEPTION 'a record about % cannot be kept', coalesce(happened_at::text, 'no time')
            USING ERRCODE = 'WL026',
                HINT = format('It is about a moment from %s, since when raw readings are kept, until now.', v_accepted.oldest);
    END IF;
    -- whoever settles the device meanwhile would not see the record, and take it off the queue
    IF NOT telemetry.lock_state(dataset, device_id, TRUE) THEN
        RAISE EXCEPTION 'nothing was ever stored of %', device_id
            USING ERRCODE = 'WL027', HINT = 'Is the id misspelt, or the side? A record is about a device that has reported.';
    END IF;
    INSERT INTO telemetry.ledger_record AS r (
        record, dataset, device_id, happened_at, final_mwh, initial_mwh, energy_mwh, cancels, why
    )
    VALUES (
        keep_record.record,
        keep_record.dataset,
        keep_record.device_id,
        keep_record.happened_at,
        round(keep_record.final_mwh)::bigint,
        round(keep_record.initial_mwh)::bigint,
        round(keep_record.energy_mwh)::bigint,
        keep_record.cancels,
        keep_record.why
    )
    RETURNING r.record_id INTO v_record_id;
    PERFORM telemetry.queue_to_settle(
        dataset, ARRAY[device_id], ARRAY[telemetry.utc_day(happened_at)], ARRAY[now()]
    );
    RETURN v_record_id;
EXCEPTION
    WHEN unique_violation THEN
        RAISE EXCEPTION 'record % was cancelled already', keep_record.cancels
            USING ERRCODE = 'WL026', HINT = 'ops.ledger_records has cancelled_by.';
    WHEN check_violation OR not_null_violation OR numeric_value_out_of_range OR feature_not_supported THEN
        RAISE EXCEPTION 'this record cannot be kept'
            USING ERRCODE = 'WL026',
                HINT = 'It needs its energy or levels in kWh, levels of 0 or more, at most 1,000,000,000, and 1 to 1,000 characters that say why.';
END;
$$;

COMMENT ON FUNCTION telemetry.keep_record(text, text, text, timestamptz, text, numeric, numeric, numeric, bigint) IS
'Keeps a record about a device, and has the device be settled from that day on. Takes what it is, the device''s dataset and id, the moment that it is about, why, and what such a record says: levels and energy in milliwatt-hours, or the record that it cancels. Returns the record''s id. Raises WL026 where it cannot be kept, WL027 where nothing was ever stored of the device.';

REVOKE ALL ON FUNCTION telemetry.keep_record(
    text, text, text, timestamptz, text, numeric, numeric, numeric, bigint
) FROM PUBLIC;
