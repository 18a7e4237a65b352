-- Quarantine of what was refused, within bounds. What came too early alone is stored when its time has come.

CREATE OR REPLACE FUNCTION api.quarantine_readings(
    reading_indexes integer[],
    reasons text[],
    details text[],
    content_types text[],
    raws bytea[],
    datasets text[],
    device_ids text[],
    read_at timestamptz[],
    energies_kwh double precision[],
    voltages_v double precision[],
    socs_percent double precision[],
    battery_temps_c double precision[],
    key_id text DEFAULT NULL,
    kinds text[] DEFAULT NULL,
    interval_starts timestamptz[] DEFAULT NULL,
    session_ids text[] DEFAULT NULL,
    sources text[] DEFAULT NULL
)
RETURNS TABLE (place integer, detail text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_bounds telemetry.quarantine_bounds;
    v_awaits boolean[];
    v_details text[];
BEGIN
    PERFORM telemetry.commit_durably();
    v_bounds := telemetry.current_quarantine_bounds();

    -- what is further ahead than anything is kept waits for nothing
    SELECT array_agg(r.awaits ORDER BY r.place) INTO v_awaits
    FROM (
        SELECT
            s.place,
            s.reason = 'future'
            AND s.dataset IS NOT NULL
            AND telemetry.utc_minus(s.read_at, v_bounds.keep) <= now() AS awaits
        FROM unnest(reasons, datasets, quarantine_readings.read_at)
            WITH ORDINALITY AS s (reason, dataset, read_at, place)
    ) AS r;
    SELECT array_agg(
        CASE
            WHEN s.reason <> 'future' THEN s.detail
            WHEN s.awaits THEN s.detail || '; this reading is kept, and stored when its time has come'
            ELSE s.detail || '; this reading is too far ahead to be stored later'
        END
        ORDER BY s.place
    ) INTO v_details
    FROM unnest(reasons, details, v_awaits) WITH ORDINALITY AS s (reason, detail, awaits, place);

    INSERT INTO telemetry.quarantine (
        reading_index, reason, detail, content_type, raw,
        dataset, device_id, read_at, kind, energy_kwh, interval_start, session_id,
        voltage_v, soc_percent, battery_temp_c, awaits_time, key_id,
        source
    )
    SELECT
        r.reading_index, r.reason, r.detail, r.content_type, r.raw,
        r.dataset, r.device_id, r.read_at, r.kind, r.energy_kwh, r.interval_start, r.session_id,
        r.voltage_v, r.soc_percent, r.battery_temp_c, r.awaits, quarantine_readings.key_id,
        r.source
    FROM unnest(
        reading_indexes, reasons, v_details, content_types, raws,
        datasets, device_ids, quarantine_readings.read_at, kinds, energies_kwh, interval_starts, session_ids,
        voltages_v, socs_percent, battery_temps_c, v_awaits, sources
    ) WITH ORDINALITY AS r (
        reading_index, reason, detail, content_type, raw,
        dataset, device_id, read_at, kind, energy_kwh, interval_start, session_id,
        voltage_v, soc_percent, battery_temp_c, awaits, source, place
    )
    -- what is larger than the bound by itself would push out all before it, and go too
    WHERE r.awaits OR length(r.raw) <= least(v_bounds.max_bytes_per_key, v_bounds.max_bytes)
    ORDER BY r.place
    ON CONFLICT DO NOTHING;  -- a buffer delivered it before
    PERFORM telemetry.bound_quarantine(quarantine_readings.key_id, cardinality(raws), TRUE = ANY (v_awaits));

    RETURN QUERY
    SELECT (s.place - 1)::integer, s.detail
    FROM unnest(reasons, v_details) WITH ORDINALITY AS s (reason, detail, place)
    WHERE s.reason = 'future'
    ORDER BY s.place;
END;
$$;

COMMENT ON FUNCTION api.quarantine_readings(
    integer[], text[], text[], text[], bytea[], text[], text[], timestamptz[],
    double precision[], double precision[], double precision[], double precision[], text,
    text[], timestamptz[], text[], text[]
) IS
'Takes refused readings as arrays with one element per reading: zero-based index in its batch (NULL for a whole body), reason, what to fix, media type and raw bytes; and, NULL where it could not be decoded: the dataset it would have become, device id, time, energy or level in kWh, voltage in V, state of charge in percent and battery temperature in °C. Then the id of the API key that all came with (NULL: none); and, as arrays, or NULL where no reading has any: the kind (NULL: a difference), since when the energy flowed, the session, and where in a buffer each was: what has the same place, index and raw bytes as one that is there already is not kept again. Keeps them within the bounds of telemetry.quarantine_bounds: the oldest of this key go first; one that is larger than the bounds by itself is not kept. A future reading whose time comes within that time awaits it, is stored by api.replay_due, and is not removed before. Returns a row for each future reading: its zero-based place in the arrays, and what to tell its sender. Raises WL050 where the bounds are missing, WL040 where too much awaits its time already: then nothing was kept, and the sender is to send it again.';

REVOKE ALL ON FUNCTION api.quarantine_readings(
    integer[], text[], text[], text[], bytea[], text[], text[], timestamptz[],
    double precision[], double precision[], double precision[], double precision[], text,
    text[], timestamptz[], text[], text[]
) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.quarantine_readings(
    integer[], text[], text[], text[], bytea[], text[], text[], timestamptz[],
    double precision[], double precision[], double precision[], double precision[], text,
    text[], timestamptz[], text[], text[]
) TO wattledger_service;

CREATE OR REPLACE FUNCTION api.replay_due(most integer DEFAULT 1000)
RETURNS TABLE (accepted integer, duplicates integer, refused integer)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r.accepted, r.duplicates, r.refused FROM telemetry.replay_due(most) AS r
$$;

COMMENT ON FUNCTION api.replay_due(integer) IS
'Takes how many readings at most. Stores readings that were refused as future and whose time has come, those of the earliest time first; one that is refused for another reason now has that reason from then on, and is not tried again. Returns how many were accepted, were there already, and are refused; zeros where none is due, or another session is at it. To be called until it returns zeros. Raises WL050 where the rules of time are missing.';
REVOKE ALL ON FUNCTION api.replay_due(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.replay_due(integer) TO wattledger_service;
