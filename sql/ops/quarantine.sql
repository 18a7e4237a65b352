-- Look at what was refused, and send it again.

CREATE OR REPLACE FUNCTION ops.readable(raw bytea)
RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN convert_from(raw, 'UTF8');
EXCEPTION WHEN character_not_in_repertoire THEN  -- no text, such as MessagePack
    RETURN encode(raw, 'hex');
END;
$$;

COMMENT ON FUNCTION ops.readable(bytea) IS 'Takes bytes. Returns them as text where they are UTF-8, else in hexadecimal.';

CREATE OR REPLACE VIEW ops.quarantine AS
SELECT
    q.quarantine_id,
    q.received_at,
    q.reading_index,
    q.reason,
    q.detail,
    q.dataset,
    q.device_id,
    q.read_at,
    q.energy_kwh,
    q.voltage_v,
    q.soc_percent,
    q.battery_temp_c,
    q.content_type,
    length(q.raw) AS raw_bytes,
    ops.readable(q.raw) AS raw,
    q.replayed_at
FROM telemetry.quarantine AS q;

COMMENT ON VIEW ops.quarantine IS 'Every refused reading, readable.';
COMMENT ON COLUMN ops.quarantine.quarantine_id IS 'Number in order of arrival.';
COMMENT ON COLUMN ops.quarantine.received_at IS 'When it was refused, by the database''s clock.';
COMMENT ON COLUMN ops.quarantine.reading_index IS
'Zero-based position in the batch it came in; null where the whole body could not be read.';
COMMENT ON COLUMN ops.quarantine.reason IS 'future, too_old, out_of_range, conflict or malformed.';
COMMENT ON COLUMN ops.quarantine.detail IS 'What to fix, as the sender was told.';
COMMENT ON COLUMN ops.quarantine.dataset IS
'meter_reading or vehicle_reading: what it would have become; null where it could not be decoded.';
COMMENT ON COLUMN ops.quarantine.device_id IS 'The meter''s or vehicle''s id, decoded.';
COMMENT ON COLUMN ops.quarantine.read_at IS 'The reading''s time, decoded.';
COMMENT ON COLUMN ops.quarantine.energy_kwh IS 'The reading''s energy in kWh, decoded.';
COMMENT ON COLUMN ops.quarantine.voltage_v IS 'A meter''s voltage in V, decoded.';
COMMENT ON COLUMN ops.quarantine.soc_percent IS 'A vehicle''s state of charge in percent, decoded.';
COMMENT ON COLUMN ops.quarantine.battery_temp_c IS 'A vehicle''s battery temperature in °C, decoded.';
COMMENT ON COLUMN ops.quarantine.content_type IS
'Media type of what was sent; with its content encoding where that could not be undone.';
COMMENT ON COLUMN ops.quarantine.raw_bytes IS 'Size of what was sent, in bytes.';
COMMENT ON COLUMN ops.quarantine.raw IS 'What was sent, as text, or in hexadecimal where it is no text.';
COMMENT ON COLUMN ops.quarantine.replayed_at IS
'When it was stored after all by ops.replay_quarantine; null while it is refused.';

CREATE OR REPLACE FUNCTION ops.replay_quarantine(
    reason text DEFAULT NULL,
    since timestamptz DEFAULT '-infinity',
    until timestamptz DEFAULT 'infinity'
)
RETURNS TABLE (quarantine_id bigint, outcome text, detail text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- whoever adds or replays at the same time waits here
    PERFORM FROM telemetry.quarantine_bounds FOR UPDATE;

    RETURN QUERY
    WITH chosen AS MATERIALIZED (
        SELECT
            q.*,
            row_number() OVER (PARTITION BY q.dataset ORDER BY q.quarantine_id) - 1 AS place
        FROM telemetry.quarantine AS q
        WHERE q.replayed_at IS NULL
            AND q.dataset IS NOT NULL
            AND q.received_at >= replay_quarantine.since
            AND q.received_at < replay_quarantine.until
            AND (replay_quarantine.reason IS NULL OR q.reason = replay_quarantine.reason)
    ),
    sent AS (
        SELECT
            c.dataset,
            array_agg(c.device_id ORDER BY c.place) AS ids,
            array_agg(c.read_at ORDER BY c.place) AS times,
            array_agg(c.energy_kwh ORDER BY c.place) AS energies,
            array_agg(c.voltage_v ORDER BY c.place) AS voltages,
            array_agg(c.soc_percent ORDER BY c.place) AS socs,
            array_agg(c.battery_temp_c ORDER BY c.place) AS temps
        FROM chosen AS c
        GROUP BY c.dataset
    ),
    answer AS MATERIALIZED (
        SELECT s.dataset, m.reading_index, m.outcome, m.detail
        FROM sent AS s
        CROSS JOIN LATERAL api.ingest_meter_readings(s.ids, s.times, s.energies, s.voltages) AS m
        WHERE s.dataset = 'meter_reading'
        UNION ALL
        SELECT s.dataset, v.reading_index, v.outcome, v.detail
        FROM sent AS s
        CROSS JOIN LATERAL api.ingest_vehicle_readings(s.ids, s.times, s.energies, s.socs, s.temps) AS v
        WHERE s.dataset = 'vehicle_reading'
    ),
    result AS MATERIALIZED (
        SELECT c.quarantine_id, coalesce(a.outcome, 'accepted') AS outcome, a.detail
        FROM chosen AS c
        LEFT JOIN answer AS a ON a.dataset = c.dataset AND a.reading_index = c.place
    ),
    marked AS (
        UPDATE telemetry.quarantine AS q
        SET replayed_at = now()
        FROM result AS r
        WHERE q.quarantine_id = r.quarantine_id AND r.outcome IN ('accepted', 'duplicate')
    )
    SELECT r.quarantine_id, r.outcome, r.detail
    FROM result AS r
    ORDER BY r.quarantine_id;
END;
$$;

COMMENT ON FUNCTION ops.replay_quarantine(text, timestamptz, timestamptz) IS
'Sends refused readings again, after a limit was widened for example. Takes a reason (null: any) and from when (included) until when (not included) they were refused. Only what could be decoded can be sent again. Returns a row for each: its quarantine_id, the outcome now (accepted, duplicate, or a reason) and what to fix. What is stored now is marked, and not sent again.';

REVOKE ALL ON ops.quarantine FROM PUBLIC;
GRANT SELECT ON ops.quarantine TO wattledger_dba;
REVOKE ALL ON FUNCTION ops.readable(bytea), ops.replay_quarantine(text, timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ops.readable(bytea), ops.replay_quarantine(text, timestamptz, timestamptz) TO wattledger_dba;
