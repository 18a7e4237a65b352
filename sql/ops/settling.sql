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

REVOKE ALL ON ops.settling FROM PUBLIC;
GRANT SELECT ON ops.settling TO wattledger_dba;
