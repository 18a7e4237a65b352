-- Losses of a vehicle's charging, one row per hour.

CREATE OR REPLACE FUNCTION api.performance_hourly(
    vehicle_id text,
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL
)
RETURNS TABLE (
    hour_start timestamptz,
    ac_kwh numeric,
    dc_kwh numeric,
    loss_kwh numeric,
    efficiency numeric,
    meter_samples bigint,
    vehicle_samples bigint,
    meter_coverage numeric,
    vehicle_coverage numeric,
    status text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_first timestamptz;
    v_end timestamptz;
BEGIN
    SELECT telemetry.floor_hour(w.since), telemetry.ceiling_hour(w.until) INTO v_first, v_end
    FROM telemetry.asked_window(performance_hourly.since, performance_hourly.until) AS w;
    IF v_end - v_first > INTERVAL '8784 hours' THEN
        RAISE EXCEPTION 'the window is longer than a year'
            USING ERRCODE = 'WL004', HINT = 'Ask for 8,784 hours at most.';
    END IF;

    RETURN QUERY
    SELECT
        e.bucket,
        trim_scale(e.ac_kwh),
        trim_scale(e.dc_kwh),
        trim_scale(e.loss_kwh),
        e.efficiency,
        e.meter_samples,
        e.vehicle_samples,
        e.meter_coverage,
        e.vehicle_coverage,
        e.verdict
    FROM bi.charging_efficiency_hourly AS e
    WHERE e.vehicle_id = performance_hourly.vehicle_id AND e.bucket >= v_first AND e.bucket < v_end
    ORDER BY e.bucket;
END;
$$;

COMMENT ON FUNCTION api.performance_hourly(text, timestamptz, timestamptz) IS
'Takes a vehicle and a window: since (NULL: 24 hours before its end) and until (NULL: now), a leap year (8,784 hours) at most. Returns a row for each whole hour that the window touches, in UTC, in which the vehicle was linked and either side reported, in order: its start, energy in kWh drawn from the grid (AC) and delivered to the battery (DC) while linked, the loss, the efficiency (NULL without AC), how many readings of either side were counted, the coverage of either side, and a status: insufficient, impossible, degraded or healthy. Raises WL002 where the window is empty, WL004 where it is too long.';

REVOKE ALL ON FUNCTION api.performance_hourly(text, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.performance_hourly(text, timestamptz, timestamptz) TO wattledger_service;
