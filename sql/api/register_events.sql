-- What registers did beside counting, in pages.

CREATE OR REPLACE FUNCTION api.register_events(
    of_meter_id text DEFAULT NULL,
    of_vehicle_id text DEFAULT NULL,
    of_state text DEFAULT NULL,
    after text DEFAULT NULL,
    page_size integer DEFAULT 100,
    acting_key text DEFAULT NULL
)
RETURNS TABLE (
    meter_id text,
    vehicle_id text,
    happened_at timestamptz,
    event text,
    before_kwh numeric,
    reported_kwh numeric,
    booked_kwh numeric,
    explained_kwh numeric,
    state text,
    sentence text,
    place text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_sorted_by jsonb := telemetry.sorted_by(after, 'events', ARRAY['string', 'string', 'number', 'string']);
BEGIN
    RETURN QUERY
    SELECT
        CASE WHEN e.side = 'meter' THEN e.device_id END,
        CASE WHEN e.side = 'vehicle' THEN e.device_id END,
        e.happened_at,
        e.event,
        trim_scale(e.before_kwh),
        trim_scale(e.reported_kwh),
        trim_scale(e.booked_kwh),
        trim_scale(e.explained_kwh),
        e.state,
        telemetry.event_sentence(e.event, e.before_kwh, e.reported_kwh, e.booked_kwh, e.explained_kwh, e.state),
        telemetry.place(
            'events', jsonb_build_array(e.side, e.device_id, extract(EPOCH FROM e.happened_at), e.event)
        )
    FROM bi.register_event AS e
    WHERE (register_events.of_state IS NULL OR e.state = register_events.of_state)
        AND (register_events.of_meter_id IS NULL OR (e.side = 'meter' AND e.device_id = register_events.of_meter_id))
        AND (
            register_events.of_vehicle_id IS NULL
            OR (e.side = 'vehicle' AND e.device_id = register_events.of_vehicle_id)
        )
        AND (
            v_sorted_by IS NULL
            OR (e.side, e.device_id, e.happened_at, e.event) > (
                v_sorted_by ->> 0,
                (v_sorted_by ->> 1) COLLATE "C",
                to_timestamp((v_sorted_by ->> 2)::double precision),
                (v_sorted_by ->> 3) COLLATE "C"
            )
        )
        AND (
            register_events.acting_key IS NULL
            OR EXISTS (
                SELECT FROM telemetry.api_key AS k
                WHERE k.key_id = register_events.acting_key
                    AND telemetry.key_covers(k.device_patterns, k.fleet, e.side, e.device_id)
            )
        )
    ORDER BY e.side, e.device_id, e.happened_at, e.event
    LIMIT register_events.page_size;
END;
$$;

COMMENT ON FUNCTION api.register_events(text, text, text, text, integer, text) IS
'Takes a meter and a vehicle to look for (NULL: any), a state: provisional, open or settled (NULL: any), the place of the last event of the page before (NULL: the first page), a page size, and the id of the key that asks (NULL: none). Returns what registers did beside counting, by side, device and time, of a key only those of devices that it covers: as bi.register_event has it, in kWh, with a sentence that says it, and its place. Raises WL008 where the place cannot be read.';

REVOKE ALL ON FUNCTION api.register_events(text, text, text, text, integer, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.register_events(text, text, text, text, integer, text) TO wattledger_service;
