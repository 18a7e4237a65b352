-- Records of devices as they stand: those that were not cancelled, and what they say of readings and hours.

CREATE OR REPLACE VIEW telemetry.standing_record AS
SELECT
    r.record_id,
    r.record,
    r.dataset,
    r.device_id,
    r.happened_at,
    r.starts_at,
    r.final_mwh,
    r.initial_mwh,
    r.energy_mwh,
    r.reported_kind,
    r.value_mwh,
    r.reason
FROM telemetry.ledger_record AS r
WHERE r.record <> 'cancellation'
    AND NOT EXISTS (
        SELECT FROM telemetry.ledger_record AS c
        WHERE c.cancels = r.record_id
    );

COMMENT ON VIEW telemetry.standing_record IS
'The records of telemetry.ledger_record that were not cancelled, with its columns.';
COMMENT ON COLUMN telemetry.standing_record.record_id IS 'Which record, in order.';
COMMENT ON COLUMN telemetry.standing_record.record IS 'exchange, correction, booking or resolution.';
COMMENT ON COLUMN telemetry.standing_record.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.standing_record.device_id IS 'The meter''s or vehicle''s id.';
COMMENT ON COLUMN telemetry.standing_record.happened_at IS
'When it happened: the exchange, the reading that is corrected, the end of what is booked, the event that is resolved.';
COMMENT ON COLUMN telemetry.standing_record.starts_at IS 'Since when energy that is booked flowed; NULL where none is.';
COMMENT ON COLUMN telemetry.standing_record.final_mwh IS 'An exchange''s last level of the old register, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.standing_record.initial_mwh IS
'An exchange''s first level of the new register, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.standing_record.energy_mwh IS 'The energy that is booked, in milliwatt-hours; negative: taken.';
COMMENT ON COLUMN telemetry.standing_record.reported_kind IS 'What kind of reading a correction is of.';
COMMENT ON COLUMN telemetry.standing_record.value_mwh IS
'What a corrected reading should have reported, in milliwatt-hours; NULL: nothing.';
COMMENT ON COLUMN telemetry.standing_record.reason IS 'Why, in the words of who made it.';

CREATE OR REPLACE VIEW telemetry.corrected_reading AS
SELECT DISTINCT ON (r.dataset, r.device_id, r.happened_at)
    r.dataset,
    r.device_id,
    r.happened_at AS ts,
    r.record_id,
    r.reported_kind AS kind,
    r.value_mwh
FROM telemetry.standing_record AS r
WHERE r.record = 'correction'
ORDER BY r.dataset, r.device_id, r.happened_at, r.record_id DESC;

COMMENT ON VIEW telemetry.corrected_reading IS
'What readings should have reported, one row per reading: the newest correction that stands.';
COMMENT ON COLUMN telemetry.corrected_reading.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.corrected_reading.device_id IS 'The meter''s or vehicle''s id.';
COMMENT ON COLUMN telemetry.corrected_reading.ts IS 'The time of the reading.';
COMMENT ON COLUMN telemetry.corrected_reading.record_id IS 'The record that says so.';
COMMENT ON COLUMN telemetry.corrected_reading.kind IS 'What the reading reported.';
COMMENT ON COLUMN telemetry.corrected_reading.value_mwh IS
'Energy of a difference or level of a register, in milliwatt-hours; NULL: it is taken back.';

CREATE OR REPLACE VIEW telemetry.booked_hour AS
SELECT
    r.dataset,
    r.device_id,
    r.record_id,
    h.hour,
    -- of one moment all counts in its hour
    CASE WHEN r.starts_at = r.happened_at THEN r.happened_at ELSE greatest(h.hour, r.starts_at) END AS ts,
    CASE
        WHEN r.starts_at = r.happened_at THEN r.energy_mwh
        ELSE telemetry.part_before(h.hour + INTERVAL '1 hour', r.energy_mwh, r.starts_at, r.happened_at)
            - telemetry.part_before(h.hour, r.energy_mwh, r.starts_at, r.happened_at)
    END AS energy_mwh
