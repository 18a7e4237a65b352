-- Energy of one device by hours, in any window: whole hours from the rollups, the edges from the raw readings.

-- planned anew for each window, so that only the chunks that hold it are looked at, however long history is

CREATE OR REPLACE FUNCTION telemetry.meter_hours(meter_id text, since timestamptz, until timestamptz)
RETURNS TABLE (bucket timestamptz, energy_mwh numeric, samples bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_first_hour timestamptz := telemetry.ceiling_hour(since);
    v_first_end timestamptz := least(v_first_hour, until);
    v_end_hour timestamptz := telemetry.floor_hour(until);
    v_last_begin timestamptz := greatest(v_end_hour, v_first_hour);
BEGIN
    RETURN QUERY
    SELECT h.bucket, h.energy_mwh::numeric, h.samples
    FROM bi.meter_energy_hourly AS h
    WHERE h.meter_id = meter_hours.meter_id AND h.bucket >= v_first_hour AND h.bucket < v_end_hour;
    IF since < v_first_end THEN
        RETURN QUERY
        SELECT telemetry.floor_hour(meter_hours.since), sum(r.energy_mwh), count(*) FILTER (WHERE r.entry = 0)
        FROM telemetry.meter_reading AS r
        WHERE r.meter_id = meter_hours.meter_id AND r.ts >= meter_hours.since AND r.ts < v_first_end
        HAVING count(*) > 0;
    END IF;
    IF v_last_begin < until THEN
        RETURN QUERY
        SELECT v_last_begin, sum(r.energy_mwh), count(*) FILTER (WHERE r.entry = 0)
        FROM telemetry.meter_reading AS r
        WHERE r.meter_id = meter_hours.meter_id AND r.ts >= v_last_begin AND r.ts < meter_hours.until
        HAVING count(*) > 0;
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.meter_hours(text, timestamptz, timestamptz) IS
'Takes a meter and a window (since included, until not) whose ends telemetry.answerable has been applied to. Returns a row for each hour of it that has readings: its start, the AC energy in milliwatt-hours, and how many readings there are; of hours that the window cuts only what is in it.';

CREATE OR REPLACE FUNCTION telemetry.vehicle_hours(vehicle_id text, since timestamptz, until timestamptz)
RETURNS TABLE (bucket timestamptz, energy_mwh numeric, samples bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_first_hour timestamptz := telemetry.ceiling_hour(since);
    v_first_end timestamptz := least(v_first_hour, until);
    v_end_hour timestamptz := telemetry.floor_hour(until);
    v_last_begin timestamptz := greatest(v_end_hour, v_first_hour);
BEGIN
    RETURN QUERY
    SELECT h.bucket, h.energy_mwh::numeric, h.samples
    FROM bi.vehicle_energy_hourly AS h
    WHERE h.vehicle_id = vehicle_hours.vehicle_id AND h.bucket >= v_first_hour AND h.bucket < v_end_hour;
    IF since < v_first_end THEN
        RETURN QUERY
        SELECT telemetry.floor_hour(vehicle_hours.since), sum(r.energy_mwh), count(*) FILTER (WHERE r.entry = 0)
        FROM telemetry.vehicle_reading AS r
        WHERE r.vehicle_id = vehicle_hours.vehicle_id AND r.ts >= vehicle_hours.since AND r.ts < v_first_end
        HAVING count(*) > 0;
    END IF;
    IF v_last_begin < until THEN
        RETURN QUERY
        SELECT v_last_begin, sum(r.energy_mwh), count(*) FILTER (WHERE r.entry = 0)
        FROM telemetry.vehicle_reading AS r
        WHERE r.vehicle_id = vehicle_hours.vehicle_id AND r.ts >= v_last_begin AND r.ts < vehicle_hours.until
        HAVING count(*) > 0;
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.vehicle_hours(text, timestamptz, timestamptz) IS
'Takes a vehicle and a window (since included, until not) whose ends telemetry.answerable has been applied to. Returns a row for each hour of it that has readings: its start, the DC energy in milliwatt-hours, and how many readings there are; of hours that the window cuts only what is in it.';

REVOKE ALL ON FUNCTION
    telemetry.meter_hours(text, timestamptz, timestamptz),
    telemetry.vehicle_hours(text, timestamptz, timestamptz)
FROM PUBLIC;
