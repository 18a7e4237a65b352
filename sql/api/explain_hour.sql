-- An hour of a device explained: what its energy follows from, and what people and registers did meanwhile.

CREATE OR REPLACE FUNCTION api.explain_hour(side text, device_id text, hour timestamptz)
RETURNS TABLE (
    part text,
    happened_at timestamptz,
    kind text,
    reported_kwh numeric,
    corrected_kwh numeric,
    interval_start timestamptz,
    verdict text,
    energy_kwh numeric,
    entry integer,
    source_day date,
    record_id bigint,
    sentence text,
    provisional_kwh numeric,
    is_provisional boolean,
    known_by text,
    before_kwh numeric,
    booked_kwh numeric,
    explained_kwh numeric,
    state text,
    made_by text,
    recorded_at timestamptz,
    reason text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_dataset text := side || '_reading';
    v_since timestamptz := telemetry.floor_hour(hour);
    v_until timestamptz := v_since + INTERVAL '1 hour';
    v_hourly_since timestamptz := (SELECT h.hourly_since FROM telemetry.horizon AS h);
    v_newest timestamptz := telemetry.newest_item(v_dataset, device_id);
    v_are_readings_kept boolean := v_since >= (telemetry.acceptance(v_dataset)).oldest;
BEGIN
    IF v_newest IS NULL AND NOT EXISTS (
        SELECT
        FROM telemetry.settled_day AS d
        WHERE d.dataset = v_dataset AND d.device_id = explain_hour.device_id
    ) THEN
        RETURN;
    END IF;
    IF v_since < v_hourly_since THEN
        RAISE EXCEPTION 'hours before % are not kept any more', telemetry.utc_text(v_hourly_since)
            USING ERRCODE = 'WL014', HINT = 'GET /v1/reports/month has the energy of each day, and GET /v1/records what people said.';
    END IF;
    RETURN QUERY
    WITH told AS MATERIALIZED (
        SELECT e.*
        FROM ops.explain_hour(side || ':' || explain_hour.device_id, v_since) AS e
        WHERE v_are_readings_kept
    ),
    event AS MATERIALIZED (
        SELECT v.*
        FROM bi.register_event AS v
        WHERE v.side = explain_hour.side
            AND v.device_id = explain_hour.device_id
            AND (
                (v.happened_at >= v_since AND v.happened_at < v_until)
                -- its reading has energy here too
                OR v.happened_at IN (SELECT t.happened_at FROM told AS t WHERE t.part <> 'entry')
            )
    ),
    about AS MATERIALIZED (
        SELECT r.*
        FROM bi.ledger_record AS r
        WHERE r.side = explain_hour.side
            AND r.device_id = explain_hour.device_id
            AND (
                (r.happened_at >= v_since AND coalesce(r.starts_at, r.happened_at) < v_until)
                OR r.happened_at IN (SELECT t.happened_at FROM told AS t WHERE t.part <> 'entry')
            )
    ),
    sums AS (
        SELECT
            coalesce(sum(t.energy_kwh) FILTER (WHERE t.part = 'entry'), 0) AS booked_kwh,
            coalesce(sum(t.energy_kwh) FILTER (WHERE t.part <> 'entry'), 0) AS follows_kwh,
            count(*) FILTER (WHERE t.part = 'reading') AS readings
        FROM told AS t
    ),
    kept AS (
        SELECT telemetry.kwh(coalesce(sum(k.energy_mwh), 0)) AS energy_kwh
        FROM (
            SELECT m.energy_mwh
            FROM telemetry.meter_hours(explain_hour.device_id, v_since, v_until) AS m
            WHERE explain_hour.side = 'meter' AND NOT v_are_readings_kept
            UNION ALL
            SELECT v.energy_mwh
            FROM telemetry.vehicle_hours(explain_hour.device_id, v_since, v_until) AS v
            WHERE explain_hour.side = 'vehicle' AND NOT v_are_readings_kept
        ) AS k
    ),
    whole AS (
        SELECT
            CASE WHEN v_are_readings_kept THEN s.booked_kwh ELSE k.energy_kwh END AS energy_kwh,
            s.follows_kwh - s.booked_kwh AS provisional_kwh,
            v_are_readings_kept AND (
                s.follows_kwh <> s.booked_kwh
                OR coalesce(v_newest < v_until, TRUE)
                OR EXISTS (SELECT FROM event AS v WHERE v.state = 'provisional')
            ) AS is_provisional,
            s.readings
        FROM sums AS s
        CROSS JOIN kept AS k
    ),
    answer AS (
        SELECT
            1 AS place, 'hour' AS part, v_since AS happened_at, NULL AS kind, NULL::numeric AS reported_kwh,
            NULL::numeric AS corrected_kwh, NULL::timestamptz AS interval_start, NULL AS verdict, w.energy_kwh,
            NULL::integer AS entry, NULL::date AS source_day, NULL::bigint AS record_id,
            concat_ws(
                ' ',
                telemetry.said_kwh(w.energy_kwh) || ' are counted in this hour.',
                CASE
                    WHEN NOT v_are_readings_kept THEN 'The readings that it follows from are not kept any more.'
                    WHEN w.readings = 0 THEN 'No reading has energy in it.'
                END,
                CASE
                    WHEN w.provisional_kwh <> 0
                        THEN 'What came since changes it by ' || telemetry.said_kwh(w.provisional_kwh) || ', which is being settled.'
                    WHEN w.is_provisional THEN 'What comes next may still change it.'
                END
            ) AS sentence,
            w.provisional_kwh, w.is_provisional,
            CASE WHEN v_are_readings_kept THEN 'readings' ELSE 'hour' END AS known_by,
            NULL::numeric AS before_kwh, NULL::numeric AS booked_kwh, NULL::numeric AS explained_kwh, NULL AS state,
            NULL AS made_by, NULL::timestamptz AS recorded_at, NULL AS reason
        FROM whole AS w
        UNION ALL
        SELECT
            CASE t.part WHEN 'reading' THEN 2 ELSE 4 END, t.part, t.happened_at, t.kind, t.reported_kwh, t.corrected_kwh,
            t.interval_start, t.verdict, t.energy_kwh, t.entry, t.source_day, t.record_id, t.sentence,
            NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL
        FROM told AS t
        WHERE t.part <> 'record'
        UNION ALL
        -- one that was taken back or replaced tells why, too
        SELECT
            3, 'record', r.happened_at, r.record, r.reported_kwh, r.value_kwh, r.starts_at, r.resolution,
            CASE WHEN v_are_readings_kept THEN coalesce(t.energy_kwh, 0) END, NULL, NULL, r.record_id,
            telemetry.record_sentence(r.record_id), NULL, NULL, NULL, NULL, NULL, NULL, r.state, r.made_by, r.recorded_at,
            r.reason
        FROM bi.ledger_record AS r
        LEFT JOIN told AS t ON t.part = 'record' AND t.record_id = r.record_id
        WHERE r.record_id IN (SELECT a.record_id FROM about AS a UNION SELECT a.cancelled_by FROM about AS a)
        UNION ALL
        SELECT
            5, 'event', v.happened_at, v.event, v.reported_kwh, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
            telemetry.event_sentence(v.event, v.before_kwh, v.reported_kwh, v.booked_kwh, v.explained_kwh, v.state),
            NULL, NULL, NULL, v.before_kwh, v.booked_kwh, v.explained_kwh, v.state, NULL, NULL, NULL
        FROM event AS v
    )
    SELECT
        a.part, a.happened_at, a.kind, trim_scale(a.reported_kwh), trim_scale(a.corrected_kwh), a.interval_start, a.verdict,
        trim_scale(a.energy_kwh), a.entry, a.source_day, a.record_id, a.sentence, trim_scale(a.provisional_kwh),
        a.is_provisional, a.known_by, trim_scale(a.before_kwh), trim_scale(a.booked_kwh), trim_scale(a.explained_kwh),
        a.state, a.made_by, a.recorded_at, a.reason
    FROM answer AS a
    ORDER BY a.place, a.happened_at, a.record_id, a.entry;
END;
$$;

COMMENT ON FUNCTION api.explain_hour(text, text, timestamptz) IS
'Takes meter or vehicle, a device''s id, and any moment of an hour. Returns what the hour''s energy is and follows from, in this order by part: hour, one row: its start, the energy in kWh that is billed now, by how much settling will change that, whether it may change at all, and by what it is known: readings, or hour where raw readings are gone; reading, one row per reading whose energy is in the hour; record, one row per record about that time, cancelled ones too; entry, the entries whose sum is the hour''s energy; and event, what the register did beside counting. Readings and entries are as ops.explain_hour has them, records as bi.ledger_record (verdict: book or dismiss), events as bi.register_event. Each row says in a sentence what it means. No row where nothing was ever stored of the device. Raises WL014 where not even the hour is kept.';

REVOKE ALL ON FUNCTION api.explain_hour(text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.explain_hour(text, text, timestamptz) TO wattledger_service;
