-- Which alerts follow from so many bad charges or days in a row.

CREATE OR REPLACE FUNCTION telemetry.evidence(side text, device_ids text[])
RETURNS TABLE (
    device_id text,
    other_id text,
    kind text,
    at timestamptz,
    is_bad boolean,
    is_critical boolean
)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT e.meter_id, e.vehicle_id, e.kind, e.started_at, e.is_bad, e.is_critical
    FROM unnest(evidence.device_ids) AS d (device_id)
    INNER JOIN telemetry.session_evidence AS e ON e.meter_id = d.device_id
    WHERE evidence.side = 'meter'
        AND e.side = 'meter'
        AND e.started_at >= telemetry.evidence_since('meter', d.device_id)
    UNION ALL
    SELECT e.vehicle_id, e.meter_id, e.kind, e.started_at, e.is_bad, e.is_critical
    FROM unnest(evidence.device_ids) AS d (device_id)
    INNER JOIN telemetry.session_evidence AS e ON e.vehicle_id = d.device_id
    WHERE evidence.side = 'vehicle'
        AND e.side = 'vehicle'
        AND e.started_at >= telemetry.evidence_since('vehicle', d.device_id)
    UNION ALL
    SELECT s.meter_id, '', 'standby', s.started_at, s.is_bad, FALSE
    FROM unnest(evidence.device_ids) AS d (device_id)
    INNER JOIN telemetry.standby_day AS s ON s.meter_id = d.device_id
    WHERE evidence.side = 'meter';
END;
$$;

COMMENT ON FUNCTION telemetry.evidence(text, text[]) IS
'Takes meter or vehicle, and devices of that side. Returns what their charges and days of standby say of them, as far back as telemetry.evidence_since tells: the device, the one at the other side (empty: none), the kind of alert, the start of the charge or day, whether it is a bad one, and whether a bad one is critical.';

CREATE OR REPLACE FUNCTION telemetry.bad_runs(side text, device_ids text[])
RETURNS TABLE (device_id text, kind text, since timestamptz, bad bigint, critical bigint, others bigint, other_id text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    WITH said AS MATERIALIZED (
        SELECT e.*
        FROM telemetry.evidence(bad_runs.side, bad_runs.device_ids) AS e
    ),
    run AS (
        SELECT n.device_id, n.kind, n.is_bad, count(*) AS length, min(n.at) AS since
        FROM (
            SELECT
                s.device_id,
                s.kind,
                s.is_bad,
                s.at,
                row_number() OVER (PARTITION BY s.device_id, s.kind ORDER BY s.at)
                - row_number() OVER (PARTITION BY s.device_id, s.kind, s.is_bad ORDER BY s.at) AS run_no
            FROM said AS s
        ) AS n
        GROUP BY n.device_id, n.kind, n.is_bad, n.run_no
    ),
    opened AS (
        SELECT u.device_id, u.kind, min(u.since) AS since
        FROM (
            SELECT
                n.*,
                CASE n.kind WHEN 'drifting' THEN r.drift_alert_after ELSE r.alert_after END AS opens_after,
                max(n.since) FILTER (WHERE NOT n.is_bad AND n.length >= r.alert_ends_after)
                OVER (PARTITION BY n.device_id, n.kind) AS good_since
            FROM run AS n
            CROSS JOIN telemetry.rules AS r
        ) AS u
        WHERE u.is_bad AND u.length >= u.opens_after AND (u.since > u.good_since) IS NOT FALSE
        GROUP BY u.device_id, u.kind
    )
    SELECT
        o.device_id,
        o.kind,
        o.since,
        count(*),
        count(*) FILTER (WHERE s.is_critical),
        count(DISTINCT s.other_id),
        min(s.other_id)
    FROM opened AS o
    INNER JOIN said AS s ON s.device_id = o.device_id AND s.kind = o.kind AND s.at >= o.since AND s.is_bad
    GROUP BY o.device_id, o.kind, o.since;
END;
$$;

COMMENT ON FUNCTION telemetry.bad_runs(text, text[]) IS
'Takes meter or vehicle, and devices of that side. Returns a row for each device and kind that is bad: so many charges or days in a row were, as telemetry.rules has it, and not so many good ones in a row since. Since when, how many bad ones there are since then, how many of them are critical, at how many devices of the other side, and the first of these (empty: none).';

REVOKE ALL ON FUNCTION telemetry.evidence(text, text[]), telemetry.bad_runs(text, text[]) FROM PUBLIC;
