-- Why an hour has the energy that it has: the readings that put it there, and the entries that hold it.

CREATE OR REPLACE FUNCTION ops.explain_hour(device text, hour timestamptz)
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
    sentence text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
DECLARE
    v_device record;
    v_since timestamptz := telemetry.floor_hour(hour);
    v_until timestamptz := v_since + INTERVAL '1 hour';
    v_folded telemetry.folded;
    v_corrections telemetry.corrected_reading[];
BEGIN
    SELECT d.dataset, d.device_id INTO v_device FROM telemetry.named_device(device) AS d;
    IF (v_since >= (telemetry.acceptance(v_device.dataset)).oldest) IS NOT TRUE THEN
        RAISE EXCEPTION 'raw readings of % are gone', coalesce(v_since::text, 'no hour')
            USING ERRCODE = 'WL026', HINT = 'An hour is explained by them, as long as they are kept.';
    END IF;
    v_corrections := telemetry.corrections_of(v_device.dataset, v_device.device_id);
    v_folded := telemetry.fold(
        v_device.dataset,
        v_device.device_id,
        telemetry.utc_day(v_since),
        -- up to the reading whose interval ends the hour
        coalesce(
            (
                SELECT min(s.day)
                FROM telemetry.settled_day AS s
                WHERE s.dataset = v_device.dataset AND s.device_id = v_device.device_id AND s.read_at >= v_until
            ),
            'infinity'
        ),
        TRUE
    );

    RETURN QUERY
    WITH step AS MATERIALIZED (
        SELECT s.*
        FROM unnest(v_folded.steps) AS s
        WHERE telemetry.floor_hour(s.ts) = v_since OR (s.is_cut AND s.since < v_until AND s.ts > v_since)
    ),
    stored AS (
        SELECT r.ts, r.entry, r.kind, r.register_mwh, r.energy_mwh, r.reason, r.source_day
        FROM telemetry.meter_reading AS r
        WHERE v_device.dataset = 'meter_reading'
            AND r.meter_id = v_device.device_id
            AND r.ts >= v_since
            AND r.ts <= greatest(v_until, (SELECT max(s.ts) FROM step AS s))
        UNION ALL
        SELECT r.ts, r.entry, r.kind, r.register_mwh, r.energy_mwh, r.reason, r.source_day
        FROM telemetry.vehicle_reading AS r
        WHERE v_device.dataset = 'vehicle_reading'
            AND r.vehicle_id = v_device.device_id
            AND r.ts >= v_since
            AND r.ts <= greatest(v_until, (SELECT max(s.ts) FROM step AS s))
    ),
    explained AS (
        SELECT
            CASE WHEN s.verdict = 'exchange' THEN 'record' ELSE 'reading' END AS part,
            s.ts,
            coalesce(r.kind::text, s.verdict::text) AS kind,
            CASE
                WHEN s.verdict = 'exchange' THEN x.final_mwh
                WHEN r.kind = 'difference' THEN r.energy_mwh
                ELSE r.register_mwh
            END AS reported_mwh,
            c.value_mwh,
            s.since,
            CASE WHEN c.record_id IS NOT NULL AND c.value_mwh IS NULL THEN 'withdrawn' ELSE s.verdict::text END AS verdict,
            CASE
                WHEN s.is_cut THEN
                    telemetry.part_before(v_until, s.energy_mwh, s.since, s.ts)
                    - telemetry.part_before(v_since, s.energy_mwh, s.since, s.ts)
                ELSE s.energy_mwh
            END AS energy_mwh,
            NULL::integer AS entry,
            NULL::date AS source_day,
            CASE WHEN s.verdict = 'exchange' THEN x.record_id ELSE c.record_id END AS record_id
        FROM step AS s
        LEFT JOIN stored AS r ON r.ts = s.ts AND r.entry = 0 AND s.verdict <> 'exchange'
        LEFT JOIN telemetry.standing_record AS x
            ON x.dataset = v_device.dataset
            AND x.device_id = v_device.device_id
            AND x.happened_at = s.ts
            AND x.record = 'exchange'
            AND s.verdict = 'exchange'
        LEFT JOIN unnest(v_corrections) AS c ON c.ts = s.ts AND s.is_corrected
        UNION ALL
        SELECT
            'record',
            x.happened_at,
            x.record,
            x.energy_mwh,
            NULL,
            x.starts_at,
            'booking',
            b.energy_mwh,
            NULL,
            NULL,
            b.record_id
        FROM telemetry.booked_hour AS b
        INNER JOIN telemetry.ledger_record AS x ON x.record_id = b.record_id
        WHERE b.dataset = v_device.dataset AND b.device_id = v_device.device_id AND b.hour = v_since
        UNION ALL
        SELECT
            'entry',
            r.ts,
            CASE WHEN r.entry = 0 THEN r.kind::text END,
            CASE WHEN r.entry > 0 THEN NULL WHEN r.kind = 'difference' THEN r.energy_mwh ELSE r.register_mwh END,
            NULL,
            NULL,
            coalesce(r.reason::text, 'reported'),
            r.energy_mwh,
            r.entry,
            r.source_day,
            NULL
        FROM stored AS r
        WHERE r.ts < v_until
    )
    SELECT
        e.part,
        e.ts,
        e.kind,
        telemetry.kwh(e.reported_mwh),
        telemetry.kwh(e.value_mwh),
        e.since,
        e.verdict,
        telemetry.kwh(e.energy_mwh),
        e.entry,
        e.source_day,
        e.record_id,
        telemetry.part_sentence(
            e.part, e.kind, telemetry.kwh(e.reported_mwh), telemetry.kwh(e.value_mwh), e.since, e.verdict,
            telemetry.kwh(e.energy_mwh), e.source_day, e.record_id
        )
    FROM explained AS e
    ORDER BY e.part = 'entry', e.ts, e.part DESC, e.entry;
END;
$$;

COMMENT ON FUNCTION ops.explain_hour(text, timestamptz) IS
'Tells why an hour has its energy. Takes the device (meter: or vehicle: and its id) and any moment of the hour. Returns first what the energy follows from, one row per reading or record whose interval touches the hour (part is reading or record): its time, what it is, what was reported in kWh, what it should have reported where a record corrects it, since when its energy flowed, how it was judged (withdrawn: a record takes it back), the energy in kWh that it has in this hour, and the record that it is or that corrects it; then the entries of the hour (part is entry), which hold that energy: reported (entry 0, as judged at arrival), or why the ledger posted it, and the UTC day that it follows from; each row says at last in a sentence what it means. The energy of either kind comes to the hour''s, once all of it is settled. Raises WL026 where no device is named or raw readings of the hour are gone.';
REVOKE ALL ON FUNCTION ops.explain_hour(text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ops.explain_hour(text, timestamptz) TO wattledger_dba;
