-- Charging sessions, in pages.

CREATE OR REPLACE FUNCTION api.charging_sessions(
    of_vehicle_id text DEFAULT NULL,
    of_meter_id text DEFAULT NULL,
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL,
    after text DEFAULT NULL,
    page_size integer DEFAULT 100,
    acting_key text DEFAULT NULL
)
RETURNS TABLE (
    meter_id text,
    vehicle_id text,
    started_at timestamptz,
    ended_at timestamptz,
    unplugged_at timestamptz,
    session_id text,
    ac_kwh numeric,
    dc_kwh numeric,
    ac_matched_kwh numeric,
    dc_matched_kwh numeric,
    loss_kwh numeric,
    ac_active_kwh numeric,
    standby_kwh numeric,
    efficiency numeric,
    uncertainty numeric,
    coverage numeric,
    expected_efficiency numeric,
    usual_efficiency numeric,
    status text,
    frozen_side text,
    peak_kw numeric,
    mean_kw numeric,
    soc_start_percent numeric,
    soc_end_percent numeric,
    battery_temp_start_c numeric,
    battery_temp_end_c numeric,
    ac_register_start_kwh numeric,
    ac_register_end_kwh numeric,
    dc_register_start_kwh numeric,
    dc_register_end_kwh numeric,
    place text,
    excess_loss_kwh numeric,
    cost numeric,
    standby_cost numeric,
    loss_cost numeric,
    excess_loss_cost numeric,
    currency text,
    cost_gap text,
    meter_name text,
    vehicle_name text,
    site text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan  -- each of the questions that this is has an index of its own
AS $$
DECLARE
    v_sorted_by jsonb := telemetry.sorted_by(after, 'sessions', ARRAY['number', 'string']);
    -- before all
    v_after timestamptz := coalesce(to_timestamp((v_sorted_by ->> 0)::double precision), '-infinity');
    v_after_meter text := coalesce(v_sorted_by ->> 1, '');
    v_since timestamptz := greatest(coalesce(since, '-infinity'), v_after);
    v_until timestamptz := coalesce(until, 'infinity');
BEGIN
    IF since >= until THEN
        RAISE EXCEPTION 'the window must begin before it ends'
            USING ERRCODE = 'WL002', HINT = 'Send a "to" that is later than "from".';
    END IF;

    RETURN QUERY
    SELECT
        s.meter_id,
        nullif(s.vehicle_id, ''),
        s.started_at,
        s.ended_at,
        coalesce(
            s.unplugged_at,
            (
                SELECT upper(l.during)
                FROM telemetry.charging_link AS l
                WHERE l.meter_id = s.meter_id AND l.vehicle_id = s.vehicle_id AND l.during @> s.started_at
            )
        ),
        (
            SELECT n.session_id
            FROM telemetry.device_session AS n
            WHERE n.dataset = CASE WHEN s.transaction_no > 0 THEN 'meter_reading' ELSE 'vehicle_reading' END
                AND n.device_id = CASE WHEN s.transaction_no > 0 THEN s.meter_id ELSE s.vehicle_id END
                AND n.session_no = abs(s.transaction_no)
        ),
        trim_scale(telemetry.kwh(s.ac_mwh::numeric + s.standby_mwh)),
        trim_scale(telemetry.kwh(s.dc_mwh)),
        trim_scale(telemetry.kwh(s.ac_matched_mwh)),
        trim_scale(telemetry.kwh(s.dc_matched_mwh)),
        trim_scale(telemetry.kwh(s.ac_matched_mwh - s.dc_matched_mwh)),
        trim_scale(telemetry.kwh(s.ac_mwh)),
        trim_scale(telemetry.kwh(s.standby_mwh)),
        telemetry.efficiency(s.ac_matched_mwh, s.dc_matched_mwh),
        round(s.uncertainty::numeric, 4),
        round(s.coverage::numeric, 4),
        round(s.expected_efficiency::numeric, 6),
        round(s.usual_efficiency::numeric, 6),
        s.verdict,
        s.frozen_side,
        trim_scale(s.peak_w * 0.001),
        round(telemetry.mean_kw(s.ac_mwh, telemetry.span(s.active_us))::numeric, 3),
        trim_scale(s.soc_start_mpct * 0.001),
        trim_scale(s.soc_end_mpct * 0.001),
        trim_scale(s.temp_start_mc * 0.001),
        trim_scale(s.temp_end_mc * 0.001),
        trim_scale(telemetry.kwh(s.ac_register_start_mwh)),
        trim_scale(telemetry.kwh(s.ac_register_end_mwh)),
        trim_scale(telemetry.kwh(s.dc_register_start_mwh)),
        trim_scale(telemetry.kwh(s.dc_register_end_mwh)),
        telemetry.place('sessions', jsonb_build_array(extract(EPOCH FROM s.started_at), s.meter_id)),
        trim_scale(round(telemetry.kwh(s.excess_loss_mwh), 6)),
        s.cost,
        s.standby_cost,
        s.loss_cost,
        s.excess_loss_cost,
        s.currency,
        s.cost_gap,
        -- looked up of the page alone
        (
            SELECT d.name
            FROM telemetry.device_label AS d
            WHERE d.dataset = 'meter_reading' AND d.device_id = s.meter_id
        ),
        (
            SELECT d.name
            FROM telemetry.device_label AS d
            WHERE d.dataset = 'vehicle_reading' AND d.device_id = s.vehicle_id
        ),
        (
            SELECT d.site
            FROM telemetry.device_label AS d
            WHERE d.dataset = 'meter_reading' AND d.device_id = s.meter_id
        )
    FROM telemetry.judged_session AS s
    WHERE (charging_sessions.of_vehicle_id IS NULL OR s.vehicle_id = charging_sessions.of_vehicle_id)
        AND (charging_sessions.of_meter_id IS NULL OR s.meter_id = charging_sessions.of_meter_id)
        AND s.started_at >= v_since AND s.started_at < v_until
        AND (s.started_at, s.meter_id) > (v_after, v_after_meter)
        AND (
            charging_sessions.acting_key IS NULL
            OR EXISTS (
                SELECT FROM telemetry.api_key AS k
                WHERE k.key_id = charging_sessions.acting_key
                    AND telemetry.key_covers(k.device_patterns, k.fleet, 'meter', s.meter_id)
                    AND (
                        s.vehicle_id = ''
                        OR telemetry.key_covers(k.device_patterns, k.fleet, 'vehicle', s.vehicle_id)
                    )
            )
        )
    ORDER BY s.started_at, s.meter_id
    LIMIT charging_sessions.page_size;
END;
$$;

COMMENT ON FUNCTION api.charging_sessions(text, text, timestamptz, timestamptz, text, integer, text) IS
'Takes a vehicle and a meter to look for (NULL: any), a window in which sessions start (since included, NULL: since ever; until not, NULL: no end), the place of the last session of the page before (NULL: the first page), a page size, and the id of the key that asks (NULL: none). Returns charging sessions by start, as they are kept, at most minutes ago, of a key only those whose meter and vehicle it covers: the meter, the vehicle (NULL: none is linked), when energy began to flow and last flowed, when the session that the devices named was named last, else when the link ends (NULL: neither), what they call it: the meter''s name, else the vehicle''s (NULL: neither named one), energy in kWh: AC and DC, both matched, the loss of that, AC above idle and of idle time; what telemetry.judged says of it, the efficiency that is usual of the vehicle at the meter (NULL: too few sessions, or not judged), the greatest and the mean power of AC above idle in kW, state of charge in percent, battery temperature in °C and registers in kWh at start and end (NULL where not reported), its place, how much more AC in kWh it drew in matched time than a sound charge (NULL unless judged), and what its AC, its standby, the loss and that excess cost, each rounded to the currency''s minor unit, with the currency (NULL where costs cannot be told), and why they cannot: no_tariff or currencies (NULL: they can), what people call the meter and the vehicle, and the meter''s site (NULL: not said). Raises WL002 where the window is empty, WL008 where the place cannot be read.';

REVOKE ALL ON FUNCTION
    api.charging_sessions(text, text, timestamptz, timestamptz, text, integer, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    api.charging_sessions(text, text, timestamptz, timestamptz, text, integer, text)
TO wattledger_service;
