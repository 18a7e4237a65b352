-- Energy of a whole fleet's charging.

-- unpinned and with the caller's rights, so that the planner can inline it
CREATE OR REPLACE FUNCTION telemetry.fleet_energy(since timestamptz, until timestamptz)
RETURNS TABLE (
    vehicle_id text,
    ac_mwh numeric,
    dc_mwh numeric,
    meter_samples bigint,
    vehicle_samples bigint,
    linked interval
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT
        e.vehicle_id,
        sum(e.ac_mwh),
        sum(e.dc_mwh),
        sum(e.meter_samples)::bigint,
        sum(e.vehicle_samples)::bigint,
        -- of the hours that are silent on both sides, too
        min(s.linked)
    FROM (
        -- whole days from the days, what is left at either end from the hours
        SELECT d.*
        FROM telemetry.linked_energy_daily AS d
        WHERE d.bucket >= telemetry.ceiling_day(fleet_energy.since)
            AND d.bucket < telemetry.floor_day(fleet_energy.until)
        UNION ALL
        SELECT h.*
        FROM telemetry.linked_energy_hourly AS h
        WHERE h.bucket >= fleet_energy.since
            AND h.bucket < least(telemetry.ceiling_day(fleet_energy.since), fleet_energy.until)
        UNION ALL
        SELECT h.*
        FROM telemetry.linked_energy_hourly AS h
        WHERE h.bucket >= greatest(
            telemetry.floor_day(fleet_energy.until), telemetry.ceiling_day(fleet_energy.since)
        )
            AND h.bucket < fleet_energy.until
    ) AS e
    INNER JOIN (
        SELECT
            l.vehicle_id,
            sum(greatest(
                least(l.until, fleet_energy.until, now()) - greatest(l.since, fleet_energy.since), INTERVAL '0'
            )) AS linked
        FROM telemetry.link_span AS l
        WHERE l.since < fleet_energy.until AND l.until > fleet_energy.since
        GROUP BY l.vehicle_id
    ) AS s ON s.vehicle_id = e.vehicle_id
    GROUP BY e.vehicle_id
$$;

COMMENT ON FUNCTION telemetry.fleet_energy(timestamptz, timestamptz) IS
'Takes a window of whole hours (since included, until not). Returns a row for each vehicle that was linked and had readings on either side in it: energy of both sides in milliwatt-hours, how many readings of either side there are, and how long it was linked, until now at most.';
REVOKE ALL ON FUNCTION telemetry.fleet_energy(timestamptz, timestamptz) FROM PUBLIC;
