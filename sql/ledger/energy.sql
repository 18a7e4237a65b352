-- Energy of one device between any two moments: days and hours from the rollups, the edges from the raw readings.

-- planned anew for each window, so that only the chunks that hold it are looked at, however long history is

CREATE OR REPLACE FUNCTION telemetry.meter_energy(
    meter_id text,
    since timestamptz,
    until timestamptz,
    hourly_since timestamptz
)
RETURNS TABLE (
    energy_mwh numeric,
    samples bigint,
    provisional_mwh numeric,
    settled_until timestamptz
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_first_hour timestamptz := telemetry.ceiling_hour(greatest(since, hourly_since));
    v_first_end timestamptz := least(telemetry.ceiling_hour(since), until);
    v_end_hour timestamptz := telemetry.floor_hour(until);
    v_last_begin timestamptz := greatest(v_end_hour, telemetry.ceiling_hour(since));
    v_settled_until timestamptz := telemetry.settled_until('meter_reading', meter_id);
    v_provisional_mwh numeric := 0::numeric;
BEGIN
    IF v_settled_until < until THEN
        v_provisional_mwh := telemetry.provisional_mwh('meter_reading', meter_id, since, until);
    END IF;
    RETURN QUERY
    SELECT
        coalesce(sum(p.energy_mwh), CASE WHEN v_provisional_mwh <> 0 THEN 0 END) + v_provisional_mwh,
        sum(p.samples)::bigint,
        v_provisional_mwh,
        v_settled_until
    FROM (
        SELECT
            sum(d.energy_mwh) AS energy_mwh,
            sum(d.samples) AS samples
        FROM bi.meter_energy_daily AS d
        WHERE d.meter_id = meter_energy.meter_id
            AND d.bucket >= meter_energy.since
            AND d.bucket < least(meter_energy.until, meter_energy.hourly_since)
        UNION ALL
        SELECT
            sum(h.energy_mwh),
            sum(h.samples)
        FROM bi.meter_energy_hourly AS h
        WHERE h.meter_id = meter_energy.meter_id AND h.bucket >= v_first_hour AND h.bucket < v_end_hour
        UNION ALL
        SELECT
            sum(r.energy_mwh),
            count(*) FILTER (WHERE r.entry = 0)
        FROM telemetry.meter_reading AS r
        WHERE r.meter_id = meter_energy.meter_id AND r.ts >= meter_energy.since AND r.ts < v_first_end
        UNION ALL
        SELECT
            sum(r.energy_mwh),
            count(*) FILTER (WHERE r.entry = 0)
        FROM telemetry.meter_reading AS r
        WHERE r.meter_id = meter_energy.meter_id AND r.ts >= v_last_begin AND r.ts < meter_energy.until
    ) AS p;
END;
$$;

COMMENT ON FUNCTION telemetry.meter_energy(text, timestamptz, timestamptz, timestamptz) IS
'Takes a meter, a window (since included, until not) whose ends telemetry.answerable has been applied to, and since when all hours are there. Returns one row: the AC energy in milliwatt-hours, NULL without readings, how many readings there are, how much of the energy is not settled yet, in milliwatt-hours, and a reading''s time before which all is (NULL: everything is settled).';

CREATE OR REPLACE FUNCTION telemetry.vehicle_energy(
    vehicle_id text,
    since timestamptz,
    until timestamptz,
    hourly_since timestamptz
)
RETURNS TABLE (
    energy_mwh numeric,
    samples bigint,
    battery_temp_mc_sum numeric,
    battery_temp_samples bigint,
    provisional_mwh numeric,
    settled_until timestamptz
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_first_hour timestamptz := telemetry.ceiling_hour(greatest(since, hourly_since));
    v_first_end timestamptz := least(telemetry.ceiling_hour(since), until);
    v_end_hour timestamptz := telemetry.floor_hour(until);
    v_last_begin timestamptz := greatest(v_end_hour, telemetry.ceiling_hour(since));
    v_settled_until timestamptz := telemetry.settled_until('vehicle_reading', vehicle_id);
    v_provisional_mwh numeric := 0::numeric;
BEGIN
    IF v_settled_until < until THEN
        v_provisional_mwh := telemetry.provisional_mwh('vehicle_reading', vehicle_id, since, until);
    END IF;
    RETURN QUERY
    SELECT
        coalesce(sum(p.energy_mwh), CASE WHEN v_provisional_mwh <> 0 THEN 0 END) + v_provisional_mwh,
        sum(p.samples)::bigint,
        sum(p.battery_temp_mc_sum),
        sum(p.battery_temp_samples)::bigint,
        v_provisional_mwh,
        v_settled_until
    FROM (
        SELECT
            sum(d.energy_mwh) AS energy_mwh,
            sum(d.samples) AS samples,
            sum(d.battery_temp_mc_sum) AS battery_temp_mc_sum,
            sum(d.battery_temp_samples) AS battery_temp_samples
        FROM bi.vehicle_energy_daily AS d
        WHERE d.vehicle_id = vehicle_energy.vehicle_id
            AND d.bucket >= vehicle_energy.since
            AND d.bucket < least(vehicle_energy.until, vehicle_energy.hourly_since)
        UNION ALL
        SELECT
            sum(h.energy_mwh),
            sum(h.samples),
            sum(h.battery_temp_mc_sum),
            sum(h.battery_temp_samples)
        FROM bi.vehicle_energy_hourly AS h
        WHERE h.vehicle_id = vehicle_energy.vehicle_id AND h.bucket >= v_first_hour AND h.bucket < v_end_hour
        UNION ALL
        SELECT
            sum(r.energy_mwh),
            count(*) FILTER (WHERE r.entry = 0),
            sum(r.battery_temp_mc),
            count(r.battery_temp_mc)
        FROM telemetry.vehicle_reading AS r
        WHERE r.vehicle_id = vehicle_energy.vehicle_id AND r.ts >= vehicle_energy.since AND r.ts < v_first_end
        UNION ALL
        SELECT
            sum(r.energy_mwh),
            count(*) FILTER (WHERE r.entry = 0),
            sum(r.battery_temp_mc),
            count(r.battery_temp_mc)
        FROM telemetry.vehicle_reading AS r
        WHERE r.vehicle_id = vehicle_energy.vehicle_id AND r.ts >= v_last_begin AND r.ts < vehicle_energy.until
    ) AS p;
END;
$$;

COMMENT ON FUNCTION telemetry.vehicle_energy(text, timestamptz, timestamptz, timestamptz) IS
'Takes a vehicle, a window (since included, until not) whose ends telemetry.answerable has been applied to, and since when all hours are there. Returns one row: the DC energy in milliwatt-hours, NULL without readings, how many readings there are, the sum of battery temperatures in thousandths of a degree Celsius, how many readings reported one, how much of the energy is not settled yet, in milliwatt-hours, and a reading''s time before which all is (NULL: everything is settled).';

REVOKE ALL ON FUNCTION
    telemetry.meter_energy(text, timestamptz, timestamptz, timestamptz),
    telemetry.vehicle_energy(text, timestamptz, timestamptz, timestamptz)
FROM PUBLIC;
