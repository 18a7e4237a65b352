-- Stored readings of devices and times that come again, looked up by key.

-- planned anew for each chunk, from the oldest on, with the times as constants: a plan over all chunks would lock each
-- of them, and wait for whoever drops or compresses one that has nothing to do with it

CREATE OR REPLACE FUNCTION telemetry.stored_meter_readings(meter_ids text[], read_at timestamptz[])
RETURNS TABLE (meter_id text, ts timestamptz, energy_mwh bigint, voltage_mv integer)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_chunk record;
BEGIN
    FOR v_chunk IN
        SELECT c.first, c.last FROM telemetry.chunk_spans('meter_reading', stored_meter_readings.read_at) AS c
    LOOP
        RETURN QUERY
        SELECT k.meter_id, k.ts, f.energy_mwh, f.voltage_mv
        FROM (
            SELECT DISTINCT s.meter_id, s.ts
            FROM unnest(stored_meter_readings.meter_ids, stored_meter_readings.read_at) AS s (meter_id, ts)
            WHERE s.ts BETWEEN v_chunk.first AND v_chunk.last
        ) AS k
        CROSS JOIN LATERAL (
            SELECT m.energy_mwh, m.voltage_mv
            FROM telemetry.meter_reading AS m
            WHERE m.meter_id = k.meter_id
                AND m.ts = k.ts
                AND m.entry = 0
                AND m.ts BETWEEN v_chunk.first AND v_chunk.last
            LIMIT 1  -- there is one at most, but this makes it a look by key for each
        ) AS f;
    END LOOP;
END;
$$;

COMMENT ON FUNCTION telemetry.stored_meter_readings(text[], timestamptz[]) IS
'Takes meters and the times of their readings, as arrays of the same length. Returns a row for each reading of a meter and time that is stored: both, its energy in milliwatt-hours and its voltage in millivolts.';

CREATE OR REPLACE FUNCTION telemetry.stored_vehicle_readings(vehicle_ids text[], read_at timestamptz[])
RETURNS TABLE (vehicle_id text, ts timestamptz, energy_mwh bigint, soc_mpct integer, battery_temp_mc integer)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_chunk record;
BEGIN
    FOR v_chunk IN
        SELECT c.first, c.last FROM telemetry.chunk_spans('vehicle_reading', stored_vehicle_readings.read_at) AS c
    LOOP
        RETURN QUERY
        SELECT k.vehicle_id, k.ts, f.energy_mwh, f.soc_mpct, f.battery_temp_mc
        FROM (
            SELECT DISTINCT s.vehicle_id, s.ts
            FROM unnest(stored_vehicle_readings.vehicle_ids, stored_vehicle_readings.read_at) AS s (vehicle_id, ts)
            WHERE s.ts BETWEEN v_chunk.first AND v_chunk.last
        ) AS k
        CROSS JOIN LATERAL (
            SELECT m.energy_mwh, m.soc_mpct, m.battery_temp_mc
            FROM telemetry.vehicle_reading AS m
            WHERE m.vehicle_id = k.vehicle_id
                AND m.ts = k.ts
                AND m.entry = 0
                AND m.ts BETWEEN v_chunk.first AND v_chunk.last
            LIMIT 1  -- there is one at most, but this makes it a look by key for each
        ) AS f;
    END LOOP;
END;
$$;

COMMENT ON FUNCTION telemetry.stored_vehicle_readings(text[], timestamptz[]) IS
'Takes vehicles and the times of their readings, as arrays of the same length. Returns a row for each reading of a vehicle and time that is stored: both, its energy in milliwatt-hours, state of charge in thousandths of a percent and battery temperature in thousandths of a degree Celsius.';

REVOKE ALL ON FUNCTION
    telemetry.stored_meter_readings(text[], timestamptz[]),
    telemetry.stored_vehicle_readings(text[], timestamptz[])
FROM PUBLIC;
