-- State of each device, its latest reading: by key and in pages.

CREATE OR REPLACE FUNCTION api.meter_state(meter_id text)
RETURNS TABLE (
    meter_id text,
    read_at timestamptz,
    kind text,
    energy_kwh numeric,
    register_kwh numeric,
    session_id text,
    voltage_v numeric,
    received_at timestamptz,
    open_events integer
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        d.meter_id,
        d.ts,
        coalesce(d.kind, 'difference')::text,
        trim_scale(telemetry.kwh(d.energy_mwh)),
        trim_scale(telemetry.kwh(d.register_mwh)),
        (
            SELECT n.session_id
            FROM telemetry.device_session AS n
            WHERE n.dataset = 'meter_reading' AND n.device_id = d.meter_id AND n.session_no = d.session_no
        ),
        trim_scale(d.voltage_mv * 0.001),
        d.received_at,
        (
            SELECT count(*)::integer
            FROM bi.register_event AS e
            WHERE e.side = 'meter' AND e.device_id = d.meter_id AND e.state = 'open'
        )
    FROM telemetry.meter_state AS d
    WHERE d.meter_id = $1 AND d.ts IS NOT NULL
$$;

COMMENT ON FUNCTION api.meter_state(text) IS
'Takes a meter id. Returns its latest reading: time, what it reports (difference, lifetime_register or session_counter), AC energy in kWh since the one before as far as that was known at arrival, level of the register in kWh and session or NULL, voltage in V or NULL, time of receipt, and how many events of its register are open; no row for an unknown meter.';

CREATE OR REPLACE FUNCTION api.meter_states(after text, page_size integer)
RETURNS TABLE (
    meter_id text,
    read_at timestamptz,
    kind text,
    energy_kwh numeric,
    register_kwh numeric,
    session_id text,
    voltage_v numeric,
    received_at timestamptz,
    open_events integer
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        d.meter_id,
        d.ts,
        coalesce(d.kind, 'difference')::text,
        trim_scale(telemetry.kwh(d.energy_mwh)),
        trim_scale(telemetry.kwh(d.register_mwh)),
        (
            SELECT n.session_id
            FROM telemetry.device_session AS n
            WHERE n.dataset = 'meter_reading' AND n.device_id = d.meter_id AND n.session_no = d.session_no
        ),
        trim_scale(d.voltage_mv * 0.001),
        d.received_at,
        (
            SELECT count(*)::integer
            FROM bi.register_event AS e
            WHERE e.side = 'meter' AND e.device_id = d.meter_id AND e.state = 'open'
        )
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
    kind text,
    energy_kwh numeric,
    register_kwh numeric,
    session_id text,
    soc_percent numeric,
    battery_temp_c numeric,
    received_at timestamptz,
    open_events integer
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        d.vehicle_id,
        d.ts,
        coalesce(d.kind, 'difference')::text,
        trim_scale(telemetry.kwh(d.energy_mwh)),
        trim_scale(telemetry.kwh(d.register_mwh)),
        (
            SELECT n.session_id
            FROM telemetry.device_session AS n
            WHERE n.dataset = 'vehicle_reading' AND n.device_id = d.vehicle_id AND n.session_no = d.session_no
        ),
        trim_scale(d.soc_mpct * 0.001),
        trim_scale(d.battery_temp_mc * 0.001),
        d.received_at,
        (
            SELECT count(*)::integer
            FROM bi.register_event AS e
            WHERE e.side = 'vehicle' AND e.device_id = d.vehicle_id AND e.state = 'open'
        )
    FROM telemetry.vehicle_state AS d
    WHERE d.vehicle_id = $1 AND d.ts IS NOT NULL
$$;

COMMENT ON FUNCTION api.vehicle_state(text) IS
'Takes a vehicle id. Returns its latest reading: time, what it reports (difference, lifetime_register or session_counter), DC energy in kWh since the one before as far as that was known at arrival, level of the register in kWh and session or NULL, state of charge in percent or NULL, battery temperature in °C or NULL, time of receipt, and how many events of its register are open; no row for an unknown vehicle.';

CREATE OR REPLACE FUNCTION api.vehicle_states(after text, page_size integer)
RETURNS TABLE (
    vehicle_id text,
    read_at timestamptz,
    kind text,
    energy_kwh numeric,
    register_kwh numeric,
    session_id text,
    soc_percent numeric,
    battery_temp_c numeric,
    received_at timestamptz,
    open_events integer
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        d.vehicle_id,
        d.ts,
        coalesce(d.kind, 'difference')::text,
        trim_scale(telemetry.kwh(d.energy_mwh)),
        trim_scale(telemetry.kwh(d.register_mwh)),
        (
            SELECT n.session_id
            FROM telemetry.device_session AS n
            WHERE n.dataset = 'vehicle_reading' AND n.device_id = d.vehicle_id AND n.session_no = d.session_no
        ),
        trim_scale(d.soc_mpct * 0.001),
        trim_scale(d.battery_temp_mc * 0.001),
        d.received_at,
        (
            SELECT count(*)::integer
            FROM bi.register_event AS e
            WHERE e.side = 'vehicle' AND e.device_id = d.vehicle_id AND e.state = 'open'
        )
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