FROM telemetry.standing_record AS r
CROSS JOIN LATERAL generate_series(
    telemetry.floor_hour(r.starts_at),
    telemetry.floor_hour(
        CASE WHEN r.starts_at = r.happened_at THEN r.happened_at ELSE r.happened_at - INTERVAL '1 microsecond' END
    ),
    INTERVAL '1 hour'
) AS h (hour)
WHERE r.energy_mwh IS NOT NULL;

COMMENT ON VIEW telemetry.booked_hour IS
'Energy that records add or take, one row per record and hour, in proportion to time.';
COMMENT ON COLUMN telemetry.booked_hour.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN telemetry.booked_hour.device_id IS 'The meter''s or vehicle''s id.';
COMMENT ON COLUMN telemetry.booked_hour.record_id IS 'The record that says so.';
COMMENT ON COLUMN telemetry.booked_hour.hour IS 'Start of the hour.';
COMMENT ON COLUMN telemetry.booked_hour.ts IS 'Where in the hour it is put.';
COMMENT ON COLUMN telemetry.booked_hour.energy_mwh IS 'The energy of that hour, in milliwatt-hours; negative: taken.';

CREATE OR REPLACE FUNCTION telemetry.corrections_of(dataset text, device_id text)
RETURNS telemetry.corrected_reading[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN ARRAY(
        SELECT c
        FROM telemetry.corrected_reading AS c
        WHERE c.dataset = corrections_of.dataset AND c.device_id = corrections_of.device_id
    );
END;
$$;

COMMENT ON FUNCTION telemetry.corrections_of(text, text) IS
'Takes meter_reading or vehicle_reading, and a device. Returns what readings of it should have reported, of any time.';

CREATE OR REPLACE FUNCTION telemetry.withdrawn_at(dataset text, device_id text)
RETURNS timestamptz[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN ARRAY(
        SELECT c.ts
        FROM telemetry.corrected_reading AS c
        WHERE c.dataset = withdrawn_at.dataset AND c.device_id = withdrawn_at.device_id AND c.value_mwh IS NULL
    );
END;
$$;

COMMENT ON FUNCTION telemetry.withdrawn_at(text, text) IS
'Takes meter_reading or vehicle_reading, and a device. Returns the times of its readings that were taken back, in any order; an empty array where there are none.';

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
            -- an interval that ends with an hour has nothing in the next one
            SELECT max(r.happened_at - CASE WHEN r.starts_at < r.happened_at THEN INTERVAL '1 microsecond' ELSE '0' END)
            FROM telemetry.standing_record AS r
            WHERE r.dataset = newest_item.dataset
                AND r.device_id = newest_item.device_id
                AND (r.record = 'exchange' OR r.energy_mwh IS NOT NULL)
        )
    );
END;
$$;

COMMENT ON FUNCTION telemetry.newest_item(text, text) IS
'Takes meter_reading or vehicle_reading and a device. Returns the time of its newest reading, of its newest exchange, or of the end of what was booked last; NULL where there is none.';

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
        SELECT min(greatest(coalesce(r.starts_at, r.happened_at), oldest_item.since))
        FROM telemetry.standing_record AS r
        WHERE r.dataset = oldest_item.dataset
            AND r.device_id = oldest_item.device_id
            AND (r.record = 'exchange' OR r.energy_mwh IS NOT NULL)
            AND r.happened_at >= oldest_item.since
    ));
END;
$$;

COMMENT ON FUNCTION telemetry.oldest_item(text, text, timestamptz) IS
'Takes meter_reading or vehicle_reading, a device and a moment. Returns the time of its oldest reading, exchange or start of what was booked since then; NULL where there is none.';

REVOKE ALL ON FUNCTION
    telemetry.corrections_of(text, text),
    telemetry.withdrawn_at(text, text),
    telemetry.newest_item(text, text),
    telemetry.oldest_item(text, text, timestamptz)
FROM PUBLIC;
