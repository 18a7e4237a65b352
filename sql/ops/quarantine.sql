-- Quarantine: look at what was refused, and send it again.

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
    q.key_id,
    q.reading_index,
    q.reason,
    q.detail,
    q.dataset,
    q.device_id,
    -- what was sent may be of a year that clients cannot show
    CASE
        WHEN q.read_at >= '0001-01-02 00:00+00' AND q.read_at < '9999-12-31 00:00+00' THEN q.read_at
    END AS read_at,
    q.kind,
    q.energy_kwh,
    CASE
        WHEN q.interval_start >= '0001-01-02 00:00+00' AND q.interval_start < '9999-12-31 00:00+00'
            THEN q.interval_start
    END AS interval_start,
    q.session_id,
    q.voltage_v,
    q.soc_percent,
    q.battery_temp_c,
    q.content_type,
    length(q.raw) AS raw_bytes,
    ops.readable(q.raw) AS raw,
    q.awaits_time,
    q.replayed_at,
    q.source
FROM telemetry.quarantine AS q;

COMMENT ON VIEW ops.quarantine IS 'Every refused reading, readable.';
COMMENT ON COLUMN ops.quarantine.quarantine_id IS 'Number in order of arrival.';
COMMENT ON COLUMN ops.quarantine.received_at IS 'When it was refused, by the database''s clock.';
COMMENT ON COLUMN ops.quarantine.key_id IS 'The API key that it was sent with; NULL where keys are off.';
COMMENT ON COLUMN ops.quarantine.reading_index IS
'Zero-based position in the batch it came in; NULL where the whole body could not be read.';
COMMENT ON COLUMN ops.quarantine.reason IS 'future, too_old, out_of_range, conflict or malformed.';
COMMENT ON COLUMN ops.quarantine.detail IS
'What to fix: as the sender was told, or, where its time had come and it was refused again, why then.';
COMMENT ON COLUMN ops.quarantine.dataset IS
'meter_reading or vehicle_reading: what it would have become; NULL where it could not be decoded.';
COMMENT ON COLUMN ops.quarantine.device_id IS 'The meter''s or vehicle''s id, decoded.';
COMMENT ON COLUMN ops.quarantine.read_at IS
'The reading''s time, decoded; NULL where it is not of the years 1 to 9999.';
COMMENT ON COLUMN ops.quarantine.kind IS
'What the energy is, decoded: lifetime_register or session_counter where it is a level; NULL for a difference.';
COMMENT ON COLUMN ops.quarantine.energy_kwh IS
'The reading''s energy, or the level of its counter, in kWh, decoded.';
COMMENT ON COLUMN ops.quarantine.interval_start IS
'Since when the energy of a difference flowed, decoded; NULL where not reported, or not of the years 1 to 9999.';
COMMENT ON COLUMN ops.quarantine.session_id IS
'The charging session that the reading belongs to, decoded; NULL where none was reported.';
COMMENT ON COLUMN ops.quarantine.voltage_v IS 'A meter''s voltage in V, decoded.';
COMMENT ON COLUMN ops.quarantine.soc_percent IS 'A vehicle''s state of charge in percent, decoded.';
COMMENT ON COLUMN ops.quarantine.battery_temp_c IS 'A vehicle''s battery temperature in °C, decoded.';
COMMENT ON COLUMN ops.quarantine.content_type IS
'Media type of what was sent; with its content encoding where that could not be undone.';
COMMENT ON COLUMN ops.quarantine.raw_bytes IS 'Size of what was sent, in bytes.';
COMMENT ON COLUMN ops.quarantine.raw IS 'What was sent, as text, or in hexadecimal where it is no text.';
COMMENT ON COLUMN ops.quarantine.awaits_time IS
'Whether it came too early alone, and is stored by itself when its time has come: until then it is not removed.';
COMMENT ON COLUMN ops.quarantine.replayed_at IS
'When it was stored after all, by itself or by ops.replay_quarantine; NULL while it is refused.';
COMMENT ON COLUMN ops.quarantine.source IS
'Where in a buffer it was, topic/partition/offset; NULL for what came to the database directly.';

