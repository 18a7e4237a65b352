-- Settling, for DBAs: what waits, how long it has, and what failed.

CREATE OR REPLACE VIEW ops.settling AS
SELECT
    d.dataset,
    count(q.device_id) FILTER (WHERE q.due_at <= now()) AS due,
    count(q.device_id) FILTER (WHERE q.due_at > now()) AS due_later,
    min(q.due_at) FILTER (WHERE q.due_at <= now()) AS oldest_due_at,
    count(q.last_error) AS failing,
    any_value(q.last_error) AS last_error
FROM telemetry.dataset AS d
LEFT JOIN telemetry.settle_queue AS q ON q.dataset = d.dataset
WHERE d.dataset IN ('meter_reading', 'vehicle_reading')
GROUP BY d.dataset;

COMMENT ON VIEW ops.settling IS
'What waits to be settled: energy of registers and longer intervals whose hours are not final yet. One row per side.';
COMMENT ON COLUMN ops.settling.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN ops.settling.due IS
'How many days of devices are due now. The service settles them within seconds, and within minutes after a backlog.';
COMMENT ON COLUMN ops.settling.due_later IS
'How many only note how a day ended, which is spread over two hours after its first reading.';
COMMENT ON COLUMN ops.settling.oldest_due_at IS 'Since when the oldest of them has been due; NULL where none is.';
COMMENT ON COLUMN ops.settling.failing IS 'How many could not be settled at the last attempt; each is tried every minute.';
COMMENT ON COLUMN ops.settling.last_error IS 'What PostgreSQL said of one of those; NULL where there is none.';

CREATE OR REPLACE VIEW ops.failing_devices AS
SELECT
    split_part(q.dataset, '_', 1) || ':' || q.device_id AS device,
    q.failing_from,
    (
        SELECT max(d.day)
        FROM telemetry.settled_day AS d
        INNER JOIN telemetry.dataset AS k ON k.dataset = d.dataset
        WHERE d.dataset = q.dataset
            AND d.device_id = q.device_id
            AND d.day < q.failing_from
            AND telemetry.is_settled_for_good(
                d.is_final, telemetry.day_start(d.day + 1), telemetry.ceiling_day(k.complete_since)
            )
    ) AS settled_through,
    q.due_at,
    q.retry_at,
    q.last_error
FROM (
    SELECT
        f.dataset,
        f.device_id,
        min(f.day) AS failing_from,
        min(f.due_at) AS due_at,
        min(f.retry_at) AS retry_at,
        max(f.last_error) AS last_error
    FROM telemetry.settle_queue AS f
    GROUP BY f.dataset, f.device_id
    HAVING count(f.last_error) > 0
) AS q;

COMMENT ON VIEW ops.failing_devices IS
'Devices that could not be settled at the last attempt, one row each. Raw readings of their side that are newer than settled_through are kept until they can be, whatever retention says.';
COMMENT ON COLUMN ops.failing_devices.device IS 'The device: meter: or vehicle: and its id.';
COMMENT ON COLUMN ops.failing_devices.failing_from IS 'The first UTC day that waits to be settled.';
COMMENT ON COLUMN ops.failing_devices.settled_through IS
'The last UTC day before that which is settled for good; NULL where none is.';
COMMENT ON COLUMN ops.failing_devices.due_at IS 'Since when it has been due.';
COMMENT ON COLUMN ops.failing_devices.retry_at IS 'When it is tried again.';
COMMENT ON COLUMN ops.failing_devices.last_error IS 'What PostgreSQL said.';

REVOKE ALL ON ops.settling, ops.failing_devices FROM PUBLIC;
GRANT SELECT ON ops.settling, ops.failing_devices TO wattledger_dba;
