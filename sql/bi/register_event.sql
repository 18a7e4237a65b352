-- What registers did beside counting, for analysts.

CREATE OR REPLACE VIEW bi.register_event AS
SELECT
    s.side,
    e.device_id,
    e.happened_at,
    e.event,
    telemetry.kwh(e.before_mwh)::numeric(20, 6) AS before_kwh,
    telemetry.kwh(e.reported_mwh)::numeric(20, 6) AS reported_kwh,
    telemetry.kwh(e.booked_mwh)::numeric(20, 6) AS booked_kwh,
    telemetry.kwh(e.explained_mwh)::numeric(20, 6) AS explained_kwh,
    CASE
        WHEN NOT e.is_final THEN 'provisional'
        WHEN e.event IN ('reset', 'jump') AND r.happened_at IS NULL THEN 'open'
        ELSE 'settled'
    END AS state
-- so that one side's are found by index
FROM (VALUES ('meter_reading', 'meter'), ('vehicle_reading', 'vehicle')) AS s (dataset, side)
INNER JOIN telemetry.register_event AS e ON e.dataset = s.dataset
LEFT JOIN LATERAL (
    SELECT max(v.happened_at) AS happened_at
    FROM telemetry.standing_record AS v
    WHERE v.dataset = e.dataset AND v.device_id = e.device_id AND v.happened_at = e.happened_at
        AND v.record = 'resolution'
) AS r ON TRUE;

COMMENT ON VIEW bi.register_event IS
'What registers did beside counting, one row per event: how it was judged, and what was counted for it.';
COMMENT ON COLUMN bi.register_event.side IS 'meter or vehicle.';
COMMENT ON COLUMN bi.register_event.device_id IS 'The meter''s or vehicle''s id.';
COMMENT ON COLUMN bi.register_event.happened_at IS 'Time of the reading, or of the record of an exchange.';
COMMENT ON COLUMN bi.register_event.event IS
'glitch: it was elsewhere and came back; rollover: it went on from zero at its width; reset: it fell and went on; jump: it rose more than it can have counted; exchange: it was replaced; kind: the device changed what it reports; undecided: the next reading tells; too_short: a difference larger than its interval allows.';
COMMENT ON COLUMN bi.register_event.before_kwh IS 'The accepted level before, in kWh; NULL where there was none.';
COMMENT ON COLUMN bi.register_event.reported_kwh IS 'The level that was reported, in kWh.';
COMMENT ON COLUMN bi.register_event.booked_kwh IS 'The energy that was counted for it, in kWh.';
COMMENT ON COLUMN bi.register_event.explained_kwh IS
'By how much the accepted level changed beyond the energy counted, in kWh.';
COMMENT ON COLUMN bi.register_event.state IS
'provisional: what comes next may still change it; open: what flowed meanwhile is not known, until a record books or dismisses it; settled.';

REVOKE ALL ON bi.register_event FROM PUBLIC;
GRANT SELECT ON bi.register_event TO wattledger_bi;
