-- Alerts as they are now, and the charges and days that each of them names.

CREATE OR REPLACE VIEW telemetry.current_alert AS
SELECT
    a.alert_id,
    a.kind,
    a.meter_id,
    a.vehicle_id,
    coalesce(o.severity, c.detail ->> 'severity', a.severity) AS severity,
    coalesce(o.since, (c.detail ->> 'since')::timestamptz, a.since) AS since,
    (c.detail ->> 'until')::timestamptz AS until,
    a.opened_at,
    o.alert_id IS NOT NULL AS is_open,
    c.changed_at AS closed_at,
    c.detail ->> 'why' AS closed_because,
    k.changed_at AS acknowledged_at,
    k.changed_by AS acknowledged_by,
    coalesce(o.cause, c.detail ->> 'cause', a.cause) AS cause,
    a.cause AS opening_cause,
    a.since AS opening_since
FROM telemetry.alert AS a
LEFT JOIN telemetry.open_alert AS o ON o.alert_id = a.alert_id
LEFT JOIN telemetry.alert_change AS c ON c.alert_id = a.alert_id AND c.change = 'closed'
LEFT JOIN telemetry.alert_change AS k ON k.alert_id = a.alert_id AND k.change = 'acknowledged';

COMMENT ON VIEW telemetry.current_alert IS 'Alerts, open and closed, as they are now, one row per alert.';
COMMENT ON COLUMN telemetry.current_alert.alert_id IS 'The alert.';
COMMENT ON COLUMN telemetry.current_alert.kind IS 'As telemetry.alert has it.';
COMMENT ON COLUMN telemetry.current_alert.meter_id IS 'The meter that it is about; NULL: none.';
COMMENT ON COLUMN telemetry.current_alert.vehicle_id IS 'The vehicle that it is about; NULL: none.';
COMMENT ON COLUMN telemetry.current_alert.severity IS 'warning or critical, now or at its closing.';
COMMENT ON COLUMN telemetry.current_alert.since IS 'Start of the first bad charge or day, as it is known now.';
COMMENT ON COLUMN telemetry.current_alert.until IS 'Start of the first good one after the last bad one; NULL while it is open.';
COMMENT ON COLUMN telemetry.current_alert.opened_at IS 'When it was opened.';
COMMENT ON COLUMN telemetry.current_alert.is_open IS 'Whether it is open.';
COMMENT ON COLUMN telemetry.current_alert.closed_at IS 'When it was closed; NULL while it is open.';
COMMENT ON COLUMN telemetry.current_alert.closed_because IS
'good, corrected, superseded, settled or reported; NULL while it is open.';
COMMENT ON COLUMN telemetry.current_alert.acknowledged_at IS 'When somebody took it on; NULL: nobody did.';
COMMENT ON COLUMN telemetry.current_alert.acknowledged_by IS 'The id of the key, or the role, that did; NULL: nobody did.';
COMMENT ON COLUMN telemetry.current_alert.cause IS 'The likely cause, now or at its closing.';
COMMENT ON COLUMN telemetry.current_alert.opening_cause IS 'What seemed likely at its opening.';
COMMENT ON COLUMN telemetry.current_alert.opening_since IS 'Since when it was thought to be so at its opening.';

CREATE OR REPLACE VIEW telemetry.alert_part AS
SELECT
    a.alert_id,
    e.meter_id,
    e.started_at,
    e.vehicle_id,
    e.lost_mwh,
    e.lost_cost,
    e.currency,
    e.cost_gap
FROM telemetry.current_alert AS a
INNER JOIN telemetry.session_evidence AS e
    ON e.meter_id = a.meter_id
        AND e.kind = a.kind
        AND e.started_at >= a.since AND e.started_at < coalesce(a.until, 'infinity')
WHERE e.side = 'meter' AND e.is_bad AND a.vehicle_id IS NULL
UNION ALL
SELECT
    a.alert_id,
    e.meter_id,
    e.started_at,
    e.vehicle_id,
    e.lost_mwh,
    e.lost_cost,
    e.currency,
    e.cost_gap
FROM telemetry.current_alert AS a
INNER JOIN telemetry.session_evidence AS e
    ON e.vehicle_id = a.vehicle_id
        AND e.kind = a.kind
        AND e.started_at >= a.since AND e.started_at < coalesce(a.until, 'infinity')
