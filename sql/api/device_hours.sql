-- What a device reported, one row per hour: for plots of more than what is judged.

CREATE OR REPLACE FUNCTION api.meter_hours(
    meter_id text,
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL
)
RETURNS TABLE (
    hour_start timestamptz,
    energy_kwh numeric,
    voltage_v numeric,
    samples bigint
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan  -- so that chunks beyond the window are left out
AS $$
DECLARE
    v_hours tstzrange := telemetry.asked_hours(meter_hours.since, meter_hours.until);
BEGIN
    RETURN QUERY
    SELECT
        h.bucket,
        trim_scale(h.energy_kwh),
        trim_scale(h.voltage_v_avg),
        h.samples
    FROM bi.meter_energy_hourly AS h
    WHERE h.meter_id = meter_hours.meter_id AND h.bucket >= lower(v_hours) AND h.bucket < upper(v_hours)
    ORDER BY h.bucket;
END;
$$;

COMMENT ON FUNCTION api.meter_hours(text, timestamptz, timestamptz) IS
'Takes a meter id, and start and end of a window: now unless the end is said, 24 hours before it unless the start is. Returns per hour that it touches, in order, its start, the AC energy in kWh as far as it is settled, the mean voltage in V or NULL, and how many readings there are; nothing of hours without any. Raises WL002 where the window is empty, WL004 where it is longer than a year.';

CREATE OR REPLACE FUNCTION api.vehicle_hours(
    vehicle_id text,
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL
)
RETURNS TABLE (
    hour_start timestamptz,
    energy_kwh numeric,
    soc_percent numeric,
    battery_temp_c numeric,
    samples bigint
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan  -- so that chunks beyond the window are left out
AS $$
DECLARE
    v_hours tstzrange := telemetry.asked_hours(vehicle_hours.since, vehicle_hours.until);
BEGIN
    RETURN QUERY
    SELECT
        h.bucket,
        trim_scale(h.energy_kwh),
        trim_scale(h.soc_percent_avg),
        trim_scale(h.battery_temp_c_avg),
        h.samples
    FROM bi.vehicle_energy_hourly AS h
    WHERE h.vehicle_id = vehicle_hours.vehicle_id AND h.bucket >= lower(v_hours) AND h.bucket < upper(v_hours)
    ORDER BY h.bucket;
END;
$$;

COMMENT ON FUNCTION api.vehicle_hours(text, timestamptz, timestamptz) IS
'Takes a vehicle id, and start and end of a window: now unless the end is said, 24 hours before it unless the start is. Returns per hour that it touches, in order, its start, the DC energy in kWh as far as it is settled, the mean state of charge in percent and battery temperature in °C or NULL, and how many readings there are; nothing of hours without any. Raises WL002 where the window is empty, WL004 where it is longer than a year.';

REVOKE ALL ON FUNCTION
    api.meter_hours(text, timestamptz, timestamptz),
    api.vehicle_hours(text, timestamptz, timestamptz)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    api.meter_hours(text, timestamptz, timestamptz),
    api.vehicle_hours(text, timestamptz, timestamptz)
TO wattledger_service;
