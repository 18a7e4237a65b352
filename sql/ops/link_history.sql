-- History of charging links: who changed which one when, and what it was before.

CREATE OR REPLACE VIEW ops.link_history AS
SELECT
    c.change_id,
    c.changed_at,
    c.login,
    c.key_id,
    c.vehicle_id,
    c.meter_id,
    CASE
        WHEN c.before IS NULL THEN 'put'
        WHEN c.after IS NULL THEN 'removed'
        ELSE 'changed'
    END AS change,
    c.before,
    c.after
FROM telemetry.charging_link_change AS c;

COMMENT ON VIEW ops.link_history IS
'Every change of a charging link, by the service or by SQL, one row per link that a change touched. Nothing is ever removed from it.';
COMMENT ON COLUMN ops.link_history.change_id IS 'Which change, in order.';
COMMENT ON COLUMN ops.link_history.changed_at IS 'When it was made; the same for all that one call changed.';
COMMENT ON COLUMN ops.link_history.login IS
'The login of the database that made it: wattledger_service for what came over HTTP.';
COMMENT ON COLUMN ops.link_history.key_id IS
'The API key that asked for it, as ops.keys has it; NULL for changes by SQL and without keys.';
COMMENT ON COLUMN ops.link_history.vehicle_id IS 'The vehicle of the link.';
COMMENT ON COLUMN ops.link_history.meter_id IS 'The meter of the link.';
COMMENT ON COLUMN ops.link_history.change IS 'put, changed or removed.';
COMMENT ON COLUMN ops.link_history.before IS
'From when (included) until when (not included) the two were linked before; NULL where the link is new.';
COMMENT ON COLUMN ops.link_history.after IS
'From when (included) until when (not included) they are linked since; NULL where the link was removed.';

REVOKE ALL ON ops.link_history FROM PUBLIC;
GRANT SELECT ON ops.link_history TO wattledger_dba;
