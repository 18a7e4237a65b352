-- Alerts: list them in pages, look at one, and take it on.

CREATE OR REPLACE FUNCTION api.alerts(
    of_state text DEFAULT 'open',
    of_kind text DEFAULT NULL,
    of_severity text DEFAULT NULL,
    of_meter_id text DEFAULT NULL,
    of_vehicle_id text DEFAULT NULL,
    opened_since timestamptz DEFAULT NULL,
    of_alert_id bigint DEFAULT NULL,
    after text DEFAULT NULL,
    page_size integer DEFAULT 100,
    acting_key text DEFAULT NULL
)
RETURNS TABLE (
    alert_id bigint,
    kind text,
    state text,
    severity text,
    meter_id text,
    vehicle_id text,
    since timestamptz,
    until timestamptz,
    cause text,
    charges bigint,
    lost_kwh numeric,
    lost_cost numeric,
    currency text,
    cost_gap text,
    opened_at timestamptz,
    closed_at timestamptz,
    closed_because text,
    acknowledged_at timestamptz,
    acknowledged_by text,
    place text,
    name text,
    site text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan  -- each of the questions that this is has an index of its own
AS $$
DECLARE
    -- before all, since the newest come first
    v_before bigint := coalesce(
        (telemetry.sorted_by(after, 'alerts', ARRAY['number']) ->> 0)::bigint, 9223372036854775807
    );
BEGIN
    RETURN QUERY
    SELECT
        f.alert_id,
        f.kind,
        CASE WHEN f.is_open THEN 'open' ELSE 'closed' END,
        f.severity,
        f.meter_id,
        f.vehicle_id,
        f.since,
        f.until,
        f.cause,
        coalesce(p.charges, 0),
        trim_scale(telemetry.kwh(p.lost_mwh)),
        p.lost_cost,
        p.currency,
        p.cost_gap,
        f.opened_at,
        f.closed_at,
        f.closed_because,
        f.acknowledged_at,
        f.acknowledged_by,
        telemetry.place('alerts', jsonb_build_array(f.alert_id)),
        d.name,
        d.site
    FROM (
        SELECT a.*
        FROM telemetry.current_alert AS a
        WHERE a.alert_id < v_before
            AND (alerts.of_alert_id IS NULL OR a.alert_id = alerts.of_alert_id)
            AND (alerts.of_state IS NULL OR a.is_open = (alerts.of_state = 'open'))
            AND (alerts.of_kind IS NULL OR a.kind = alerts.of_kind)
            AND (alerts.of_severity IS NULL OR a.severity = alerts.of_severity)
            AND (alerts.opened_since IS NULL OR a.opened_at >= alerts.opened_since)
            AND (
                alerts.of_meter_id IS NULL
                OR a.meter_id = alerts.of_meter_id
            )
            AND (
                alerts.of_vehicle_id IS NULL
                OR a.vehicle_id = alerts.of_vehicle_id
            )
            AND (
                alerts.acting_key IS NULL
                OR EXISTS (
                    SELECT FROM telemetry.api_key AS k
                    WHERE k.key_id = alerts.acting_key
                        AND (
                            a.meter_id IS NULL
                            OR telemetry.key_covers(k.device_patterns, k.fleet, 'meter', a.meter_id)
                        )
                        AND (
                            a.vehicle_id IS NULL
                            OR telemetry.key_covers(k.device_patterns, k.fleet, 'vehicle', a.vehicle_id)
                        )
                )
            )
        ORDER BY a.alert_id DESC
        LIMIT alerts.page_size
    ) AS f
    LEFT JOIN LATERAL (SELECT l.* FROM telemetry.alert_loss AS l WHERE l.alert_id = f.alert_id) AS p ON TRUE
    LEFT JOIN telemetry.device_label AS d
        ON d.dataset = CASE WHEN f.meter_id IS NULL THEN 'vehicle_reading' ELSE 'meter_reading' END
            AND d.device_id = coalesce(f.meter_id, f.vehicle_id)
    ORDER BY f.alert_id DESC;
END;
$$;

COMMENT ON FUNCTION api.alerts(
    text, text, text, text, text, timestamptz, bigint, text, integer, text
) IS
'Takes open or closed (NULL: both), a kind, a severity, a meter and a vehicle to look for (NULL: any), since when they were opened (NULL: since ever), an alert (NULL: any), the place of the last alert of the page before (NULL: the first page), a page size, and the id of the key that asks (NULL: none). Returns alerts, the newest first, of a key only those about devices that it covers: as bi.alert has them, energy in kWh, the place, and what the device is called and its site (NULL: not said). Raises WL008 where the place cannot be read.';

CREATE OR REPLACE FUNCTION api.alert_charges(of_alert_id bigint, page_size integer DEFAULT 1000)
RETURNS TABLE (
    meter_id text,
    vehicle_id text,
    started_at timestamptz,
    lost_kwh numeric,
    lost_cost numeric,
    currency text
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.meter_id, nullif(p.vehicle_id, ''), p.started_at, trim_scale(telemetry.kwh(p.lost_mwh)), p.lost_cost, p.currency
    FROM telemetry.alert_part AS p
    WHERE p.alert_id = alert_charges.of_alert_id
    ORDER BY p.started_at DESC, p.meter_id
    LIMIT alert_charges.page_size
$$;

COMMENT ON FUNCTION api.alert_charges(bigint, integer) IS
'Takes an alert, and how many to return at most. Returns the bad charges that it names, of standby the bad days, the newest first: meter, vehicle (NULL: none), start, the energy that was lost in kWh (NULL: nobody can know), what that cost and its currency (NULL: nobody can tell).';

CREATE OR REPLACE FUNCTION api.alert_changes(of_alert_id bigint)
RETURNS TABLE (change_id bigint, change text, changed_at timestamptz, changed_by text, detail text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT c.change_id, c.change, c.changed_at, c.changed_by, c.detail::text
    FROM telemetry.alert_change AS c
    WHERE c.alert_id = alert_changes.of_alert_id
    ORDER BY c.change_id
$$;

COMMENT ON FUNCTION api.alert_changes(bigint) IS
'Takes an alert. Returns what happened to it, the oldest first: the change, when, by whom (NULL: the service), and what was known then as JSON.';

CREATE OR REPLACE FUNCTION api.acknowledge_alert(of_alert_id bigint, acting_key text DEFAULT NULL)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM telemetry.alert AS a WHERE a.alert_id = acknowledge_alert.of_alert_id) THEN
        RETURN NULL;
    END IF;
    INSERT INTO telemetry.alert_change (alert_id, change, changed_by)
    VALUES (of_alert_id, 'acknowledged', acting_key)
    -- whoever did it first stays
    ON CONFLICT (alert_id, change) WHERE change IN ('opened', 'acknowledged', 'closed') DO NOTHING;
    RETURN found;
END;
$$;

COMMENT ON FUNCTION api.acknowledge_alert(bigint, text) IS
'Writes down that somebody took an alert on, open or closed. Takes the alert, and the id of the key that did (NULL: none). Returns whether nobody had done so before; NULL where there is no such alert.';

REVOKE ALL ON FUNCTION
    api.alerts(text, text, text, text, text, timestamptz, bigint, text, integer, text),
    api.alert_charges(bigint, integer),
    api.alert_changes(bigint),
    api.acknowledge_alert(bigint, text)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    api.alerts(text, text, text, text, text, timestamptz, bigint, text, integer, text),
    api.alert_charges(bigint, integer),
    api.alert_changes(bigint),
    api.acknowledge_alert(bigint, text)
TO wattledger_service;
