-- Alerts, for analysts: each as it is now, what happened to it, and the charges that it names.

CREATE OR REPLACE VIEW bi.alert AS
SELECT
    a.alert_id,
    a.kind,
    CASE WHEN a.is_open THEN 'open' ELSE 'closed' END AS state,
    a.severity,
    a.meter_id,
    a.vehicle_id,
    a.since,
    a.until,
    a.cause,
    coalesce(p.charges, 0) AS charges,
    telemetry.kwh(p.lost_mwh)::numeric(20, 6) AS lost_kwh,
    p.lost_cost::numeric(26, 4) AS lost_cost,
    p.currency,
    p.cost_gap,
    a.opened_at,
    a.closed_at,
    a.closed_because,
    a.acknowledged_at,
    a.acknowledged_by,
    a.opening_since,
    a.opening_cause,
    d.name,
    d.site
FROM telemetry.current_alert AS a
LEFT JOIN telemetry.device_label AS d
    ON d.dataset = CASE WHEN a.meter_id IS NULL THEN 'vehicle_reading' ELSE 'meter_reading' END
        AND d.device_id = coalesce(a.meter_id, a.vehicle_id)
LEFT JOIN LATERAL (
    SELECT l.*
    FROM telemetry.alert_loss AS l
    WHERE l.alert_id = a.alert_id
) AS p ON TRUE;

COMMENT ON VIEW bi.alert IS
'What is or was wrong with a meter or a vehicle, one row per alert. docs/ledger.md says what opens and closes each kind.';
COMMENT ON COLUMN bi.alert.alert_id IS 'The alert.';
COMMENT ON COLUMN bi.alert.kind IS
'degraded, drifting, impossible, frozen: as the verdicts of charges; silent: it reported and stopped; register: it fell or jumped, and nobody booked or dismissed that; unlinked: a meter feeds somebody unknown; standby: it draws too much while idle.';
COMMENT ON COLUMN bi.alert.state IS 'open or closed.';
COMMENT ON COLUMN bi.alert.severity IS 'warning or critical, now or at its closing.';
COMMENT ON COLUMN bi.alert.meter_id IS 'The meter that it is about, whoever charges there; NULL: it is about a vehicle.';
COMMENT ON COLUMN bi.alert.vehicle_id IS 'The vehicle that it is about, wherever it charges; NULL: it is about a meter.';
COMMENT ON COLUMN bi.alert.since IS 'Start of the first bad charge, day or event, or time of the last reading of what is silent.';
COMMENT ON COLUMN bi.alert.until IS 'When it was over; NULL while it is open.';
COMMENT ON COLUMN bi.alert.cause IS
'The likely cause: charger, wiring_or_ageing, temperature, vehicle, swapped_links, wrong_link, metering, counter, communication, register_reset, register_jump, unknown_vehicle, idle_draw or unknown.';
COMMENT ON COLUMN bi.alert.charges IS 'How many bad charges it names, or of standby bad days; 0 where it is about neither.';
COMMENT ON COLUMN bi.alert.lost_kwh IS
'AC energy in kWh that they lost beyond what is expected (degraded), usual (drifting) or allowed (standby), or that went to somebody unknown (unlinked): the sum of bi.alert_session; NULL where nobody can know.';
COMMENT ON COLUMN bi.alert.lost_cost IS
'What lost_kwh cost, in the currency''s unit, by the tariffs that hold: the sum of bi.alert_session, each of which is rounded; NULL where one of them has no cost or another currency.';
COMMENT ON COLUMN bi.alert.currency IS 'The currency''s code of ISO 4217; NULL without a cost.';
COMMENT ON COLUMN bi.alert.cost_gap IS
'Why there is energy and no cost: no_tariff: an hour has none; currencies: there are several, which are never added. NULL otherwise.';
COMMENT ON COLUMN bi.alert.opened_at IS 'When it was opened.';
COMMENT ON COLUMN bi.alert.closed_at IS 'When it was closed; NULL while it is open.';
COMMENT ON COLUMN bi.alert.closed_because IS
'good: so many good charges or days in a row; corrected: readings that came late left no bad ones; superseded: another alert tells it; settled: of a register; reported: what was silent is not any more; retired: what was silent is no longer expected to report. NULL while it is open.';
COMMENT ON COLUMN bi.alert.acknowledged_at IS 'When somebody took it on; NULL: nobody did.';
COMMENT ON COLUMN bi.alert.acknowledged_by IS 'The id of the key that did; NULL: nobody did, or the service needs no keys.';
COMMENT ON COLUMN bi.alert.opening_since IS 'The same as since, as it was known at the opening.';
COMMENT ON COLUMN bi.alert.opening_cause IS 'The same as cause, as it was known at the opening.';
COMMENT ON COLUMN bi.alert.name IS 'What people call the device now; NULL: nothing. Personal.';
COMMENT ON COLUMN bi.alert.site IS 'The site that the device belongs to now; NULL: none is known.';

