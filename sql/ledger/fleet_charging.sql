-- Charging of a whole fleet, one row per vehicle.

-- Unpinned and with the caller's rights, so that the planner can inline it. Sums are in floating point, which takes a
-- third of the time that numeric does: below 2⁵³ milliwatt-hours, nine billion kWh, they are exact.
CREATE OR REPLACE FUNCTION telemetry.fleet_charging(since timestamptz, until timestamptz)
RETURNS TABLE (
    vehicle_id text,
    may_drift boolean,
    ac_mwh double precision,
    ac_matched_mwh double precision,
    dc_mwh double precision,
    dc_matched_mwh double precision,
    ac_standing_mwh double precision,
    dc_standing_mwh double precision,
    standby_mwh double precision,
    edge_mwh double precision,
    matched_us double precision,
    ac_resolution_mwh bigint,
    dc_resolution_mwh bigint,
    battery_temp_mc integer,
    meter_samples double precision,
    vehicle_samples double precision
)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT
        e.vehicle_id,
        bool_or(e.may_drift),
        sum(e.ac_mwh::double precision),
        sum(e.ac_matched_mwh::double precision),
        sum(e.dc_mwh::double precision),
        sum(e.dc_matched_mwh::double precision),
        sum(e.ac_standing_mwh::double precision),
        sum(e.dc_standing_mwh::double precision),
        sum(e.standby_mwh::double precision),
        sum(e.edge_mwh::double precision),
        sum(e.matched_us::double precision),
        min(e.ac_resolution_mwh),
        min(e.dc_resolution_mwh),
        min(e.battery_temp_mc),
        sum(e.meter_samples::double precision),
        sum(e.vehicle_samples::double precision)
    FROM (
        -- whole days from the days, what is left at either end from the hours
        SELECT
            d.vehicle_id, d.is_drifting AS may_drift, d.ac_mwh, d.ac_matched_mwh, d.dc_mwh, d.dc_matched_mwh,
            d.ac_standing_mwh, d.dc_standing_mwh, d.standby_mwh, d.edge_mwh, d.matched_us, d.ac_resolution_mwh,
            d.dc_resolution_mwh, d.battery_temp_mc, d.meter_samples, d.vehicle_samples
        FROM telemetry.charging_day AS d
        WHERE d.day >= telemetry.utc_day(telemetry.ceiling_day(fleet_charging.since))
            AND d.day < telemetry.utc_day(telemetry.floor_day(fleet_charging.until))
            AND d.vehicle_id <> ''
        UNION ALL
        SELECT
            p.vehicle_id, FALSE, p.ac_mwh, p.ac_matched_mwh, p.dc_mwh, p.dc_matched_mwh,
            p.ac_standing_mwh, p.dc_standing_mwh, p.standby_mwh, p.edge_mwh, p.matched_us, p.ac_resolution_mwh,
            p.dc_resolution_mwh, p.battery_temp_mc, p.meter_samples, p.vehicle_samples
        FROM telemetry.charging_part AS p
        WHERE p.hour >= fleet_charging.since
            AND p.hour < least(telemetry.ceiling_day(fleet_charging.since), fleet_charging.until)
            AND p.vehicle_id <> ''
        UNION ALL
        SELECT
            p.vehicle_id, FALSE, p.ac_mwh, p.ac_matched_mwh, p.dc_mwh, p.dc_matched_mwh,
            p.ac_standing_mwh, p.dc_standing_mwh, p.standby_mwh, p.edge_mwh, p.matched_us, p.ac_resolution_mwh,
            p.dc_resolution_mwh, p.battery_temp_mc, p.meter_samples, p.vehicle_samples
        FROM telemetry.charging_part AS p
        WHERE p.hour >= greatest(
            telemetry.floor_day(fleet_charging.until), telemetry.ceiling_day(fleet_charging.since)
        )
            AND p.hour < fleet_charging.until
            AND p.vehicle_id <> ''
        UNION ALL
        -- days know of a drift, hours do not
        SELECT s.vehicle_id, TRUE, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, 0, 0
        FROM telemetry.charging_session AS s
        CROSS JOIN telemetry.rules AS r
        WHERE s.started_at >= fleet_charging.since
            AND s.started_at < least(telemetry.ceiling_day(fleet_charging.since), fleet_charging.until)
            AND s.below_usual >= r.drifting_after
        UNION ALL
        SELECT s.vehicle_id, TRUE, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, 0, 0
        FROM telemetry.charging_session AS s
        CROSS JOIN telemetry.rules AS r
        WHERE s.started_at >= greatest(
            telemetry.floor_day(fleet_charging.until), telemetry.ceiling_day(fleet_charging.since)
        )
            AND s.started_at < fleet_charging.until
            AND s.below_usual >= r.drifting_after
    ) AS e
    GROUP BY e.vehicle_id
$$;

COMMENT ON FUNCTION telemetry.fleet_charging(timestamptz, timestamptz) IS
'Takes a window of whole hours (since included, until not). Returns a row for each vehicle of which charging is kept in it: whether it may drift (telemetry.is_drifting tells: on some day of the window it did), and sums as telemetry.charging_part has them, of all meters that it was linked to.';

-- unpinned too
CREATE OR REPLACE FUNCTION telemetry.linked_time(during tstzrange, since timestamptz, until timestamptz)
RETURNS interval
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT telemetry.elapsed(greatest(lower(during), since), least(upper(during), until))
$$;

COMMENT ON FUNCTION telemetry.linked_time(tstzrange, timestamptz, timestamptz) IS
'Takes when a charging link holds, and a window (since included, until not). Returns how long it holds in the window, until now at most.';

REVOKE ALL ON FUNCTION
    telemetry.fleet_charging(timestamptz, timestamptz),
    telemetry.linked_time(tstzrange, timestamptz, timestamptz)
FROM PUBLIC;
