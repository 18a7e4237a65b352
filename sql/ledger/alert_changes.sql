-- An alert is opened and closed; what was known of it then is written down.

CREATE OR REPLACE FUNCTION telemetry.alert_detail(
    kind text,
    meter_id text,
    vehicle_id text,
    since timestamptz,
    until timestamptz
)
RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT jsonb_build_object(
        'charges', count(*),
        'lostKwh', telemetry.kwh(sum(e.lost_mwh)),
        'meters', jsonb_agg(DISTINCT e.meter_id),
        'vehicles', jsonb_agg(DISTINCT e.vehicle_id) FILTER (WHERE e.vehicle_id <> '')
    )
    FROM (
        -- apart, so that each is looked up by its device
        SELECT m.meter_id, m.vehicle_id, m.started_at, m.lost_mwh
        FROM telemetry.session_evidence AS m
        WHERE m.side = 'meter' AND m.kind = alert_detail.kind AND m.is_bad AND m.meter_id = alert_detail.meter_id
        UNION ALL
        SELECT v.meter_id, v.vehicle_id, v.started_at, v.lost_mwh
        FROM telemetry.session_evidence AS v
        WHERE v.side = 'vehicle' AND v.kind = alert_detail.kind AND v.is_bad AND v.vehicle_id = alert_detail.vehicle_id
            AND alert_detail.meter_id = ''
        UNION ALL
        SELECT d.meter_id, '', d.started_at, d.lost_mwh
        FROM telemetry.standby_day AS d
        WHERE alert_detail.kind = 'standby' AND d.is_bad AND d.meter_id = alert_detail.meter_id
    ) AS e
    WHERE e.started_at >= alert_detail.since AND e.started_at < alert_detail.until
$$;

COMMENT ON FUNCTION telemetry.alert_detail(text, text, text, timestamptz, timestamptz) IS
'Takes an alert: its kind, the meter and the vehicle (empty: none), since when and until when. Returns what is known of it now: how many bad charges, or days of standby, it names, the energy in kWh that they lost, their meters and vehicles.';

CREATE OR REPLACE FUNCTION telemetry.note_alert(alert_id bigint, change text, detail jsonb)
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    INSERT INTO telemetry.alert_change (alert_id, change, detail)
    VALUES (note_alert.alert_id, note_alert.change, jsonb_strip_nulls(note_alert.detail))
$$;

COMMENT ON FUNCTION telemetry.note_alert(bigint, text, jsonb) IS
'Writes down what the run that keeps charging found of an alert. Takes the alert, the change as telemetry.alert_change has it, and what is known of it (what is NULL is left out). Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.start_alert(
    kind text,
    meter_id text,
    vehicle_id text,
    since timestamptz,
    severity text
)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_alert_id bigint;
    v_cause text := coalesce(telemetry.alert_cause(kind, meter_id, vehicle_id, since, 'infinity'), 'unknown');
    v_detail jsonb := telemetry.alert_detail(kind, meter_id, vehicle_id, since, 'infinity');
BEGIN
    INSERT INTO telemetry.alert AS a (kind, meter_id, vehicle_id, severity, since, cause, detail)
    VALUES (kind, nullif(meter_id, ''), nullif(vehicle_id, ''), severity, since, v_cause, jsonb_strip_nulls(v_detail))
    RETURNING a.alert_id INTO v_alert_id;
    -- a second one of the same kind and subject fails here
    INSERT INTO telemetry.open_alert VALUES (kind, meter_id, vehicle_id, v_alert_id, severity, since, v_cause);
    PERFORM telemetry.note_alert(
        v_alert_id, 'opened', v_detail || jsonb_build_object('since', since, 'severity', severity, 'cause', v_cause)
    );
END;
$$;

COMMENT ON FUNCTION telemetry.start_alert(text, text, text, timestamptz, text) IS
'Opens an alert. Takes its kind, the meter and the vehicle (empty: none), since when it is so, and how severe it is. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.end_alert(alert_id bigint, why text, until timestamptz)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_alert telemetry.open_alert;
    v_side text;
    v_device_ids text[];
    v_last_bad timestamptz;
    v_why text := why;
    v_until timestamptz := until;
BEGIN
    SELECT o.* INTO v_alert FROM telemetry.open_alert AS o WHERE o.alert_id = end_alert.alert_id;
    IF v_why = 'good' THEN
        v_side := CASE WHEN v_alert.meter_id = '' THEN 'vehicle' ELSE 'meter' END;
        v_device_ids := ARRAY[coalesce(nullif(v_alert.meter_id, ''), v_alert.vehicle_id)];
        -- until the first good one after the last bad one, before one from which on it is bad again
        WITH said AS MATERIALIZED (
            SELECT e.at, e.is_bad
            FROM telemetry.evidence(v_side, v_device_ids) AS e
            WHERE e.kind = v_alert.kind AND e.at >= v_alert.since AND e.at < end_alert.until
        ),
        last AS (
            SELECT max(s.at) AS at FROM said AS s WHERE s.is_bad
        )
        SELECT l.at, coalesce(min(s.at) FILTER (WHERE s.at > l.at), l.at + INTERVAL '1 microsecond', v_alert.since)
        INTO v_last_bad, v_until
        FROM last AS l
        LEFT JOIN said AS s ON TRUE
        GROUP BY l.at;
        v_why := CASE
            WHEN v_last_bad IS NULL THEN 'corrected'
            -- nothing good followed: what a vehicle or a meter loses is told of the other side now
            WHEN v_alert.kind IN ('degraded', 'drifting') AND EXISTS (
                SELECT FROM telemetry.bad_runs(v_side, v_device_ids) AS b
                WHERE b.kind = v_alert.kind AND b.since <= v_alert.since
            ) THEN 'superseded'
            ELSE 'good'
        END;
    END IF;
    PERFORM telemetry.note_alert(
        alert_id,
        'closed',
        telemetry.alert_detail(v_alert.kind, v_alert.meter_id, v_alert.vehicle_id, v_alert.since, v_until)
        || jsonb_build_object(
            'since', v_alert.since,
            'until', v_until,
            'severity', v_alert.severity,
            'cause', telemetry.alert_cause(v_alert.kind, v_alert.meter_id, v_alert.vehicle_id, v_alert.since, v_until),
            'why', v_why
        )
    );
    -- at last: while it is open all of its charges are looked at, however many came since
    DELETE FROM telemetry.open_alert AS o WHERE o.alert_id = end_alert.alert_id;
END;
$$;

COMMENT ON FUNCTION telemetry.end_alert(bigint, text, timestamptz) IS
'Closes an alert. Takes the alert, why (good: so many good ones followed; superseded: another alert tells it; settled: of a register; reported: of what was silent; retired: so was that) and until when it was so at most. Returns nothing. An alert of which no bad charge or day is left was corrected; one of losses that no good ones followed is superseded by what is told of the other side.';

REVOKE ALL ON FUNCTION
    telemetry.alert_detail(text, text, text, timestamptz, timestamptz),
    telemetry.note_alert(bigint, text, jsonb),
    telemetry.start_alert(text, text, text, timestamptz, text),
    telemetry.end_alert(bigint, text, timestamptz)
FROM PUBLIC;
