-- Energy of both sides while vehicle and meter were linked, by hour and by day: what efficiency is computed from.

CREATE OR REPLACE VIEW telemetry.linked_energy_hourly AS
-- hours that lie in one link as a whole come from the rollups
SELECT
    w.vehicle_id,
    w.bucket,
    sum(w.ac_mwh) AS ac_mwh,
    sum(w.meter_samples)::bigint AS meter_samples,
    sum(w.dc_mwh) AS dc_mwh,
    sum(w.vehicle_samples)::bigint AS vehicle_samples,
    greatest(least(w.bucket + INTERVAL '1 hour', now()) - w.bucket, INTERVAL '0') AS linked
FROM (
    SELECT
        s.vehicle_id,
        m.bucket,
        m.energy_mwh AS ac_mwh,
        m.samples AS meter_samples,
        0 AS dc_mwh,
        0 AS vehicle_samples
    FROM telemetry.link_span AS s
    INNER JOIN bi.meter_energy_hourly AS m
        ON m.meter_id = s.meter_id
            AND m.bucket >= telemetry.ceiling_hour(s.since)
            AND m.bucket < telemetry.floor_hour(s.until)
    UNION ALL
    SELECT
        s.vehicle_id,
        v.bucket,
        0 AS ac_mwh,
        0 AS meter_samples,
        v.energy_mwh AS dc_mwh,
        v.samples AS vehicle_samples
    FROM telemetry.link_span AS s
    INNER JOIN bi.vehicle_energy_hourly AS v
        ON v.vehicle_id = s.vehicle_id
            AND v.bucket >= telemetry.ceiling_hour(s.since)
            AND v.bucket < telemetry.floor_hour(s.until)
) AS w
GROUP BY w.vehicle_id, w.bucket
UNION ALL
-- hours in which a link begins or ends are divided by the raw readings
SELECT
    e.vehicle_id,
    e.bucket,
    coalesce(sum(a.energy_mwh), 0) AS ac_mwh,
    sum(a.samples)::bigint AS meter_samples,
    coalesce(sum(d.energy_mwh), 0) AS dc_mwh,
    sum(d.samples)::bigint AS vehicle_samples,
    sum(greatest(least(e.until, now()) - e.since, INTERVAL '0')) AS linked
FROM telemetry.link_edge AS e
CROSS JOIN LATERAL (
    SELECT
sum(m.energy_mwh) AS energy_mwh,
count(*) FILTER (WHERE m.entry = 0) AS samples
    FROM telemetry.meter_reading AS m
    WHERE m.meter_id = e.meter_id AND m.ts >= e.since AND m.ts < e.until
) AS a
CROSS JOIN LATERAL (
    SELECT
sum(v.energy_mwh) AS energy_mwh,
count(*) FILTER (WHERE v.entry = 0) AS samples
    FROM telemetry.vehicle_reading AS v
    WHERE v.vehicle_id = e.vehicle_id AND v.ts >= e.since AND v.ts < e.until
) AS d
GROUP BY e.vehicle_id, e.bucket
HAVING num_nonnulls(sum(a.energy_mwh), sum(d.energy_mwh)) > 0;

COMMENT ON VIEW telemetry.linked_energy_hourly IS
'Energy of both sides in the hours in which a vehicle was linked and either side reported.';
COMMENT ON COLUMN telemetry.linked_energy_hourly.vehicle_id IS 'The vehicle''s id.';
COMMENT ON COLUMN telemetry.linked_energy_hourly.bucket IS 'Start of the hour, in UTC.';
COMMENT ON COLUMN telemetry.linked_energy_hourly.ac_mwh IS 'AC energy of the linked meters, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.linked_energy_hourly.meter_samples IS 'How many readings the linked meters sent.';
COMMENT ON COLUMN telemetry.linked_energy_hourly.dc_mwh IS
'DC energy that reached the battery while linked, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.linked_energy_hourly.vehicle_samples IS 'How many readings the vehicle sent while linked.';
COMMENT ON COLUMN telemetry.linked_energy_hourly.linked IS
'How long the vehicle was linked in the hour, until now at most.';

CREATE OR REPLACE VIEW telemetry.linked_energy_daily AS
-- days that lie in one link as a whole come from the daily rollups
SELECT
    w.vehicle_id,
    w.bucket,
    sum(w.ac_mwh) AS ac_mwh,
    sum(w.meter_samples)::bigint AS meter_samples,
    sum(w.dc_mwh) AS dc_mwh,
    sum(w.vehicle_samples)::bigint AS vehicle_samples,
    greatest(least(w.bucket + INTERVAL '24 hours', now()) - w.bucket, INTERVAL '0') AS linked
FROM (
    SELECT
        s.vehicle_id,
        m.bucket,
        m.energy_mwh AS ac_mwh,
        m.samples AS meter_samples,
        0 AS dc_mwh,
        0 AS vehicle_samples
    FROM telemetry.link_span AS s
    INNER JOIN bi.meter_energy_daily AS m
        ON m.meter_id = s.meter_id
            AND m.bucket >= telemetry.ceiling_day(s.daily_since)
            AND m.bucket < telemetry.floor_day(s.daily_until)
    UNION ALL
    SELECT
        s.vehicle_id,
        v.bucket,
        0 AS ac_mwh,
        0 AS meter_samples,
        v.energy_mwh AS dc_mwh,
        v.samples AS vehicle_samples
    FROM telemetry.link_span AS s
    INNER JOIN bi.vehicle_energy_daily AS v
        ON v.vehicle_id = s.vehicle_id
            AND v.bucket >= telemetry.ceiling_day(s.daily_since)
            AND v.bucket < telemetry.floor_day(s.daily_until)
) AS w
GROUP BY w.vehicle_id, w.bucket
UNION ALL
-- days in which a link begins or ends are the sum of their linked hours
SELECT
    e.vehicle_id,
    e.bucket,
    h.ac_mwh,
    h.meter_samples,
    h.dc_mwh,
    h.vehicle_samples,
    e.linked
FROM telemetry.link_edge_day AS e
CROSS JOIN LATERAL (
    SELECT
        sum(l.ac_mwh) AS ac_mwh,
        sum(l.meter_samples)::bigint AS meter_samples,
        sum(l.dc_mwh) AS dc_mwh,
        sum(l.vehicle_samples)::bigint AS vehicle_samples
    FROM telemetry.linked_energy_hourly AS l
    WHERE l.vehicle_id = e.vehicle_id
        AND l.bucket >= e.bucket
        AND l.bucket < e.bucket + INTERVAL '24 hours'
) AS h
WHERE h.ac_mwh IS NOT NULL;

COMMENT ON VIEW telemetry.linked_energy_daily IS
'Energy of both sides in the days in which a vehicle was linked and either side reported.';
COMMENT ON COLUMN telemetry.linked_energy_daily.vehicle_id IS 'The vehicle''s id.';
COMMENT ON COLUMN telemetry.linked_energy_daily.bucket IS 'Start of the UTC day.';
COMMENT ON COLUMN telemetry.linked_energy_daily.ac_mwh IS 'AC energy of the linked meters, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.linked_energy_daily.meter_samples IS 'How many readings the linked meters sent.';
COMMENT ON COLUMN telemetry.linked_energy_daily.dc_mwh IS
'DC energy that reached the battery while linked, in milliwatt-hours.';
COMMENT ON COLUMN telemetry.linked_energy_daily.vehicle_samples IS 'How many readings the vehicle sent while linked.';
COMMENT ON COLUMN telemetry.linked_energy_daily.linked IS
'How long the vehicle was linked in the day, until now at most.';
