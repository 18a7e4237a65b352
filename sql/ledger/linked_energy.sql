-- Energy of both sides while vehicle and meter were linked, by hour and by day: what efficiency is computed from.

-- Each link looks its devices up in the rollups, one after the other: continuous aggregates compute what they have not
-- stored yet, and in a join they would do so for the whole fleet. GROUP BY keeps the planner from making a join of it,
-- and lets it hand down which buckets are asked for.

CREATE OR REPLACE VIEW telemetry.linked_edge_energy AS
SELECT
    e.vehicle_id,
    e.bucket,
    a.energy_mwh AS ac_mwh,
    a.samples AS meter_samples,
    d.energy_mwh AS dc_mwh,
    d.samples AS vehicle_samples,
    greatest(least(e.until, now()) - e.since, INTERVAL '0') AS linked
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
) AS d;

COMMENT ON VIEW telemetry.linked_edge_energy IS
'Energy of both sides in the parts of hours in which a charging link starts or ends, from the raw readings.';
COMMENT ON COLUMN telemetry.linked_edge_energy.vehicle_id IS 'The vehicle''s id.';
COMMENT ON COLUMN telemetry.linked_edge_energy.bucket IS 'Start of the hour, in UTC.';
COMMENT ON COLUMN telemetry.linked_edge_energy.ac_mwh IS
'AC energy of the linked meter, in milliwatt-hours; NULL without readings.';
COMMENT ON COLUMN telemetry.linked_edge_energy.meter_samples IS 'How many readings the linked meter sent.';
COMMENT ON COLUMN telemetry.linked_edge_energy.dc_mwh IS
'DC energy that reached the battery while linked, in milliwatt-hours; NULL without readings.';
COMMENT ON COLUMN telemetry.linked_edge_energy.vehicle_samples IS 'How many readings the vehicle sent while linked.';
COMMENT ON COLUMN telemetry.linked_edge_energy.linked IS 'How long the part is, until now at most.';

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
    CROSS JOIN LATERAL (
        SELECT
            r.bucket,
            any_value(r.energy_mwh) AS energy_mwh,
            any_value(r.samples) AS samples
        FROM bi.meter_energy_hourly AS r
        WHERE r.meter_id = s.meter_id AND r.bucket >= s.since AND r.bucket <= s.until - INTERVAL '1 hour'
        GROUP BY r.bucket
    ) AS m
    UNION ALL
    SELECT
        s.vehicle_id,
        v.bucket,
        0 AS ac_mwh,
        0 AS meter_samples,
        v.energy_mwh AS dc_mwh,
        v.samples AS vehicle_samples
    FROM telemetry.link_span AS s
    CROSS JOIN LATERAL (
        SELECT
            r.bucket,
            any_value(r.energy_mwh) AS energy_mwh,
            any_value(r.samples) AS samples
        FROM bi.vehicle_energy_hourly AS r
        WHERE r.vehicle_id = s.vehicle_id AND r.bucket >= s.since AND r.bucket <= s.until - INTERVAL '1 hour'
        GROUP BY r.bucket
    ) AS v
) AS w
GROUP BY w.vehicle_id, w.bucket
UNION ALL
-- hours in which a link starts or ends are divided by the raw readings
SELECT
    e.vehicle_id,
    e.bucket,
    coalesce(sum(e.ac_mwh), 0) AS ac_mwh,
    sum(e.meter_samples)::bigint AS meter_samples,
    coalesce(sum(e.dc_mwh), 0) AS dc_mwh,
    sum(e.vehicle_samples)::bigint AS vehicle_samples,
    sum(e.linked) AS linked
FROM telemetry.linked_edge_energy AS e
GROUP BY e.vehicle_id, e.bucket
HAVING num_nonnulls(sum(e.ac_mwh), sum(e.dc_mwh)) > 0;

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
    CROSS JOIN LATERAL (
        SELECT
            r.bucket,
            any_value(r.energy_mwh) AS energy_mwh,
            any_value(r.samples) AS samples
        FROM bi.meter_energy_daily AS r
        WHERE r.meter_id = s.meter_id AND r.bucket >= s.daily_since AND r.bucket <= s.daily_until - INTERVAL '24 hours'
        GROUP BY r.bucket
    ) AS m
    UNION ALL
    SELECT
        s.vehicle_id,
        v.bucket,
        0 AS ac_mwh,
        0 AS meter_samples,
        v.energy_mwh AS dc_mwh,
        v.samples AS vehicle_samples
    FROM telemetry.link_span AS s
    CROSS JOIN LATERAL (
        SELECT
            r.bucket,
            any_value(r.energy_mwh) AS energy_mwh,
            any_value(r.samples) AS samples
        FROM bi.vehicle_energy_daily AS r
        WHERE r.vehicle_id = s.vehicle_id
            AND r.bucket >= s.daily_since
            AND r.bucket <= s.daily_until - INTERVAL '24 hours'
        GROUP BY r.bucket
    ) AS v
) AS w
GROUP BY w.vehicle_id, w.bucket
UNION ALL
-- days in which a link starts or ends are the sum of their linked hours
SELECT
    w.vehicle_id,
    w.bucket,
    coalesce(sum(w.ac_mwh), 0) AS ac_mwh,
    coalesce(sum(w.meter_samples), 0)::bigint AS meter_samples,
    coalesce(sum(w.dc_mwh), 0) AS dc_mwh,
    coalesce(sum(w.vehicle_samples), 0)::bigint AS vehicle_samples,
    sum(w.linked) AS linked
FROM (
    SELECT
        p.vehicle_id,
        p.bucket,
        m.energy_mwh AS ac_mwh,
        m.samples AS meter_samples,
        v.energy_mwh AS dc_mwh,
        v.samples AS vehicle_samples,
        greatest(least(p.until, now()) - p.since, INTERVAL '0') AS linked
    FROM telemetry.link_part_of_day AS p
    CROSS JOIN LATERAL (
        SELECT
            sum(r.energy_mwh) AS energy_mwh,
            sum(r.samples) AS samples
        FROM bi.meter_energy_hourly AS r
        WHERE r.meter_id = p.meter_id AND r.bucket >= p.since AND r.bucket <= p.until - INTERVAL '1 hour'
    ) AS m
    CROSS JOIN LATERAL (
        SELECT
            sum(r.energy_mwh) AS energy_mwh,
            sum(r.samples) AS samples
        FROM bi.vehicle_energy_hourly AS r
        WHERE r.vehicle_id = p.vehicle_id AND r.bucket >= p.since AND r.bucket <= p.until - INTERVAL '1 hour'
    ) AS v
    UNION ALL
    SELECT
        e.vehicle_id,
        telemetry.floor_day(e.bucket) AS bucket,
        e.ac_mwh,
        e.meter_samples,
        e.dc_mwh,
        e.vehicle_samples,
        INTERVAL '0' AS linked
    FROM telemetry.linked_edge_energy AS e
    CROSS JOIN telemetry.horizon AS h
    -- before that links are of whole days
    WHERE e.bucket >= h.hourly_since
) AS w
GROUP BY w.vehicle_id, w.bucket
HAVING num_nonnulls(sum(w.ac_mwh), sum(w.dc_mwh)) > 0;

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
