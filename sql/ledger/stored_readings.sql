-- Stored readings of devices and times that come again, looked up by key.

-- planned anew for each chunk, from the oldest on, with the times as constants: a plan over all chunks would lock each
-- of them, and wait for whoever drops or compresses one that has nothing to do with it

CREATE OR REPLACE FUNCTION telemetry.stored_meter_readings(meter_ids text[], read_at timestamptz[])
RETURNS TABLE (
    meter_id text,
    ts timestamptz,
    kind telemetry.reading_kind,
    reported_mwh bigint,
    interval_start timestamptz,
    session_id text,
    voltage_mv integer
)
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
        SELECT
            k.meter_id,
            k.ts,
            f.kind,
            f.reported_mwh,
            f.interval_start,
            n.session_id,
            f.voltage_mv
        FROM (
            SELECT DISTINCT s.meter_id, s.ts
            FROM unnest(stored_meter_readings.meter_ids, stored_meter_readings.read_at) AS s (meter_id, ts)
            WHERE s.ts BETWEEN v_chunk.first AND v_chunk.last
        ) AS k
        CROSS JOIN LATERAL (
            SELECT
                m.kind,
                coalesce(m.register_mwh, m.energy_mwh) AS reported_mwh,
                m.interval_start,
                m.session_no,
                m.voltage_mv
            FROM telemetry.meter_reading AS m
            WHERE m.meter_id = k.meter_id
                AND m.ts = k.ts
                AND m.entry = 0
                AND m.ts BETWEEN v_chunk.first AND v_chunk.last
            LIMIT 1  -- there is one at most, but this makes it a look by key for each
        ) AS f
        LEFT JOIN telemetry.device_session AS n
            ON n.dataset = 'meter_reading' AND n.device_id = k.meter_id AND n.session_no = f.session_no;
    END LOOP;
END;
$$;

COMMENT ON FUNCTION telemetry.stored_meter_readings(text[], timestamptz[]) IS
'Takes meters and the times of their readings, as arrays of the same length. Returns a row for each reading of a meter and time that is stored: both, and what was reported: kind, energy or register in milliwatt-hours, start of the interval, session, and voltage in millivolts.';

CREATE OR REPLACE FUNCTION telemetry.stored_vehicle_readings(vehicle_ids text[], read_at timestamptz[])
RETURNS TABLE (
    vehicle_id text,
    ts timestamptz,
    kind telemetry.reading_kind,
    reported_mwh bigint,
    interval_start timestamptz,
    session_id text,
    soc_mpct integer,
    battery_temp_mc integer
)
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
        SELECT
            k.vehicle_id,
            k.ts,
            f.kind,
            f.reported_mwh,
            f.interval_start,
            n.session_id,
            f.soc_mpct,
            f.battery_temp_mc
        FROM (
            SELECT DISTINCT s.vehicle_id, s.ts
            FROM unnest(stored_vehicle_readings.vehicle_ids, stored_vehicle_readings.read_at) AS s (vehicle_id, ts)
            WHERE s.ts BETWEEN v_chunk.first AND v_chunk.last
        ) AS k
        CROSS JOIN LATERAL (
            SELECT
                m.kind,
                coalesce(m.register_mwh, m.energy_mwh) AS reported_mwh,
                m.interval_start,
                m.session_no,
                m.soc_mpct,
                m.battery_temp_mc
            FROM telemetry.vehicle_reading AS m
            WHERE m.vehicle_id = k.vehicle_id
                AND m.ts = k.ts
                AND m.entry = 0
                AND m.ts BETWEEN v_chunk.first AND v_chunk.last
            LIMIT 1  -- there is one at most, but this makes it a look by key for each
        ) AS f
        LEFT JOIN telemetry.device_session AS n
            ON n.dataset = 'vehicle_reading' AND n.device_id = k.vehicle_id AND n.session_no = f.session_no;
    END LOOP;
END;
$$;

COMMENT ON FUNCTION telemetry.stored_vehicle_readings(text[], timestamptz[]) IS
'Takes vehicles and the times of their readings, as arrays of the same length. Returns a row for each reading of a vehicle and time that is stored: both, and what was reported: kind, energy or register in milliwatt-hours, start of the interval, session, state of charge in thousandths of a percent and battery temperature in thousandths of a degree Celsius.';

REVOKE ALL ON FUNCTION
    telemetry.stored_meter_readings(text[], timestamptz[]),
    telemetry.stored_vehicle_readings(text[], timestamptz[])
FROM PUBLIC;
