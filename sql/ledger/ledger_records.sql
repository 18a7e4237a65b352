-- Records of DBAs as they stand: those that were not cancelled.

CREATE OR REPLACE VIEW telemetry.standing_record AS
SELECT
    r.record_id,
    r.record,
    r.dataset,
    r.device_id,
    r.happened_at,
    r.final_mwh,
    r.initial_mwh,
    r.energy_mwh,
    r.why
FROM telemetry.ledger_record AS r
WHERE r.record <> 'cancellation'
    AND NOT EXISTS (
        SELECT FROM telemetry.ledger_record AS c
        WHERE c.cancels = r.record_id
    );

COMMENT ON VIEW telemetry.standing_record IS
'The records of telemetry.ledger_record that were not cancelled, with its columns.';
COMMENT ON COLUMN telemetry.standing_record.record_id IS 'Which record, in order.';
COMMENT ON COLUMN telemetry.standing_record.record IS 'exchange, correction or dismissal.';
COMMENT ON COLUMN telemetry.standing_record.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.standing_record.device_id IS 'The meter''s or vehicle''s id.';
COMMENT ON COLUMN telemetry.standing_record.happened_at IS 'When it happened, or the time of the event that it is about.';
COMMENT ON COLUMN telemetry.standing_record.final_mwh IS 'An exchange''s last level of the old register, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.standing_record.initial_mwh IS
'An exchange''s first level of the new register, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.standing_record.energy_mwh IS 'A correction''s energy in milliwatt-hours.';
COMMENT ON COLUMN telemetry.standing_record.why IS 'Why, in the words of who made it.';

CREATE OR REPLACE FUNCTION telemetry.newest_item(dataset text, device_id text)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN greatest(
        CASE
            WHEN newest_item.dataset = 'meter_reading' THEN (
                SELECT s.ts FROM telemetry.meter_state AS s WHERE s.meter_id = newest_item.device_id
            )
            ELSE (
                SELECT s.ts FROM telemetry.vehicle_state AS s WHERE s.vehicle_id = newest_item.device_id
            )
        END,
        (
            SELECT max(r.happened_at)
            FROM telemetry.standing_record AS r
            WHERE r.dataset = newest_item.dataset
                AND r.device_id = newest_item.device_id
                AND r.record IN ('exchange', 'correction')
        )
    );
END;
$$;

COMMENT ON FUNCTION telemetry.newest_item(text, text) IS
'Takes meter_reading or vehicle_reading and a device. Returns the time of its newest reading, exchange or correction; NULL where there is none.';

CREATE OR REPLACE FUNCTION telemetry.oldest_item(dataset text, device_id text, since timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_oldest timestamptz;
BEGIN
    IF oldest_item.dataset = 'meter_reading' THEN
        SELECT r.ts INTO v_oldest
        FROM telemetry.meter_reading AS r
        WHERE r.meter_id = oldest_item.device_id AND r.entry = 0 AND r.ts >= oldest_item.since
        ORDER BY r.ts
        LIMIT 1;
    ELSE
        SELECT r.ts INTO v_oldest
        FROM telemetry.vehicle_reading AS r
        WHERE r.vehicle_id = oldest_item.device_id AND r.entry = 0 AND r.ts >= oldest_item.since
        ORDER BY r.ts
        LIMIT 1;
    END IF;
    RETURN least(v_oldest, (
        SELECT min(r.happened_at)
        FROM telemetry.standing_record AS r
        WHERE r.dataset = oldest_item.dataset
            AND r.device_id = oldest_item.device_id
            AND r.record IN ('exchange', 'correction')
            AND r.happened_at >= oldest_item.since
    ));
END;
$$;

COMMENT ON FUNCTION telemetry.oldest_item(text, text, timestamptz) IS
'Takes meter_reading or vehicle_reading, a device and a moment. Returns the time of its oldest reading, exchange or correction since then; NULL where there is none.';

REVOKE ALL ON FUNCTION
    telemetry.newest_item(text, text),
    telemetry.oldest_item(text, text, timestamptz)
FROM PUBLIC;