WHERE e.side = 'vehicle' AND e.is_bad AND a.meter_id IS NULL
UNION ALL
SELECT
    a.alert_id,
    d.meter_id,
    d.started_at,
    '' AS vehicle_id,
    d.lost_mwh,
    round(
        telemetry.cost(c.standby_cost * d.lost_mwh / nullif(c.standby_mwh, 0), c.cost_gap), c.digits
    ) AS lost_cost,
    CASE WHEN c.cost_gap IS NULL THEN c.currency END AS currency,
    c.cost_gap
FROM telemetry.current_alert AS a
INNER JOIN telemetry.standby_day AS d
    ON d.meter_id = a.meter_id AND d.started_at >= a.since AND d.started_at < coalesce(a.until, 'infinity')
LEFT JOIN LATERAL (
    SELECT
        sum(p.standby_cost) AS standby_cost,
        sum(p.standby_mwh) AS standby_mwh,
        min(p.currency) AS currency,
        max(p.digits) AS digits,
        telemetry.cost_gap(count(p.price), sum(p.unpriced_mwh), min(p.currency), max(p.currency)) AS cost_gap
    FROM telemetry.priced_part AS p
    WHERE p.meter_id = d.meter_id
        AND p.hour >= d.started_at AND p.hour < d.started_at + INTERVAL '24 hours'
) AS c ON TRUE
WHERE a.kind = 'standby' AND d.is_bad;

COMMENT ON VIEW telemetry.alert_part IS
'The bad charges that each alert names, one row per alert and charge; of standby the bad days.';
COMMENT ON COLUMN telemetry.alert_part.alert_id IS 'The alert.';
COMMENT ON COLUMN telemetry.alert_part.meter_id IS 'The meter.';
COMMENT ON COLUMN telemetry.alert_part.started_at IS 'Start of the charge or day.';
COMMENT ON COLUMN telemetry.alert_part.vehicle_id IS 'The vehicle; empty: none.';
COMMENT ON COLUMN telemetry.alert_part.lost_mwh IS
'AC energy that it lost, in milliwatt-hours, as telemetry.session_evidence and telemetry.standby_day have it; NULL where that cannot be known.';
COMMENT ON COLUMN telemetry.alert_part.lost_cost IS
'What that cost in the currency''s unit, rounded to its minor unit; of a day at its mean price. NULL where that cannot be told.';
COMMENT ON COLUMN telemetry.alert_part.currency IS 'Its currency; NULL without a cost.';
COMMENT ON COLUMN telemetry.alert_part.cost_gap IS
'Why there is energy and no cost: no_tariff or currencies; NULL otherwise.';

CREATE OR REPLACE VIEW telemetry.alert_loss AS
SELECT
    p.alert_id,
    count(*) AS charges,
    sum(p.lost_mwh) AS lost_mwh,
    CASE
        WHEN count(p.cost_gap) = 0 AND min(p.currency) = max(p.currency) THEN sum(p.lost_cost)
    END AS lost_cost,
    CASE WHEN count(p.cost_gap) = 0 AND min(p.currency) = max(p.currency) THEN min(p.currency) END AS currency,
    coalesce(min(p.cost_gap), CASE WHEN min(p.currency) <> max(p.currency) THEN 'currencies' END) AS cost_gap
FROM telemetry.alert_part AS p
GROUP BY p.alert_id;

COMMENT ON VIEW telemetry.alert_loss IS 'What alerts lost, one row per alert that names charges or days: the sums of these.';
COMMENT ON COLUMN telemetry.alert_loss.alert_id IS 'The alert.';
COMMENT ON COLUMN telemetry.alert_loss.charges IS 'How many it names.';
COMMENT ON COLUMN telemetry.alert_loss.lost_mwh IS
'AC energy that they lost, in milliwatt-hours; NULL where that cannot be known.';
COMMENT ON COLUMN telemetry.alert_loss.lost_cost IS
'What that cost, in the currency''s unit; NULL where one of them has no cost, or another currency.';
COMMENT ON COLUMN telemetry.alert_loss.currency IS 'The currency; NULL without a cost.';
COMMENT ON COLUMN telemetry.alert_loss.cost_gap IS
'Why there is energy and no cost: no_tariff or currencies; NULL otherwise.';
