-- Alerts are opened, revised and closed, by the run that keeps charging.

CREATE OR REPLACE FUNCTION telemetry.judge_alerts(meter_ids text[], vehicle_ids text[])
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_change record;
BEGIN
    FOR v_change IN
        WITH due AS MATERIALIZED (
            SELECT d.* FROM telemetry.alerts_due(judge_alerts.meter_ids, judge_alerts.vehicle_ids) AS d
        ),
        open AS MATERIALIZED (
            SELECT o.*
            FROM telemetry.open_alert AS o
            WHERE (
                (o.meter_id <> '' AND o.meter_id = ANY (judge_alerts.meter_ids))
                OR (o.meter_id = '' AND o.vehicle_id = ANY (judge_alerts.vehicle_ids))
            )
            -- these are looked for apart
            AND (o.kind <> 'silent' OR o.meter_id = '')
        )
        SELECT
            coalesce(d.kind, o.kind) AS kind,
            coalesce(d.meter_id, o.meter_id) AS meter_id,
            coalesce(d.vehicle_id, o.vehicle_id) AS vehicle_id,
            o.alert_id,
            o.severity AS was_severity,
            d.since,
            d.severity,
            d.since > o.since AS is_another,
            (
                SELECT min(s.since)
                FROM due AS s
                WHERE s.meter_id = o.meter_id
                    AND s.vehicle_id = o.vehicle_id
                    AND s.kind <> o.kind
                    AND s.kind IN ('impossible', 'frozen', 'degraded')
                    AND o.kind IN ('frozen', 'degraded', 'drifting', 'unlinked')
            ) AS superseded_since,
            o.since AS was_since
        FROM due AS d
        FULL JOIN open AS o ON o.kind = d.kind AND o.meter_id = d.meter_id AND o.vehicle_id = d.vehicle_id
        WHERE (d.since, d.severity) IS DISTINCT FROM (o.since, o.severity)
        ORDER BY 2, 3, 1
    LOOP
        IF v_change.alert_id IS NOT NULL AND (v_change.since IS NULL OR v_change.is_another) THEN
            PERFORM telemetry.end_alert(
                v_change.alert_id,
                CASE
                    WHEN v_change.kind = 'register' THEN 'settled'
                    WHEN v_change.kind = 'silent' AND telemetry.is_retired('vehicle_reading', v_change.vehicle_id)
                        THEN 'retired'
                    WHEN v_change.superseded_since IS NOT NULL THEN 'superseded'
                    ELSE 'good'
                END,
                CASE
                    WHEN v_change.kind = 'register' THEN now()
                    WHEN v_change.kind = 'silent' AND telemetry.is_retired('vehicle_reading', v_change.vehicle_id)
                        THEN now()
                    WHEN v_change.superseded_since IS NOT NULL
                        THEN greatest(v_change.superseded_since, v_change.was_since)
                    ELSE coalesce(v_change.since, 'infinity')
                END
            );
        END IF;
        IF v_change.since IS NOT NULL AND (v_change.alert_id IS NULL OR v_change.is_another) THEN
            PERFORM telemetry.start_alert(
                v_change.kind, v_change.meter_id, v_change.vehicle_id, v_change.since, v_change.severity
            );
        ELSIF v_change.since IS NOT NULL THEN
            UPDATE telemetry.open_alert AS o
            SET since = v_change.since, severity = v_change.severity
            WHERE o.alert_id = v_change.alert_id;
            PERFORM telemetry.note_alert(
                v_change.alert_id,
                CASE
                    WHEN (v_change.was_severity, v_change.severity) = ('warning', 'critical') THEN 'worsened'
                    ELSE 'revised'
                END,
                jsonb_build_object('since', v_change.since, 'severity', v_change.severity)
            );
        END IF;
        -- a meter at which nobody but this vehicle loses too much has no trouble itself
        IF v_change.meter_id = '' AND v_change.kind IN ('degraded', 'drifting') THEN
            PERFORM telemetry.queue_alerts(
                'meter',
                ARRAY(
                    SELECT s.meter_id
                    FROM telemetry.charging_session AS s
                    WHERE s.vehicle_id = v_change.vehicle_id
                        AND s.started_at >= telemetry.evidence_since('vehicle', v_change.vehicle_id)
                ),
                now()
            );
        END IF;
        -- nor has a vehicle that loses too much only at meters that measure wrongly
        IF v_change.meter_id <> '' AND v_change.kind IN ('impossible', 'frozen') THEN
            PERFORM telemetry.queue_alerts(
                'vehicle',
                ARRAY(
                    SELECT s.vehicle_id
                    FROM telemetry.charging_session AS s
                    WHERE s.meter_id = v_change.meter_id
                        AND s.started_at >= telemetry.evidence_since('meter', v_change.meter_id)
                ),
                now()
            );
        END IF;
    END LOOP;
    UPDATE telemetry.open_alert AS o
    SET cause = c.cause
    FROM (
        SELECT
            n.alert_id,
            telemetry.alert_cause(n.kind, n.meter_id, n.vehicle_id, n.since, 'infinity') AS cause
        FROM telemetry.open_alert AS n
        WHERE (n.meter_id <> '' AND n.meter_id = ANY (judge_alerts.meter_ids))
            OR (n.meter_id = '' AND n.vehicle_id = ANY (judge_alerts.vehicle_ids))
    ) AS c
    WHERE o.alert_id = c.alert_id AND o.cause <> c.cause;
END;
$$;

COMMENT ON FUNCTION telemetry.judge_alerts(text[], text[]) IS
'Takes meters and vehicles. Opens, changes and closes alerts about them, so that those are open that telemetry.alerts_due has. Returns nothing. To call it again changes nothing.';

CREATE OR REPLACE FUNCTION telemetry.judge_silence()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_change record;
BEGIN
    UPDATE telemetry.alert_watch SET looked_at = now();
    FOR v_change IN
        SELECT coalesce(d.meter_id, o.meter_id) AS meter_id, o.alert_id, o.since AS was_since, d.since
        FROM telemetry.silent_meters() AS d
        FULL JOIN (
            SELECT a.* FROM telemetry.open_alert AS a WHERE a.kind = 'silent' AND a.meter_id <> ''
        ) AS o ON o.meter_id = d.meter_id
        WHERE d.since IS DISTINCT FROM o.since
        ORDER BY 1
    LOOP
        IF v_change.alert_id IS NOT NULL THEN
            PERFORM telemetry.end_alert(
                v_change.alert_id,
                CASE
                    WHEN telemetry.is_retired('meter_reading', v_change.meter_id) THEN 'retired'
                    ELSE 'reported'
                END,
                now()
            );
        END IF;
        IF v_change.since IS NOT NULL THEN
            PERFORM telemetry.start_alert('silent', v_change.meter_id, '', v_change.since, 'warning');
        END IF;
    END LOOP;
    -- of a vehicle nobody looks when the time comes at which it is retired
    PERFORM telemetry.queue_alerts(
        'vehicle',
        ARRAY(
            SELECT o.vehicle_id
            FROM telemetry.open_alert AS o
            WHERE o.kind = 'silent' AND o.meter_id = '' AND telemetry.is_retired('vehicle_reading', o.vehicle_id)
        ),
        now()
    );
END;
$$;

COMMENT ON FUNCTION telemetry.judge_silence() IS
'Opens alerts about meters that fell silent, closes those of which reported again or were retired, and has vehicles looked at that were. Takes and returns nothing.';

REVOKE ALL ON FUNCTION telemetry.judge_alerts(text[], text[]), telemetry.judge_silence() FROM PUBLIC;