CREATE OR REPLACE FUNCTION ops.replay_quarantine(
    reason text DEFAULT NULL,
    since timestamptz DEFAULT '-infinity',
    until timestamptz DEFAULT 'infinity',
    after bigint DEFAULT 0,
    most integer DEFAULT 10000
)
RETURNS TABLE (quarantine_id bigint, outcome text, detail text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_last bigint;
BEGIN
    FOR quarantine_id, outcome, detail IN
        SELECT p.quarantine_id, p.outcome, p.detail
        FROM telemetry.replay_piece(
            replay_quarantine.reason, replay_quarantine.since, replay_quarantine.until, replay_quarantine.after,
            replay_quarantine.most
        ) AS p
    LOOP
        v_last := quarantine_id;
        RETURN NEXT;
    END LOOP;
    IF EXISTS (
        SELECT
        FROM telemetry.quarantine AS q
        WHERE q.replayed_at IS NULL
            AND q.dataset IS NOT NULL
            AND q.quarantine_id > v_last
            AND q.received_at >= replay_quarantine.since
            AND q.received_at < replay_quarantine.until
            AND (replay_quarantine.reason IS NULL OR q.reason = replay_quarantine.reason)
    ) THEN
        RAISE WARNING 'there is more in quarantine than was sent now'
            USING HINT = format(
                'Call it again with after => %s, or send all by CALL ops.replay_quarantine_in_pieces().', v_last
            );
    END IF;
END;
$$;

COMMENT ON FUNCTION ops.replay_quarantine(text, timestamptz, timestamptz, bigint, integer) IS
'Sends refused readings again, after a limit was widened for example, in one transaction. Takes a reason (NULL: any), from when (included) until when (not included) they were refused, after which quarantine_id, and how many at most. Only what could be decoded can be sent again. Returns a row for each, the oldest first: its quarantine_id, the outcome now (accepted, duplicate, or a reason) and what to fix. What is stored now is marked, and not sent again. Warns where there is more. What another session is sending or removing is left to it.';

CREATE OR REPLACE PROCEDURE ops.replay_quarantine_in_pieces(
    reason text DEFAULT NULL,
    since timestamptz DEFAULT '-infinity',
    until timestamptz DEFAULT 'infinity',
    piece integer DEFAULT 1000
)
LANGUAGE plpgsql
AS $$
DECLARE
    v_after bigint := 0::bigint;
    v_last bigint;
    v_sent record;
BEGIN
    -- transactions of its own, so that it cannot pin its path: see ops.maintain
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    -- not what is refused while this runs
    SELECT max(q.quarantine_id) INTO v_last FROM telemetry.quarantine AS q;
    LOOP
        SELECT
            max(p.quarantine_id) AS last,
            count(*) FILTER (WHERE p.outcome = 'accepted') AS accepted,
            count(*) FILTER (WHERE p.outcome = 'duplicate') AS duplicates,
            count(*) FILTER (WHERE p.outcome NOT IN ('accepted', 'duplicate')) AS refused
        INTO v_sent
        FROM telemetry.replay_piece(
            replay_quarantine_in_pieces.reason, replay_quarantine_in_pieces.since, replay_quarantine_in_pieces.until,
            v_after, piece
        ) AS p;
        EXIT WHEN v_sent.last IS NULL;
        v_after := v_sent.last;
        COMMIT;
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        RAISE NOTICE 'up to quarantine_id %: % accepted, % duplicates, % refused again',
            v_after, v_sent.accepted, v_sent.duplicates, v_sent.refused;
        EXIT WHEN v_after >= v_last;
    END LOOP;
END;
$$;

COMMENT ON PROCEDURE ops.replay_quarantine_in_pieces (text, timestamptz, timestamptz, integer) IS
'Sends refused readings again, any number of them. Takes a reason (NULL: any), from when (included) until when (not included) they were refused, and how many to send in a transaction. It commits as it goes, so it cannot be called inside a transaction; what it did before it was stopped stays. Tells by notices what became of each piece; ops.quarantine shows each reading.';

REVOKE ALL ON ops.quarantine FROM PUBLIC;
GRANT SELECT ON ops.quarantine TO wattledger_dba;
REVOKE ALL ON FUNCTION
    ops.readable(bytea),
    ops.replay_quarantine(text, timestamptz, timestamptz, bigint, integer)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    ops.readable(bytea),
    ops.replay_quarantine(text, timestamptz, timestamptz, bigint, integer)
TO wattledger_dba;
REVOKE ALL ON PROCEDURE ops.replay_quarantine_in_pieces(text, timestamptz, timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE ops.replay_quarantine_in_pieces(text, timestamptz, timestamptz, integer) TO wattledger_dba;
