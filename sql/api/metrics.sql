-- Metrics of the database, for the service to show: what waits, what fails, how new and how large the history is.

-- It is asked every few seconds, so nothing here is counted that grows with history or with the fleet: what is large is
-- told by the planner's and the server's own statistics, or by a sample.
CREATE OR REPLACE FUNCTION api.metrics()
RETURNS TABLE (
    name text,
    about text,
    value double precision,
    label text,
    label_value text
)
-- PL/pgSQL keeps the plan, and to make one takes longer than all else here; so does starting parallel workers
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET max_parallel_workers_per_gather = 0
AS $$
BEGIN
    RETURN QUERY
    WITH side AS (
        SELECT
            s.type,
            s.newest_at,
            -- the server's count is lost in a crash, the planner's is as old as the last ANALYZE
            greatest(pg_stat_get_live_tuples(s.relation), c.reltuples) AS devices
        FROM (
            SELECT 'meter' AS type, 'telemetry.meter_state'::regclass AS relation, max(m.ts) AS newest_at
            -- 100 pages have a thousand devices or two: the newest of those is seldom a second older than that of all
            FROM telemetry.meter_state AS m TABLESAMPLE SYSTEM (
                100 * least(1, 100 / greatest(1, pg_relation_size('telemetry.meter_state') / 8192.0))::real
            )
            UNION ALL
            SELECT 'vehicle', 'telemetry.vehicle_state'::regclass, max(v.ts)
            FROM telemetry.vehicle_state AS v TABLESAMPLE SYSTEM (
                100 * least(1, 100 / greatest(1, pg_relation_size('telemetry.vehicle_state') / 8192.0))::real
            )
        ) AS s
        INNER JOIN pg_class AS c ON c.oid = s.relation
    ),
    waiting AS (
        SELECT
            'settling' AS work,
            count(*) AS devices,
            min(d.due_at) AS since
        FROM (
            SELECT q.due_at
            FROM telemetry.settle_queue AS q
            WHERE q.due_at <= now()
            ORDER BY q.due_at
            LIMIT 10000
        ) AS d
        UNION ALL
        SELECT
            'charging',
            count(*),
            min(d.queued_at)
        FROM (
            SELECT q.queued_at
            FROM telemetry.charging_queue AS q
            ORDER BY q.queued_at
            LIMIT 10000
        ) AS d
    ),
    telling AS (
        SELECT count(*) AS waiting, min(d.queued_at) AS since
        FROM (
            SELECT q.queued_at
            FROM telemetry.webhook_delivery AS q
            INNER JOIN telemetry.webhook AS h ON h.webhook_id = q.webhook_id
            WHERE q.state = 'pending' AND h.enabled
            LIMIT 10000
        ) AS d
    )
    SELECT
        m.name,
        m.about,
        m.value,
        m.label,
        m.label_value
    FROM (
        SELECT
            'newest_reading_timestamp_seconds' AS name,
            'Time of the newest reading, in seconds since 1970; at most seconds older than that in a large fleet.' AS about,
            extract(EPOCH FROM s.newest_at)::double precision AS value,
            'type' AS label,
            s.type AS label_value
        FROM side AS s
        UNION ALL
        SELECT 'devices', 'Devices that have sent readings, as the statistics have it.', s.devices, 'type', s.type
        FROM side AS s
        UNION ALL
        SELECT
            CASE w.work WHEN 'settling' THEN 'settling_queue_devices' ELSE 'charging_waiting' END,
            CASE w.work
                WHEN 'settling' THEN 'Days of devices that are due to be settled; 10000 stands for more.'
                ELSE 'Days of devices whose charging waits to be kept anew; 10000 stands for more.'
            END,
            w.devices,
            NULL,
            NULL
        FROM waiting AS w
        UNION ALL
        SELECT
            w.work || '_lag_seconds',
            'For how long the one that waits longest has waited, in seconds; 0 where none does.',
            coalesce(extract(EPOCH FROM now() - w.since), 0),
            NULL,
            NULL
        FROM waiting AS w
        UNION ALL
        SELECT
            CASE s.severity WHEN 'critical' THEN 'open_critical_alerts' ELSE 'open_alerts' END,
            CASE s.severity
                WHEN 'critical' THEN 'Alerts that are open and critical.'
                ELSE 'Alerts that are open, critical or not.'
            END,
            count(o.alert_id),
            'kind',
            k.kind
        FROM unnest(
            ARRAY['degraded', 'drifting', 'impossible', 'frozen', 'silent', 'register', 'unlinked', 'standby']
        ) AS k (kind)
        CROSS JOIN (VALUES ('critical'), (NULL)) AS s (severity)
        LEFT JOIN telemetry.open_alert AS o ON o.kind = k.kind AND o.severity = coalesce(s.severity, o.severity)
        GROUP BY k.kind, s.severity
        UNION ALL
        SELECT
            'webhook_deliveries_waiting',
            'Deliveries that are still to be made to webhooks that are enabled; 10000 stands for more.',
            t.waiting,
            NULL,
            NULL
        FROM telling AS t
        UNION ALL
        SELECT
            'webhook_lag_seconds',
            'For how long the one that waits longest has waited, in seconds; 0 where none does.',
            coalesce(extract(EPOCH FROM now() - t.since), 0),
            NULL,
            NULL
        FROM telling AS t
        UNION ALL
        SELECT
            'webhook_dead_letters',
            'Deliveries that were given up, of the last 30 days; 10000 stands for more.',
            count(*),
            NULL,
            NULL
        FROM (SELECT FROM telemetry.webhook_delivery AS q WHERE q.state = 'dead' LIMIT 10000) AS e
        UNION ALL
        SELECT
            'jobs_failing',
            'Jobs that failed last or are overdue, as ops.jobs has it.',
            count(*) FILTER (WHERE j.needs_attention),
            'ops_job',
            j.job
        FROM ops.jobs AS j
        GROUP BY j.job
        UNION ALL
        SELECT
            'quarantine_readings',
            'Refused readings that are kept, as the statistics have it.',
            greatest(pg_stat_get_live_tuples(c.oid), c.reltuples),
            NULL,
            NULL
        FROM pg_class AS c
        WHERE c.oid = 'telemetry.quarantine'::regclass
        UNION ALL
        SELECT 'quarantine_bytes', 'Bytes of refused readings that are kept.', b.kept_bytes, NULL, NULL
        FROM telemetry.quarantine_bounds AS b
        UNION ALL
        SELECT
            'database_size_bytes', 'Bytes that the database takes on disk.', pg_database_size(current_database()), NULL, NULL
    ) AS m
    WHERE m.value IS NOT NULL;
END;
$$;

COMMENT ON FUNCTION api.metrics() IS
'Takes nothing. Returns gauges as Prometheus shows them, one row each: its name without a prefix, what it is and in which unit, its value, and the name and value of its label (NULL without one). What is not known, such as the newest reading where there is none, has no row. Costs the same however large the fleet and its history are, but for the size of the database, which is asked of each file.';

REVOKE ALL ON FUNCTION api.metrics() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.metrics() TO wattledger_service;
