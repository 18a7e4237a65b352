-- Kept charging, for DBAs: what waits, and what failed.

CREATE OR REPLACE VIEW ops.settling_charging AS
SELECT
    d.dataset,
    q.queued,
    q.oldest_queued_at,
    b.behind,
    b.charging_kept_at,
    q.failing,
    q.last_error
FROM telemetry.dataset AS d
CROSS JOIN LATERAL (
    SELECT
        count(*) AS queued,
        min(c.queued_at) AS oldest_queued_at,
        count(c.last_error) AS failing,
        any_value(c.last_error) AS last_error
    FROM telemetry.charging_queue AS c
    WHERE c.dataset = d.dataset
) AS q
CROSS JOIN LATERAL (
    SELECT
        count(*) AS behind,
        min(p.kept_at) FILTER (
            WHERE (telemetry.mean_kw(s.energy_mwh, s.ts - s.earlier_ts) < r.idle_below_kw) IS NOT TRUE
        ) AS charging_kept_at
    FROM (
        SELECT
            m.meter_id AS device_id,
            m.ts,
            m.earlier_ts,
            m.energy_mwh
        FROM telemetry.meter_state AS m
        WHERE d.dataset = 'meter_reading'
        UNION ALL
        SELECT
            v.vehicle_id,
            v.ts,
            v.earlier_ts,
            v.energy_mwh
        FROM telemetry.vehicle_state AS v
        WHERE d.dataset = 'vehicle_reading'
    ) AS s
    LEFT JOIN telemetry.charging_progress AS p ON p.dataset = d.dataset AND p.device_id = s.device_id
    CROSS JOIN telemetry.rules AS r
    WHERE (p.seen_at >= s.ts) IS NOT TRUE AND s.ts IS NOT NULL
) AS b
WHERE d.dataset IN ('meter_reading', 'vehicle_reading');

COMMENT ON VIEW ops.settling_charging IS
'How far charging is kept: the hours and sessions that bi shows of it. One row per side.';
COMMENT ON COLUMN ops.settling_charging.dataset IS 'meter_reading or vehicle_reading.';
COMMENT ON COLUMN ops.settling_charging.queued IS
'How many days of devices wait to be looked at again, after late readings or changes of links. The service does it within seconds.';
COMMENT ON COLUMN ops.settling_charging.oldest_queued_at IS 'Since when the oldest of them waits; NULL where none does.';
COMMENT ON COLUMN ops.settling_charging.behind IS
'How many devices have readings that are not kept yet: those that charge are looked at every four minutes or so, idle ones every three hours.';
COMMENT ON COLUMN ops.settling_charging.charging_kept_at IS
'When the one of them that charges and waits longest was looked at last: what bi shows of charging is no older; NULL where none charges.';
COMMENT ON COLUMN ops.settling_charging.failing IS 'How many could not be kept at the last attempt; each is tried every minute.';
COMMENT ON COLUMN ops.settling_charging.last_error IS 'What PostgreSQL said of one of those; NULL where there is none.';

CREATE OR REPLACE VIEW ops.failing_charging AS
SELECT
    split_part(q.dataset, '_', 1) || ':' || q.device_id AS device,
    q.queued_at,
    q.retry_at,
    q.last_error
FROM telemetry.charging_queue AS q
WHERE q.last_error IS NOT NULL;

COMMENT ON VIEW ops.failing_charging IS
'Devices whose charging could not be kept at the last attempt. Raw readings are kept until it can be, whatever retention says.';
COMMENT ON COLUMN ops.failing_charging.device IS 'The device: meter: or vehicle: and its id.';
COMMENT ON COLUMN ops.failing_charging.queued_at IS 'Since when it has been waiting.';
COMMENT ON COLUMN ops.failing_charging.retry_at IS 'When it is tried again.';
COMMENT ON COLUMN ops.failing_charging.last_error IS 'What PostgreSQL said.';

REVOKE ALL ON ops.settling_charging, ops.failing_charging FROM PUBLIC;
GRANT SELECT ON ops.settling_charging, ops.failing_charging TO wattledger_dba;
