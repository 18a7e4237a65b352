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
    open_events integer,
    name text,
    site text,
    groups text[],
    retired_at timestamptz
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
        ),
        l.name,
        l.site,
        coalesce(l.groups, '{}'),
        l.retired_at
    FROM telemetry.meter_state AS d
    LEFT JOIN telemetry.device_label AS l ON l.dataset = 'meter_reading' AND l.device_id = d.meter_id
    WHERE d.meter_id = $1 AND d.ts IS NOT NULL
$$;

COMMENT ON FUNCTION api.meter_state(text) IS
'Takes a meter id. Returns its latest reading: time, what it reports (difference, lifetime_register or session_counter), AC energy in kWh since the one before as far as that was known at arrival, level of the register in kWh and session or NULL, voltage in V or NULL, time of receipt, how many events of its register are open, what people call it and its site (NULL: not said), its groups, and since when it is retired (NULL: it is not); no row for an unknown meter.';

CREATE OR REPLACE FUNCTION api.meter_states(
    after text,
    page_size integer,
    of_site text DEFAULT NULL,
    of_group text DEFAULT NULL
)
RETURNS TABLE (
    meter_id text,
    read_at timestamptz,
    kind text,
    energy_kwh numeric,
    register_kwh numeric,
    session_id text,
    voltage_v numeric,
    received_at timestamptz,
    open_events integer,
    name text,
    site text,
    groups text[],
    retired_at timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan  -- which of the labels are asked for is known to the plan
SET enable_mergejoin = off  -- it reads all labels before the page
SET enable_hashjoin = off
AS $$
BEGIN
    RETURN QUERY
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
        ),
        l.name,
        l.site,
        coalesce(l.groups, '{}'),
        l.retired_at
    FROM telemetry.meter_state AS d
    LEFT JOIN telemetry.device_label AS l ON l.dataset = 'meter_reading' AND l.device_id = d.meter_id
    WHERE d.meter_id > coalesce(meter_states.after, '') AND d.ts IS NOT NULL
        -- one that reports all the same is shown
        AND (l.retired_at <= now() AND d.ts <= l.retired_at) IS NOT TRUE
        AND (meter_states.of_site IS NULL OR l.site = meter_states.of_site)
        AND (meter_states.of_group IS NULL OR l.groups @> ARRAY[meter_states.of_group])
    ORDER BY d.meter_id
    LIMIT meter_states.page_size;
END;
$$;

COMMENT ON FUNCTION api.meter_states(text, integer, text, text) IS
'Takes the last id of the page before (NULL for the first page), a page size, and a site and a group to look for (NULL: any). Returns the next meters by id, each as api.meter_state does, but for those that are retired and did not report since.';

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
    open_events integer,
    name text,
    site text,
    groups text[],
    retired_at timestamptz
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
        ),
        l.name,
        l.site,
        coalesce(l.groups, '{}'),
        l.retired_at
    FROM telemetry.vehicle_state AS d
    LEFT JOIN telemetry.device_label AS l ON l.dataset = 'vehicle_reading' AND l.device_id = d.vehicle_id
    WHERE d.vehicle_id = $1 AND d.ts IS NOT NULL
$$;

COMMENT ON FUNCTION api.vehicle_state(text) IS
'Takes a vehicle id. Returns its latest reading: time, what it reports (difference, lifetime_register or session_counter), DC energy in kWh since the one before as far as that was known at arrival, level of the register in kWh and session or NULL, state of charge in percent or NULL, battery temperature in °C or NULL, time of receipt, how many events of its register are open, what people call it and its site (NULL: not said), its groups, and since when it is retired (NULL: it is not); no row for an unknown vehicle.';

CREATE OR REPLACE FUNCTION api.vehicle_states(
    after text,
    page_size integer,
    of_site text DEFAULT NULL,
    of_group text DEFAULT NULL
)
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
    open_events integer,
    name text,
    site text,
    groups text[],
    retired_at timestamptz
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan  -- which of the labels are asked for is known to the plan
SET enable_mergejoin = off  -- it reads all labels before the page
SET enable_hashjoin = off
AS $$
BEGIN
    RETURN QUERY
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
        ),
        l.name,
        l.site,
        coalesce(l.groups, '{}'),
        l.retired_at
    FROM telemetry.vehicle_state AS d
    LEFT JOIN telemetry.device_label AS l ON l.dataset = 'vehicle_reading' AND l.device_id = d.vehicle_id
    WHERE d.vehicle_id > coalesce(vehicle_states.after, '') AND d.ts IS NOT NULL
        -- one that reports all the same is shown
        AND (l.retired_at <= now() AND d.ts <= l.retired_at) IS NOT TRUE
        AND (vehicle_states.of_site IS NULL OR l.site = vehicle_states.of_site)
        AND (vehicle_states.of_group IS NULL OR l.groups @> ARRAY[vehicle_states.of_group])
    ORDER BY d.vehicle_id
    LIMIT vehicle_states.page_size;
END;
$$;

COMMENT ON FUNCTION api.vehicle_states(text, integer, text, text) IS
'Takes the last id of the page before (NULL for the first page), a page size, and a site and a group to look for (NULL: any). Returns the next vehicles by id, each as api.vehicle_state does, but for those that are retired and did not report since.';

REVOKE ALL ON FUNCTION
    api.meter_state(text),
    api.meter_states(text, integer, text, text),
    api.vehicle_state(text),
    api.vehicle_states(text, integer, text, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    api.meter_state(text),
    api.meter_states(text, integer, text, text),
    api.vehicle_state(text),
    api.vehicle_states(text, integer, text, text)
TO wattledger_service;
