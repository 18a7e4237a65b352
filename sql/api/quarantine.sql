-- Keep what was refused.

CREATE OR REPLACE FUNCTION api.quarantine_readings(
    reading_indexes integer[],
    reasons text[],
    details text[],
    content_types text[],
    raws bytea[]
)
RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_kept integer;
BEGIN
    INSERT INTO telemetry.quarantine (reading_index, reason, detail, content_type, raw)
    SELECT r.reading_index, r.reason, r.detail, r.content_type, r.raw
    FROM unnest(reading_indexes, reasons, details, content_types, raws)
        AS r (reading_index, reason, detail, content_type, raw);
    GET DIAGNOSTICS v_kept = ROW_COUNT;
    RETURN v_kept;
END;
$$;

COMMENT ON FUNCTION api.quarantine_readings(integer[], text[], text[], text[], bytea[]) IS
'Takes refused readings as arrays with one element a reading: zero-based index in its batch (null for a whole body), reason, what to fix, media type and raw bytes. Returns how many were kept.';

REVOKE ALL ON FUNCTION api.quarantine_readings(integer[], text[], text[], text[], bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.quarantine_readings(integer[], text[], text[], text[], bytea[]) TO wattledger_service;
