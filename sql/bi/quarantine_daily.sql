-- Refused readings, counted for analysts; what they held is for DBAs alone (ops.quarantine).

CREATE OR REPLACE VIEW bi.quarantine_daily AS
SELECT
    telemetry.floor_day(q.received_at) AS bucket,
    telemetry.utc_day(q.received_at) AS day,
    split_part(q.dataset, '_', 1) AS side,
    q.device_id,
    q.reason,
    count(*) AS readings,
    max(q.received_at) AS last_received_at
FROM telemetry.quarantine AS q
WHERE q.replayed_at IS NULL
GROUP BY telemetry.floor_day(q.received_at), telemetry.utc_day(q.received_at), q.dataset, q.device_id, q.reason;

COMMENT ON VIEW bi.quarantine_daily IS
'Refused readings that were not stored later, one row per UTC day of arrival, device and reason, as long as quarantine keeps them.';
COMMENT ON COLUMN bi.quarantine_daily.bucket IS 'Start of the UTC day in which they came.';
COMMENT ON COLUMN bi.quarantine_daily.day IS 'That day as a plain date, in UTC.';
COMMENT ON COLUMN bi.quarantine_daily.side IS 'meter or vehicle; NULL where it could not be read.';
COMMENT ON COLUMN bi.quarantine_daily.device_id IS 'The meter''s or vehicle''s id; NULL where it could not be read.';
COMMENT ON COLUMN bi.quarantine_daily.reason IS 'future, too_old, out_of_range, conflict or malformed.';
COMMENT ON COLUMN bi.quarantine_daily.readings IS 'How many; a body that could not be read counts as one.';
COMMENT ON COLUMN bi.quarantine_daily.last_received_at IS 'When the last of them came.';

REVOKE ALL ON bi.quarantine_daily FROM PUBLIC;
GRANT SELECT ON bi.quarantine_daily TO wattledger_bi;
