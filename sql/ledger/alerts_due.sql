-- Which alerts should be open, as it follows from what is kept.

CREATE OR REPLACE FUNCTION telemetry.open_events(side text, device_ids text[])
RETURNS TABLE (device_id text, since timestamptz, events bigint, event text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN QUERY
    SELECT e.device_id, min(e.happened_at), count(*), min(e.event)
    FROM unnest(open_events.device_ids) AS d (device_id)
    INNER JOIN telemetry.register_event AS e
        ON e.dataset = open_events.side || '_reading' AND e.device_id = d.device_id
    WHERE e.event IN ('reset', 'jump')
        AND e.is_final
        AND NOT EXISTS (
            SELECT
            FROM telemetry.standing_record AS r
            WHERE r.dataset = e.dataset
                AND r.device_id = e.device_id
                AND r.happened_at = e.happened_at
                AND r.record = 'resolution'
        )
    GROUP BY e.device_id;
END;
$$;

COMMENT ON FUNCTION telemetry.open_events(text, text[]) IS
'Takes meter or vehicle, and devices of that side. Returns those whose registers fell or rose in a way that nobody booked or dismissed: the device, when that was first, how often, and the event: jump or reset.';

CREATE OR REPLACE FUNCTION telemetry.sound_meters(vehicle_id text, kind text, since timestamptz)
RETURNS bigint
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH used AS MATERIALIZED (
        SELECT DISTINCT e.meter_id
        FROM telemetry.session_evidence AS e
        WHERE e.side = 'vehicle'
            AND e.vehicle_id = sound_meters.vehicle_id
            AND e.kind = sound_meters.kind
            AND e.started_at >= sound_meters.since
            AND e.is_bad
    )
    SELECT count(*)
    FROM used AS u
    WHERE u.meter_id NOT IN (
        SELECT b.device_id
        FROM telemetry.bad_runs('meter', ARRAY(SELECT m.meter_id FROM used AS m)) AS b
        WHERE b.kind IN ('impossible', 'frozen')
    )
$$;

COMMENT ON FUNCTION telemetry.sound_meters(text, text, timestamptz) IS
'Takes a vehicle, a kind of alert, and since when its charges are bad. Returns at how many meters they were that do not measure wrongly themselves.';

CREATE OR REPLACE FUNCTION telemetry.alerts_due(meter_ids text[], vehicle_ids text[])
RETURNS TABLE (kind text, meter_id text, vehicle_id text, since timestamptz, severity text, bad bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- kept as a plan, which takes longer to make than to follow
    RETURN QUERY
    WITH at_meters AS MATERIALIZED (
        SELECT b.* FROM telemetry.bad_runs('meter', alerts_due.meter_ids) AS b
    ),
    at_vehicles AS MATERIALIZED (
        SELECT b.*
        FROM telemetry.bad_runs(
            'vehicle',
            ARRAY(
                SELECT v.vehicle_id FROM unnest(alerts_due.vehicle_ids) AS v (vehicle_id)
                UNION
                SELECT m.other_id FROM at_meters AS m WHERE m.others = 1 AND m.other_id <> ''
            )
        ) AS b
        -- at one meter it is the meter's, and what that measures wrongly says nothing; whoever stands still or is
        -- silent is so himself
        WHERE b.kind NOT IN ('degraded', 'drifting')
            OR (b.others > 1 AND telemetry.sound_meters(b.device_id, b.kind, b.since) > 1)
    ),
    bad AS (
        SELECT m.kind, m.device_id AS meter_id, '' AS vehicle_id, m.since, m.bad, m.critical
        FROM at_meters AS m
        WHERE NOT (
            m.kind IN ('degraded', 'drifting')
            AND m.others = 1
            AND EXISTS (
                SELECT
                FROM at_vehicles AS v
                WHERE v.device_id = m.other_id AND v.kind IN ('degraded', 'drifting')
            )
        )
        -- where no links are kept, nobody is unknown
        AND (m.kind <> 'unlinked' OR EXISTS (SELECT FROM telemetry.charging_link))
        UNION ALL
        SELECT v.kind, '', v.device_id, v.since, v.bad, v.critical
        FROM at_vehicles AS v
        WHERE v.device_id = ANY (alerts_due.vehicle_ids)
            -- it reported and stopped
            AND (
                v.kind <> 'silent'
                OR (
                    EXISTS (
                        SELECT FROM telemetry.vehicle_state AS s WHERE s.vehicle_id = v.device_id AND s.ts < v.since
                    )
                    AND NOT telemetry.is_retired('vehicle_reading', v.device_id)
                )
            )
    ),
    -- one fault, one alert: what is measured wrongly says nothing of losses, nor of who is fed
    first AS (
        SELECT b.*, min(b.place) FILTER (WHERE b.place < 5) OVER (PARTITION BY b.meter_id, b.vehicle_id) AS first_place
        FROM (
            SELECT
                n.*,
                array_position(ARRAY['impossible', 'frozen', 'degraded', 'drifting', 'unlinked'], n.kind) AS place
            FROM bad AS n
        ) AS b
    )
    SELECT
        f.kind,
        f.meter_id,
        f.vehicle_id,
        f.since,
        CASE WHEN f.critical >= r.alert_after THEN 'critical' ELSE 'warning' END,
        f.bad
    FROM first AS f
    CROSS JOIN telemetry.rules AS r
    WHERE (f.place > f.first_place) IS NOT TRUE OR (f.kind = 'unlinked' AND f.first_place > 2)
    UNION ALL
    SELECT 'register', e.device_id, '', e.since, 'warning', e.events
    FROM telemetry.open_events('meter', alerts_due.meter_ids) AS e
    UNION ALL
    SELECT 'register', '', e.device_id, e.since, 'warning', e.events
    FROM telemetry.open_events('vehicle', alerts_due.vehicle_ids) AS e;
END;
$$;

COMMENT ON FUNCTION telemetry.alerts_due(text[], text[]) IS
'Takes meters and vehicles. Returns the alerts that should be open about them, but for silent meters: the kind, the meter or the vehicle (the other one empty), since when, how severe, and how many bad charges, days or events there are. It follows from what is kept alone.';

CREATE OR REPLACE FUNCTION telemetry.silent_meters()
RETURNS TABLE (meter_id text, since timestamptz)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
SET max_parallel_workers_per_gather = 0
AS $$
    WITH newest AS MATERIALIZED (
        -- so that an outage of all, which /metrics tells, is not one alert for each of them
        SELECT least(greatest(max(s.ts), (SELECT max(v.ts) FROM telemetry.vehicle_state AS v)), now()) AS ts
        FROM telemetry.meter_state AS s
    )
    SELECT s.meter_id, s.ts
    FROM newest AS n
    CROSS JOIN telemetry.rules AS r
    INNER JOIN telemetry.meter_state AS s ON s.ts < telemetry.utc_minus(n.ts, r.silent_after)
    LEFT JOIN telemetry.open_alert AS o ON o.meter_id = s.meter_id AND o.vehicle_id = '' AND o.kind = 'silent'
    LEFT JOIN LATERAL (
        SELECT max(h.gap) AS gap, min(h.hour) AS first
        FROM (
            SELECT p.hour, lead(p.hour) OVER (ORDER BY p.hour) - p.hour AS gap
            FROM telemetry.charging_part AS p
            WHERE p.meter_id = s.meter_id
                AND p.hour > telemetry.utc_minus(s.ts, INTERVAL '336 hours')
                AND p.meter_samples > 0
                AND o.alert_id IS NULL
                -- and what has been so for a month costs nothing
                AND s.ts > telemetry.utc_minus(n.ts, INTERVAL '720 hours' + r.silent_after)
        ) AS h
    ) AS g ON TRUE
    WHERE NOT EXISTS (
        SELECT
        FROM telemetry.device_label AS l
        WHERE l.dataset = 'meter_reading' AND l.device_id = s.meter_id AND l.retired_at <= now()
    )
    AND (
        o.alert_id IS NOT NULL
        OR (
            -- of what has been so for a month nobody has to be told now
            s.ts > telemetry.utc_minus(n.ts, INTERVAL '720 hours' + r.silent_after)
            -- it was there for a day, and was never so long away
            AND g.first <= telemetry.utc_minus(s.ts, INTERVAL '23 hours')
            AND s.ts < telemetry.utc_minus(n.ts, 3 * g.gap)
        )
    )
$$;

COMMENT ON FUNCTION telemetry.silent_meters() IS
'Takes nothing. Returns meters that reported for a day at least and then nothing for as long as telemetry.rules allows, and for three times as long as they ever were silent in the two weeks before, while others reported, but for those that are retired: the meter, and the time of its last reading.';

REVOKE ALL ON FUNCTION
    telemetry.open_events(text, text[]),
    telemetry.sound_meters(text, text, timestamptz),
    telemetry.alerts_due(text[], text[]),
    telemetry.silent_meters()
FROM PUBLIC;
