-- What has changed since a moment, for those who watch: asked about once a second while anybody does.

CREATE OR REPLACE FUNCTION api.changes_since(
    since timestamptz DEFAULT NULL,
    after_change_id bigint DEFAULT NULL,
    most integer DEFAULT 1000,
    with_charging boolean DEFAULT FALSE
)
RETURNS TABLE (
    as_of timestamptz,
    last_change_id bigint,
    meters_newest_at timestamptz,
    meter_ids text[],
    meters_received_at timestamptz[],
    vehicles_newest_at timestamptz,
    vehicle_ids text[],
    vehicles_received_at timestamptz[],
    alerts jsonb,
    charging_kept_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        now(),
        (SELECT max(c.change_id) FROM telemetry.alert_change AS c),
        m.newest_at,
        m.ids,
        m.received_at,
        v.newest_at,
        v.ids,
        v.received_at,
        (
            SELECT jsonb_agg(
                jsonb_build_object(
                    'change_id', c.change_id, 'alert_id', c.alert_id, 'change', c.change,
                    'meter_id', a.meter_id, 'vehicle_id', a.vehicle_id
                )
                ORDER BY c.change_id
            )
            FROM (
                SELECT n.change_id, n.alert_id, n.change
                FROM telemetry.alert_change AS n
                WHERE n.change_id > changes_since.after_change_id
                ORDER BY n.change_id DESC
                LIMIT changes_since.most
            ) AS c
            INNER JOIN telemetry.alert AS a ON a.alert_id = c.alert_id
        ),
        (SELECT max(p.kept_at) FROM telemetry.charging_progress AS p WHERE changes_since.with_charging)
    -- without an index on the time of receipt, for which each reading would have to be indexed
    FROM (
        SELECT
            max(d.received_at) AS newest_at,
            CASE WHEN count(*) <= changes_since.most THEN array_agg(d.meter_id) END AS ids,
            CASE WHEN count(*) <= changes_since.most THEN array_agg(d.received_at) END AS received_at
        FROM telemetry.meter_state AS d
        WHERE d.received_at > changes_since.since
    ) AS m
    CROSS JOIN (
        SELECT
            max(d.received_at) AS newest_at,
            CASE WHEN count(*) <= changes_since.most THEN array_agg(d.vehicle_id) END AS ids,
            CASE WHEN count(*) <= changes_since.most THEN array_agg(d.received_at) END AS received_at
        FROM telemetry.vehicle_state AS d
        WHERE d.received_at > changes_since.since
    ) AS v
$$;

COMMENT ON FUNCTION api.changes_since(timestamptz, bigint, integer, boolean) IS
'Takes a moment and the number of an alert''s change (NULL of either: nothing is told of these), how many devices or changes to name at most, and whether to look at charging. Returns one row: the moment of this answer, which is to be asked with next, a while before it, since what is committed late has an earlier time; the last change of any alert; of meters and of vehicles whose latest reading was stored after the moment, when the newest of these was stored (NULL: there are none), their ids, and when each was (NULL: none, or too many to name); the changes of alerts after that one, the newest, as a JSON array of objects with change_id, alert_id, change, meter_id and vehicle_id (NULL: none); and when charging of any device was kept last (NULL: not asked for, or never). It looks through the state of all devices, and through what is kept of them where charging is asked for: milliseconds of 100,000.';

REVOKE ALL ON FUNCTION api.changes_since(timestamptz, bigint, integer, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.changes_since(timestamptz, bigint, integer, boolean) TO wattledger_service;
