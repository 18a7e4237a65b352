-- Items of the fold: what a device reported and what was recorded of it, in order of time.

CREATE OR REPLACE FUNCTION telemetry.fold_items(
    dataset text,
    device_id text,
    since timestamptz,
    until timestamptz,
    is_last boolean
)
RETURNS SETOF telemetry.fold_item
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_custom_plan
AS $$
BEGIN
    RETURN QUERY
    SELECT i.ts, i.energy_mwh, i.kind, i.register_mwh, i.interval_start, i.session_no, i.verdict, i.initial_mwh,
        NULL::bigint
    FROM (
        SELECT r.ts, r.energy_mwh, r.kind, r.register_mwh, r.interval_start, r.session_no,
            NULL::text AS verdict, NULL::bigint AS initial_mwh
        FROM telemetry.meter_reading AS r
        WHERE fold_items.dataset = 'meter_reading'
            AND r.meter_id = fold_items.device_id
            AND r.entry = 0
            AND r.ts >= fold_items.since AND r.ts < fold_items.until
        UNION ALL
        SELECT r.ts, r.energy_mwh, r.kind, r.register_mwh, r.interval_start, r.session_no, NULL, NULL
        FROM telemetry.vehicle_reading AS r
        WHERE fold_items.dataset = 'vehicle_reading'
            AND r.vehicle_id = fold_items.device_id
            AND r.entry = 0
            AND r.ts >= fold_items.since AND r.ts < fold_items.until
        UNION ALL
        SELECT r.happened_at, 0, NULL, r.final_mwh, NULL, NULL, r.record, r.initial_mwh
        FROM telemetry.standing_record AS r
        WHERE r.dataset = fold_items.dataset
            AND r.device_id = fold_items.device_id
            AND r.record = 'exchange'
            AND r.happened_at >= fold_items.since AND r.happened_at < fold_items.until
    ) AS i
    -- a record at a reading's time comes before it
    ORDER BY i.ts, i.verdict NULLS LAST;
    IF is_last THEN
        RETURN NEXT ROW('infinity', 0, NULL, NULL, NULL, NULL, 'end', NULL, NULL)::telemetry.fold_item;
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.fold_items(text, text, timestamptz, timestamptz, boolean) IS
'Takes meter_reading or vehicle_reading, a device, a window (since included, until not), and whether nothing is stored after it. Returns what was reported and exchanged in it, in order of time, and at last an item that says so.';

CREATE OR REPLACE FUNCTION telemetry.corrected(item telemetry.fold_item, corrections telemetry.corrected_reading[])
RETURNS telemetry.fold_item
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_correction telemetry.corrected_reading;
BEGIN
    FOREACH v_correction IN ARRAY corrections LOOP
        IF v_correction.ts = item.ts THEN
            item.known_mwh := item.energy_mwh;
            IF v_correction.value_mwh IS NULL THEN
                item.energy_mwh := 0;
                item.verdict := 'withdrawn';
            ELSIF item.kind = 'difference' THEN
                item.energy_mwh := v_correction.value_mwh;
            ELSE
                item.register_mwh := v_correction.value_mwh;
            END IF;
        END IF;
    END LOOP;
    RETURN item;
END;
$$;

COMMENT ON FUNCTION telemetry.corrected(telemetry.fold_item, telemetry.corrected_reading[]) IS
'Takes a reading and the corrections of its device. Returns it as it should have reported; one that is taken back has the verdict withdrawn.';

CREATE OR REPLACE FUNCTION telemetry.with_verdict(
    items telemetry.fold_item[],
    first_verdict text,
    other_verdict text
)
RETURNS telemetry.fold_item[]
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    FOR v_place IN 1..cardinality(items) LOOP
        items[v_place].verdict := CASE WHEN v_place = 1 THEN first_verdict ELSE other_verdict END;
    END LOOP;
    RETURN items;
END;
$$;

COMMENT ON FUNCTION telemetry.with_verdict(telemetry.fold_item[], text, text) IS
'Takes readings that had to wait, the verdict of the first and that of the others (NULL: to be judged afresh). Returns them with these.';

REVOKE ALL ON FUNCTION
    telemetry.fold_items(text, text, timestamptz, timestamptz, boolean),
    telemetry.corrected(telemetry.fold_item, telemetry.corrected_reading[]),
    telemetry.with_verdict(telemetry.fold_item[], text, text)
FROM PUBLIC;
