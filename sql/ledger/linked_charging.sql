-- What flowed while a vehicle was linked, over all of its meters, and whether it drifts.

CREATE OR REPLACE FUNCTION telemetry.vehicle_charging(vehicle_id text, since timestamptz, until timestamptz)
RETURNS SETOF telemetry.charging_part
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_meter record;
BEGIN
    FOR v_meter IN
        -- Whole hours, whose parts are kept: only those that the window cuts are computed. A meter that is linked
        -- twice in an hour is asked for it once.
        SELECT m.meter_id, lower(u.part) AS since, upper(u.part) AS until
        FROM (
            SELECT
                l.meter_id,
                range_agg(tstzrange(telemetry.floor_hour(e.since), telemetry.ceiling_hour(e.until)))
                * tstzmultirange(tstzrange(vehicle_charging.since, vehicle_charging.until)) AS parts
            FROM telemetry.charging_link AS l
            CROSS JOIN LATERAL (
                SELECT
                    greatest(lower(l.during), vehicle_charging.since) AS since,
                    least(upper(l.during), vehicle_charging.until) AS until
            ) AS e
            WHERE l.vehicle_id = vehicle_charging.vehicle_id AND e.since < e.until
            GROUP BY l.meter_id
        ) AS m
        CROSS JOIN LATERAL unnest(m.parts) AS u (part)
    LOOP
        RETURN QUERY
        SELECT p.*
        FROM telemetry.charging_now(v_meter.meter_id, v_meter.since, v_meter.until) AS p
        WHERE p.vehicle_id = vehicle_charging.vehicle_id;
    END LOOP;
END;
$$;

COMMENT ON FUNCTION telemetry.vehicle_charging(text, timestamptz, timestamptz) IS
'Takes a vehicle and a window (since included, until not). Returns what flowed in it at the meters to which the vehicle was linked, while it was, as telemetry.charging_now has it.';

CREATE OR REPLACE FUNCTION telemetry.is_drifting(
    vehicle_id text,
    meter_id text,
    since timestamptz,
    until timestamptz
)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan  -- each of the questions that this is has an index of its own
AS $$
BEGIN
    RETURN coalesce(
        (
            SELECT s.below_usual >= r.drifting_after
            FROM telemetry.judged_session AS s
            CROSS JOIN telemetry.rules AS r
            WHERE (is_drifting.vehicle_id IS NULL OR s.vehicle_id = is_drifting.vehicle_id)
                AND (is_drifting.meter_id IS NULL OR s.meter_id = is_drifting.meter_id)
                AND s.started_at >= is_drifting.since AND s.started_at < is_drifting.until
                AND s.is_judged
            ORDER BY s.started_at DESC
            LIMIT 1
        ),
        FALSE
    );
END;
$$;

COMMENT ON FUNCTION telemetry.is_drifting(text, text, timestamptz, timestamptz) IS
'Takes a vehicle and a meter (of either NULL: any) and a window (since included, until not). Returns whether the last judged session that started in it was one of so many in a row below the usual that it is a drift.';

REVOKE ALL ON FUNCTION
    telemetry.vehicle_charging(text, timestamptz, timestamptz),
    telemetry.is_drifting(text, text, timestamptz, timestamptz)
FROM PUBLIC;
