-- Charging links as the analytics divide energy by them.

CREATE OR REPLACE VIEW telemetry.link_span AS
SELECT
    l.vehicle_id,
    l.meter_id,
    s.since,
    s.until,
    s.daily_since,
    s.daily_until
FROM telemetry.charging_link AS l
CROSS JOIN telemetry.horizon AS h
CROSS JOIN LATERAL (
    SELECT
        telemetry.answerable(e.since, h.raw_since, '-infinity') AS since,
        telemetry.answerable(e.until, h.raw_since, '-infinity') AS until,
        telemetry.answerable(e.since, h.raw_since, h.hourly_since) AS daily_since,
        telemetry.answerable(e.until, h.raw_since, h.hourly_since) AS daily_until
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
COMMENT ON COLUMN telemetry.link_span.daily_since IS
'The same as since; the nearest midnight in UTC where the hours of its time are gone.';
COMMENT ON COLUMN telemetry.link_span.daily_until IS
'The same as until; the nearest midnight in UTC where the hours of its time are gone.';

CREATE OR REPLACE VIEW telemetry.link_edge AS
SELECT
    s.vehicle_id,
    s.meter_id,
    telemetry.floor_hour(s.since) AS bucket,
    s.since,
    least(telemetry.ceiling_hour(s.since), s.until) AS until
FROM telemetry.link_span AS s
WHERE s.since < least(telemetry.ceiling_hour(s.since), s.until)
UNION ALL
SELECT
    s.vehicle_id,
    s.meter_id,
    telemetry.floor_hour(s.until) AS bucket,
    telemetry.floor_hour(s.until) AS since,
    s.until
FROM telemetry.link_span AS s
-- a link inside one hour is there already
WHERE telemetry.floor_hour(s.until) < s.until AND telemetry.floor_hour(s.until) >= telemetry.ceiling_hour(s.since);

COMMENT ON VIEW telemetry.link_edge IS
'The parts of hours in which a charging link starts or ends: two per link at most.';
COMMENT ON COLUMN telemetry.link_edge.vehicle_id IS 'The vehicle that is charged.';
COMMENT ON COLUMN telemetry.link_edge.meter_id IS 'The meter that feeds it.';
COMMENT ON COLUMN telemetry.link_edge.bucket IS 'Start of the hour, in UTC.';
COMMENT ON COLUMN telemetry.link_edge.since IS 'Start of the part.';
COMMENT ON COLUMN telemetry.link_edge.until IS 'End of the part, not included.';

CREATE OR REPLACE VIEW telemetry.link_part_of_day AS
SELECT
    s.vehicle_id,
    s.meter_id,
    telemetry.floor_day(s.daily_since) AS bucket,
    s.daily_since AS since,
    least(telemetry.ceiling_day(s.daily_since), s.daily_until) AS until
FROM telemetry.link_span AS s
WHERE s.daily_since < least(telemetry.ceiling_day(s.daily_since), s.daily_until)
UNION ALL
SELECT
    s.vehicle_id,
    s.meter_id,
    telemetry.floor_day(s.daily_until) AS bucket,
    telemetry.floor_day(s.daily_until) AS since,
    s.daily_until AS until
FROM telemetry.link_span AS s
-- a link inside one day is there already
WHERE telemetry.floor_day(s.daily_until) < s.daily_until
    AND telemetry.floor_day(s.daily_until) >= telemetry.ceiling_day(s.daily_since);

COMMENT ON VIEW telemetry.link_part_of_day IS
'The parts of days in which a charging link starts or ends: two per link at most.';
COMMENT ON COLUMN telemetry.link_part_of_day.vehicle_id IS 'The vehicle that is charged.';
COMMENT ON COLUMN telemetry.link_part_of_day.meter_id IS 'The meter that feeds it.';
COMMENT ON COLUMN telemetry.link_part_of_day.bucket IS 'Start of the UTC day.';
COMMENT ON COLUMN telemetry.link_part_of_day.since IS 'Start of the part.';
COMMENT ON COLUMN telemetry.link_part_of_day.until IS 'End of the part, not included.';
