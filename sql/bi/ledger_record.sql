-- Records of the ledger, and the entries that hold its energy, for analysts.

CREATE OR REPLACE VIEW bi.ledger_record AS
SELECT
    r.record_id,
    r.recorded_at,
    r.made_by,
    r.record,
    split_part(r.dataset, '_', 1) AS side,
    r.device_id,
    r.happened_at,
    r.starts_at,
    r.reported_kind::text AS reported_kind,
    telemetry.kwh(r.reported_mwh)::numeric(20, 6) AS reported_kwh,
    telemetry.kwh(r.value_mwh)::numeric(20, 6) AS value_kwh,
    telemetry.kwh(r.final_mwh)::numeric(20, 6) AS final_kwh,
    telemetry.kwh(r.initial_mwh)::numeric(20, 6) AS initial_kwh,
    telemetry.kwh(r.energy_mwh)::numeric(20, 6) AS energy_kwh,
    r.resolution,
    r.reason,
    CASE
        WHEN c.record_id IS NOT NULL THEN 'cancelled'
        WHEN r.record = 'correction' AND EXISTS (
            SELECT FROM telemetry.standing_record AS m
                WHERE m.dataset = r.dataset
                    AND m.device_id = r.device_id
                    AND m.happened_at = r.happened_at
                    AND m.record = 'correction'
                    AND m.record_id > r.record_id
            ) THEN 'replaced'
        ELSE 'stands'
    END AS state,
    r.cancels,
    c.record_id AS cancelled_by
FROM telemetry.ledger_record AS r
LEFT JOIN telemetry.ledger_record AS c ON c.cancels = r.record_id;

COMMENT ON VIEW bi.ledger_record IS
'What people told the ledger about devices, one row per record. Nothing is ever changed in it or removed from it.';
COMMENT ON COLUMN bi.ledger_record.record_id IS 'Which record, in order.';
COMMENT ON COLUMN bi.ledger_record.recorded_at IS 'When it was made.';
COMMENT ON COLUMN bi.ledger_record.made_by IS
'Who made it: the login of the database, or key and the name of the key of the API.';
COMMENT ON COLUMN bi.ledger_record.record IS
'exchange: the register was replaced; correction: what a reading should have reported; booking: energy that no reading tells; resolution: what is to become of a reset or jump; cancellation: another record was none.';
COMMENT ON COLUMN bi.ledger_record.side IS 'meter or vehicle.';
COMMENT ON COLUMN bi.ledger_record.device_id IS 'The meter''s or vehicle''s id.';
COMMENT ON COLUMN bi.ledger_record.happened_at IS
'Time of the exchange, of the reading that is corrected, of the event that is resolved, or the end of what is booked; of a cancellation that of the record that it takes back.';
COMMENT ON COLUMN bi.ledger_record.starts_at IS
'Since when the energy that is booked flowed; the same as happened_at where all of it counts in that hour; NULL where none is booked.';
COMMENT ON COLUMN bi.ledger_record.reported_kind IS
'What kind of reading a correction is of: difference, lifetime_register or session_counter; NULL for other records.';
COMMENT ON COLUMN bi.ledger_record.reported_kwh IS
'What that reading reported, energy or level in kWh, kept here for ever; NULL for other records.';
COMMENT ON COLUMN bi.ledger_record.value_kwh IS
'What it should have reported, in kWh; NULL of a correction: nothing, it is taken back as if it had never been sent.';
COMMENT ON COLUMN bi.ledger_record.final_kwh IS 'An exchange''s last level of the old register, in kWh.';
COMMENT ON COLUMN bi.ledger_record.initial_kwh IS 'An exchange''s first level of the new register, in kWh.';
COMMENT ON COLUMN bi.ledger_record.energy_kwh IS
'The energy that a booking, or a resolution that books, adds, in kWh; negative: takes.';
COMMENT ON COLUMN bi.ledger_record.resolution IS 'book or dismiss; NULL for other records.';
COMMENT ON COLUMN bi.ledger_record.reason IS 'Why, in the words of who made it.';
COMMENT ON COLUMN bi.ledger_record.state IS
'stands: it holds; replaced: a later correction of the same reading does; cancelled: another record took it back.';
COMMENT ON COLUMN bi.ledger_record.cancels IS 'The record that a cancellation takes back; NULL for others.';
COMMENT ON COLUMN bi.ledger_record.cancelled_by IS 'The record that takes this one back; NULL: none does.';

