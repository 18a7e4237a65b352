-- Keep what was refused, within bounds.

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
    battery_temps_c double precision[]
)
RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_bounds telemetry.quarantine_bounds;
    v_kept integer;
    v_removed bigint;
BEGIN
    PERFORM telemetry.commit_durably();
    -- this row's lock makes all who add and remove take turns: no deadlock between them
    UPDATE telemetry.quarantine_bounds AS b
    SET kept_bytes = b.kept_bytes + (SELECT coalesce(sum(length(r.raw)), 0) FROM unnest(raws) AS r (raw))
    RETURNING b.* INTO v_bounds;

    INSERT INTO telemetry.quarantine (
        reading_index, reason, detail, content_type, raw,
        dataset, device_id, read_at, energy_kwh, voltage_v, soc_percent, battery_temp_c
    )
    SELECT r.*
    FROM unnest(
        reading_indexes, reasons, details, content_types, raws,
        datasets, device_ids, quarantine_readings.read_at, energies_kwh, voltages_v, socs_percent, battery_temps_c
    ) AS r;
    GET DIAGNOSTICS v_kept = ROW_COUNT;

    LOOP
        -- the oldest, a handful at a time, until age and size are within bounds
        WITH oldest AS (
            SELECT q.quarantine_id
            FROM telemetry.quarantine AS q
            WHERE q.received_at < telemetry.utc_minus(now(), v_bounds.keep) OR v_bounds.kept_bytes > v_bounds.max_bytes
            ORDER BY q.quarantine_id
            LIMIT 100
        ),
        removed AS (
            DELETE FROM telemetry.quarantine AS q
            USING oldest AS o
            WHERE q.quarantine_id = o.quarantine_id
            RETURNING length(q.raw) AS bytes
        )
        SELECT sum(d.bytes) INTO v_removed FROM removed AS d;
        EXIT WHEN v_removed IS NULL;
        UPDATE telemetry.quarantine_bounds AS b
        SET kept_bytes = b.kept_bytes - v_removed
        RETURNING b.* INTO v_bounds;
    END LOOP;
    RETURN v_kept;
END;
$$;

COMMENT ON FUNCTION api.quarantine_readings(
    integer[], text[], text[], text[], bytea[], text[], text[], timestamptz[],
    double precision[], double precision[], double precision[], double precision[]
) IS
'Takes refused readings as arrays with one element a reading: zero-based index in its batch (null for a whole body), reason, what to fix, media type and raw bytes; and, null where it could not be decoded: the dataset it would have become, device id, time, energy in kWh, voltage in V, state of charge in percent and battery temperature in °C. Removes the oldest past the bounds of telemetry.quarantine_bounds. Returns how many were kept.';

REVOKE ALL ON FUNCTION api.quarantine_readings(
    integer[], text[], text[], text[], bytea[], text[], text[], timestamptz[],
    double precision[], double precision[], double precision[], double precision[]
) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.quarantine_readings(
    integer[], text[], text[], text[], bytea[], text[], text[], timestamptz[],
    double precision[], double precision[], double precision[], double precision[]
) TO wattledger_service;
