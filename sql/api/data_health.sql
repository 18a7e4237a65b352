-- Health of the data, for operators: who is silent or late, what was refused, what registers did, what waits.

CREATE OR REPLACE FUNCTION api.data_health(
    since timestamptz DEFAULT NULL,
    until timestamptz DEFAULT NULL,
    most integer DEFAULT 100
)
RETURNS TABLE (
    window_start timestamptz,
    window_end timestamptz,
    devices jsonb,
    silent jsonb,
    late jsonb,
    refused jsonb,
    discarded jsonb,
    register_events jsonb,
    open_register_events bigint,
    waiting jsonb
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan  -- the window is a constant to the plan
AS $$
DECLARE
    v_rules telemetry.rules;
    v_since timestamptz;
    v_until timestamptz;
BEGIN
    SELECT w.since, w.until INTO v_since, v_until
    FROM telemetry.asked_window(data_health.since, data_health.until) AS w;
    SELECT r.* INTO STRICT v_rules FROM telemetry.rules AS r;

    RETURN QUERY
    WITH device AS MATERIALIZED (
        SELECT
            s.*,
            -- so that an outage of all is not the silence of each
            s.ts < telemetry.utc_minus(least(max(s.ts) OVER (), now()), v_rules.silent_after)
            -- nobody waits for a retired one
            AND (l.retired_at <= now() AND s.ts <= l.retired_at) IS NOT TRUE AS is_silent,
            -- ten readings late, as far as that one is of the window
            s.received_at - s.ts > 10 * v_rules.reading_interval
            AND s.received_at >= v_since AND s.received_at < v_until AS is_late
        FROM (
            SELECT 'meter' AS side, m.meter_id AS device_id, m.ts, m.received_at
            FROM telemetry.meter_state AS m
            WHERE m.ts IS NOT NULL
            UNION ALL
            SELECT 'vehicle', v.vehicle_id, v.ts, v.received_at
            FROM telemetry.vehicle_state AS v
            WHERE v.ts IS NOT NULL
        ) AS s
        LEFT JOIN telemetry.device_label AS l ON l.dataset = s.side || '_reading' AND l.device_id = s.device_id
    ),
    event AS MATERIALIZED (
        SELECT e.*
        FROM bi.register_event AS e
        WHERE e.state = 'open' OR (e.happened_at >= v_since AND e.happened_at < v_until)
    )
    SELECT
        v_since,
        v_until,
        (
            SELECT jsonb_agg(
                jsonb_build_object('side', c.side, 'devices', c.devices, 'silent', c.silent, 'late', c.late)
                ORDER BY c.side
            )
            FROM (
                SELECT
                    g.side,
                    count(d.device_id) AS devices,
                    count(*) FILTER (WHERE d.is_silent) AS silent,
                    count(*) FILTER (WHERE d.is_late) AS late
                FROM (VALUES ('meter'), ('vehicle')) AS g (side)
                LEFT JOIN device AS d ON d.side = g.side
                GROUP BY g.side
            ) AS c
        ),
        (
            SELECT coalesce(jsonb_agg(
                jsonb_build_object('side', c.side, 'id', c.device_id, 'timestamp', c.ts, 'receivedAt', c.received_at)
                ORDER BY c.ts DESC, c.side, c.device_id
            ), '[]')
            FROM (
                -- those that fell silent last are news
                SELECT d.*
                FROM device AS d
                WHERE d.is_silent
                ORDER BY d.ts DESC, d.side, d.device_id
                LIMIT data_health.most
            ) AS c
        ),
        (
            SELECT coalesce(jsonb_agg(
                jsonb_build_object('side', c.side, 'id', c.device_id, 'timestamp', c.ts, 'receivedAt', c.received_at)
                ORDER BY c.received_at - c.ts DESC, c.side, c.device_id
            ), '[]')
            FROM (
                SELECT d.*
                FROM device AS d
                WHERE d.is_late
                ORDER BY d.received_at - d.ts DESC, d.side, d.device_id
                LIMIT data_health.most
            ) AS c
        ),
        (
            SELECT coalesce(jsonb_agg(
                jsonb_build_object(
                    'reason', c.reason, 'side', c.side, 'readings', c.readings, 'devices', c.devices,
                    'newest', c.newest, 'example', c.example, 'exampleOf', c.example_of
                )
                ORDER BY c.readings DESC, c.reason, c.side
            ), '[]')
            FROM (
                SELECT
                    n.reason,
                    n.side,
                    count(*) AS readings,
                    count(DISTINCT n.device_id) AS devices,
                    max(n.received_at) AS newest,
                    (array_agg(n.detail ORDER BY n.quarantine_id DESC))[1] AS example,
                    (array_agg(n.device_id ORDER BY n.quarantine_id DESC))[1] AS example_of
                FROM (
                    SELECT u.*, replace(u.dataset, '_reading', '') AS side
                    FROM telemetry.quarantine AS u
                    WHERE u.received_at >= v_since AND u.received_at < v_until AND u.replayed_at IS NULL
                    ORDER BY u.received_at DESC
                    LIMIT 100000  -- whoever sends rubbish for a month does not make this slow
                ) AS n
                GROUP BY n.reason, n.side
            ) AS c
        ),
        (
            SELECT coalesce(jsonb_agg(
                jsonb_build_object(
                    'side', c.side, 'field', c.field, 'devices', c.devices, 'readings', c.readings,
                    'newest', c.newest
                )
                ORDER BY c.readings DESC, c.side, c.field
            ), '[]')
            FROM (
                SELECT
                    replace(m.dataset, '_reading', '') AS side,
                    m.field,
                    count(*) AS devices,
                    sum(m.discarded) AS readings,
                    max(m.last_read_at) AS newest
                FROM telemetry.discarded_measurement AS m
                WHERE m.last_read_at >= v_since
                GROUP BY m.dataset, m.field
            ) AS c
        ),
        (
            SELECT coalesce(jsonb_agg(
                jsonb_build_object(
                    'side', c.side, 'id', c.device_id, 'happenedAt', c.happened_at, 'event', c.event,
                    'state', c.state, 'bookedKwh', trim_scale(c.booked_kwh), 'explainedKwh', trim_scale(c.explained_kwh)
                )
                ORDER BY c.state = 'open' DESC, c.happened_at DESC, c.side, c.device_id
            ), '[]')
            FROM (
                SELECT e.*
                FROM event AS e
                ORDER BY e.state = 'open' DESC, e.happened_at DESC, e.side, e.device_id
                LIMIT data_health.most
            ) AS c
        ),
        (SELECT count(*) FROM event AS e WHERE e.state = 'open'),
        (
            SELECT jsonb_build_object(
                'settling', q.settling, 'settlingSince', q.settling_since, 'charging', k.charging,
                'chargingSince', k.charging_since, 'failing', q.failing + k.failing
            )
            FROM (
                SELECT
                    count(*) FILTER (WHERE s.due_at <= now()) AS settling,
                    min(s.due_at) FILTER (WHERE s.due_at <= now()) AS settling_since,
                    count(s.last_error) AS failing
                FROM telemetry.settle_queue AS s
            ) AS q
            CROSS JOIN (
                SELECT count(*) AS charging, min(c.queued_at) AS charging_since, count(c.last_error) AS failing
                FROM telemetry.charging_queue AS c
            ) AS k
        );
END;
$$;

COMMENT ON FUNCTION api.data_health(timestamptz, timestamptz, integer) IS
'Takes a window: since (NULL: 24 hours before its end) and until (NULL: now), and how many devices or events to list at most. Returns one row: the window; as JSON arrays how many devices of each side there are, are silent (for as long as telemetry.rules has it, while others reported, and not retired) and are late (their latest reading, of the window by its receipt, came ten reading intervals after it was taken or later); those that are silent, the last to fall silent first, and those that are late, the latest first, each with side, id, time of the latest reading and of its receipt; what was refused in the window, of the newest 100,000: reason, side (NULL where it could not be decoded), how many readings of how many devices, the time of the newest, and of that what to fix, and the device; which measurements were taken as not reported of devices that sent such a one since the start of the window: side, field, devices, readings (of all time) and the time of the newest; what registers did in the window, and what is open whenever it happened, that first: side, id, time, event, state, energy booked and explained in kWh, as bi.register_event has them; how many of these are open in all; and as a JSON object how many days of devices wait to be settled and to have their charging kept, since when (NULL: none), and how many of both failed. Raises WL002 where the window is empty.';

REVOKE ALL ON FUNCTION api.data_health(timestamptz, timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.data_health(timestamptz, timestamptz, integer) TO wattledger_service;