CREATE OR REPLACE VIEW bi.ledger_entry AS
SELECT
    e.side,
    e.device_id,
    e.ts,
    telemetry.floor_hour(e.ts) AS bucket,
    e.entry,
    coalesce(e.reason::text, 'reported') AS reason,
    telemetry.kwh(e.energy_mwh)::numeric(20, 6) AS energy_kwh,
    e.energy_mwh,
    e.source_day,
    k.record_id
FROM (
    SELECT
        'meter_reading' AS dataset,
        'meter' AS side,
        m.meter_id AS device_id,
        m.ts,
        m.entry,
        m.reason,
        m.energy_mwh,
        m.source_day
    FROM telemetry.meter_reading AS m
    UNION ALL
    SELECT
        'vehicle_reading' AS dataset,
        'vehicle' AS side,
        v.vehicle_id AS device_id,
        v.ts,
        v.entry,
        v.reason,
        v.energy_mwh,
        v.source_day
    FROM telemetry.vehicle_reading AS v
) AS e
CROSS JOIN LATERAL (
    SELECT CASE WHEN count(*) = 1 THEN min(o.record_id) END AS record_id
    FROM (
        SELECT c.record_id
        FROM telemetry.corrected_reading AS c
        WHERE e.reason = 'correction'
            AND c.dataset = e.dataset
            AND c.device_id = e.device_id
            AND c.ts >= telemetry.floor_hour(e.ts)
            AND c.ts < telemetry.floor_hour(e.ts) + INTERVAL '1 hour'
        UNION ALL
        SELECT x.record_id
        FROM telemetry.standing_record AS x
        WHERE e.reason = 'exchange'
            AND x.record = 'exchange'
            AND x.dataset = e.dataset
            AND x.device_id = e.device_id
            AND x.happened_at >= telemetry.floor_hour(e.ts)
            AND x.happened_at < telemetry.floor_hour(e.ts) + INTERVAL '1 hour'
        UNION ALL
        SELECT b.record_id
        FROM telemetry.booked_hour AS b
        WHERE e.reason = 'booking'
            AND b.dataset = e.dataset
            AND b.device_id = e.device_id
            AND b.hour = telemetry.floor_hour(e.ts)
    ) AS o
) AS k;

COMMENT ON VIEW bi.ledger_entry IS
'The entries of the ledger whose sums are all energy of bi, one row per entry, as long as raw readings are kept. Ask for one device and a window of bucket or ts.';
COMMENT ON COLUMN bi.ledger_entry.side IS 'meter or vehicle.';
COMMENT ON COLUMN bi.ledger_entry.device_id IS 'The meter''s or vehicle''s id.';
COMMENT ON COLUMN bi.ledger_entry.ts IS 'Time of the reading; of another entry where in its hour it was put.';
COMMENT ON COLUMN bi.ledger_entry.bucket IS 'Start of the hour, in UTC.';
COMMENT ON COLUMN bi.ledger_entry.entry IS '0: as the device reported it; above: posted by the ledger, in order.';
COMMENT ON COLUMN bi.ledger_entry.reason IS
'reported; or why the ledger posted it: step, taken, apportioned, reset, rollover, exchange, kind, session, glitch, jump, correction (of a reading) or booking.';
COMMENT ON COLUMN bi.ledger_entry.energy_kwh IS 'Its energy in kWh; negative: taken.';
COMMENT ON COLUMN bi.ledger_entry.energy_mwh IS 'The energy as an integer, in milliwatt-hours.';
COMMENT ON COLUMN bi.ledger_entry.source_day IS
'The UTC day of the reading or record that the entry follows from; NULL for what was reported.';
COMMENT ON COLUMN bi.ledger_entry.record_id IS
'The record of bi.ledger_record that it follows from; NULL where none does, or several of that hour do.';

REVOKE ALL ON bi.ledger_record, bi.ledger_entry FROM PUBLIC;
GRANT SELECT ON bi.ledger_record, bi.ledger_entry TO wattledger_bi;
