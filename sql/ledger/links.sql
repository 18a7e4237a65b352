-- Charging links as the analytics divide energy by them.

CREATE OR REPLACE VIEW telemetry.link_span AS
SELECT
    l.vehicle_id,
    l.meter_id,
    s.since,
    s.until
FROM telemetry.charging_link AS l
CROSS JOIN telemetry.horizon AS h
CROSS JOIN LATERAL (
    SELECT
        telemetry.answerable(e.since, h.raw_since, '-infinity') AS since,
        telemetry.answerable(e.until, h.raw_since, '-infinity') AS until
    FROM (
        VALUES (coalesce(lower(l.during), '-infinity'), coalesce(upper(l.during), 'infinity'))
    ) AS e (since, until)
    -- computed once per link, not for each row that is compared with them
    ORDER BY e.since
    OFFSET 0
) AS s;

COMMENT ON VIEW telemetry.link_span IS
'Charging links between moments at which energy can still be divided. Neighbours share them, so that nothing is counted twice or left out.';
COMMENT ON COLUMN telemetry.link_span.vehicle_id IS 'The vehicle that is charged.';
COMMENT ON COLUMN telemetry.link_span.meter_id IS 'The meter that feeds it.';
COMMENT ON COLUMN telemetry.link_span.since IS
'Start, -infinity without one; the nearest full hour where the raw readings of its time are gone.';
COMMENT ON COLUMN telemetry.link_span.until IS
'End, infinity without one; the nearest full hour where the raw readings of its time are gone.';