CREATE OR REPLACE VIEW bi.alert_session AS
SELECT
    p.alert_id,
    p.meter_id,
    p.started_at,
    nullif(p.vehicle_id, '') AS vehicle_id,
    telemetry.kwh(p.lost_mwh)::numeric(20, 6) AS lost_kwh,
    p.lost_cost::numeric(26, 4) AS lost_cost,
    p.currency,
    p.cost_gap
FROM telemetry.alert_part AS p;

COMMENT ON VIEW bi.alert_session IS
'The bad charges that an alert names, one row per alert and charge, as bi.charging_session has it; of standby the bad days.';
COMMENT ON COLUMN bi.alert_session.alert_id IS 'The alert.';
COMMENT ON COLUMN bi.alert_session.meter_id IS 'The meter''s id.';
COMMENT ON COLUMN bi.alert_session.started_at IS 'When energy began to flow; of standby the start of the UTC day.';
COMMENT ON COLUMN bi.alert_session.vehicle_id IS 'The vehicle that was linked to the meter; NULL where none was.';
COMMENT ON COLUMN bi.alert_session.lost_kwh IS 'AC energy in kWh that was lost, as bi.alert has it; NULL where nobody can know.';
COMMENT ON COLUMN bi.alert_session.lost_cost IS
'What that cost, in the currency''s unit, rounded to its minor unit; NULL where that cannot be told.';
COMMENT ON COLUMN bi.alert_session.currency IS 'The currency''s code of ISO 4217; NULL without a cost.';
COMMENT ON COLUMN bi.alert_session.cost_gap IS 'Why there is energy and no cost, as bi.alert has it; NULL otherwise.';

CREATE OR REPLACE VIEW bi.alert_change AS
SELECT
    c.change_id,
    c.alert_id,
    c.change,
    c.changed_at,
    c.changed_by,
    c.detail
FROM telemetry.alert_change AS c;

COMMENT ON VIEW bi.alert_change IS 'What happened to alerts, one row per change; rows are added, never changed.';
COMMENT ON COLUMN bi.alert_change.change_id IS 'The change.';
COMMENT ON COLUMN bi.alert_change.alert_id IS 'The alert.';
COMMENT ON COLUMN bi.alert_change.change IS
'opened; worsened: it became critical; revised: readings that came late moved its start or its severity; acknowledged: somebody took it on; closed.';
COMMENT ON COLUMN bi.alert_change.changed_at IS 'When that was.';
COMMENT ON COLUMN bi.alert_change.changed_by IS 'The id of the key that did it; NULL: the service.';
COMMENT ON COLUMN bi.alert_change.detail IS
'What was known then: since, until, severity, cause, charges, lostKwh, meters, vehicles, and why it was closed.';

REVOKE ALL ON bi.alert, bi.alert_session, bi.alert_change FROM PUBLIC;
GRANT SELECT ON bi.alert, bi.alert_session, bi.alert_change TO wattledger_bi;
