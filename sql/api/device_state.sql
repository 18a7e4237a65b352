-- State of each device, its latest reading: by key and in pages.

CREATE OR REPLACE FUNCTION api.meter_state(meter_id text)
RETURNS TABLE (
    meter_id text,
    read_at timestamptz,
    energy_kwh numeric,
    voltage_v numeric,
    received_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        d.meter_id,
        d.ts,
        trim_scale(telemetry.kwh(d.energy_mwh)),
        trim_scale(d.voltage_mv * 0.001),
        d.received_at
    FROM telemetry.meter_state AS d
    WHERE d.meter_id = $1 AND d.ts IS NOT NULL
$$;

COMMENT ON FUNCTION api.meter_state(text) IS
'Takes a meter id. Returns its latest reading: time, AC energy in kWh since the one before, voltage in V or NULL, time of receipt; no row for an unknown meter.';

CREATE OR REPLACE FUNCTION api.meter_states(after text, page_size integer)
RETURNS TABLE (
    meter_id text,
    read_at timestamptz,
    energy_kwh numeric,
    voltage_v numeric,
    received_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        d.meter_id,
        d.ts,
        trim_scale(telemetry.kwh(d.energy_mwh)),
        trim_scale(d.voltage_mv * 0.001),
        d.received_at
    FROM telemetry.meter_state AS d
    WHERE d.meter_id > coalesce(meter_states.after, '') AND d.ts IS NOT NULL
    ORDER BY d.meter_id
    LIMIT meter_states.page_size
$$;

COMMENT ON FUNCTION api.meter_states(text, integer) IS
'Takes the last id of the page before (NULL for the first page) and a page size. Returns the next meters by id, each as api.meter_state does.';

CREATE OR REPLACE FUNCTION api.vehicle_state(vehicle_id text)
RETURNS TABLE (
    vehicle_id text,
    read_at timestamptz,
    energy_kwh numeric,
    soc_percent numeric,
    battery_temp_c numeric,
    received_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        d.vehicle_id,
        d.ts,
        trim_scale(telemetry.kwh(d.energy_mwh)),
        trim_scale(d.soc_mpct * 0.001),
        trim_scale(d.battery_temp_mc * 0.001),
        d.received_at
    FROM telemetry.vehicle_state AS d
    WHERE d.vehicle_id = $1 AND d.ts IS NOT NULL
$$;

COMMENT ON FUNCTION api.vehicle_state(text) IS
'Takes a vehicle id. Returns its latest reading: time, DC energy in kWh since the one before, state of charge in percent or NULL, battery temperature in °C or NULL, time of receipt; no row for an unknown vehicle.';

CREATE OR REPLACE FUNCTION api.vehicle_states(after text, page_size integer)
RETURNS TABLE (
    vehicle_id text,
    read_at timestamptz,
    energy_kwh numeric,
    soc_percent numeric,
    battery_temp_c numeric,
    received_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        d.vehicle_id,
        d.ts,
        trim_scale(telemetry.kwh(d.energy_mwh)),
        trim_scale(d.soc_mpct * 0.001),
        trim_scale(d.battery_temp_mc * 0.001),
        d.received_at
    FROM telemetry.vehicle_state AS d
    WHERE d.vehicle_id > coalesce(vehicle_states.after, '') AND d.ts IS NOT NULL
    ORDER BY d.vehicle_id
    LIMIT vehicle_states.page_size
$$;

COMMENT ON FUNCTION api.vehicle_states(text, integer) IS
'Takes the last id of the page before (NULL for the first page) and a page size. Returns the next vehicles by id, each as api.vehicle_state does.';

REVOKE ALL ON FUNCTION
    api.meter_state(text),
    api.meter_states(text, integer),
    api.vehicle_state(text),
    api.vehicle_states(text, integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    api.meter_state(text),
    api.meter_states(text, integer),
    api.vehicle_state(text),
    api.vehicle_states(text, integer)
TO wattledger_service;
