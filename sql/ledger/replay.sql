-- Replay of refused readings: on demand, or when the time of those has come that were ahead of the clock.

-- Locks: a replay holds the rows that it sends until its transaction ends, and passes over those that another session
-- holds. It counts nothing (sql/ledger/quarantine_bounds.sql), so that nobody who quarantines waits for it.

CREATE OR REPLACE FUNCTION telemetry.send_again(quarantine_ids bigint[])
RETURNS TABLE (quarantine_id bigint, outcome text, detail text)
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH chosen AS MATERIALIZED (
        SELECT
            q.*,
            row_number() OVER (PARTITION BY q.dataset ORDER BY c.place) - 1 AS place
        FROM unnest(send_again.quarantine_ids) WITH ORDINALITY AS c (quarantine_id, place)
        INNER JOIN telemetry.quarantine AS q ON q.quarantine_id = c.quarantine_id
    ),
    sent AS (
        SELECT
            c.dataset,
            array_agg(c.device_id ORDER BY c.place) AS ids,
            array_agg(c.read_at ORDER BY c.place) AS times,
            array_agg(c.kind ORDER BY c.place) AS kinds,
            array_agg(c.energy_kwh ORDER BY c.place) AS energies,
            array_agg(c.interval_start ORDER BY c.place) AS starts,
            array_agg(c.session_id ORDER BY c.place) AS sessions,
            array_agg(c.voltage_v ORDER BY c.place) AS voltages,
            array_agg(c.soc_percent ORDER BY c.place) AS socs,
            array_agg(c.battery_temp_c ORDER BY c.place) AS temps
        FROM chosen AS c
        GROUP BY c.dataset
    ),
    answer AS MATERIALIZED (
        SELECT s.dataset, m.reading_index, m.outcome, m.detail
        FROM sent AS s
        CROSS JOIN LATERAL api.ingest_meter_readings(
            s.ids, s.times, s.kinds, s.energies, s.starts, s.sessions, s.voltages
        ) AS m
        WHERE s.dataset = 'meter_reading'
        UNION ALL
        SELECT s.dataset, v.reading_index, v.outcome, v.detail
        FROM sent AS s
        CROSS JOIN LATERAL api.ingest_vehicle_readings(
            s.ids, s.times, s.kinds, s.energies, s.starts, s.sessions, s.socs, s.temps
        ) AS v
        WHERE s.dataset = 'vehicle_reading'
    )
    SELECT c.quarantine_id, coalesce(a.outcome, 'accepted'), a.detail
    FROM chosen AS c
    LEFT JOIN answer AS a ON a.dataset = c.dataset AND a.reading_index = c.place
$$;

COMMENT ON FUNCTION telemetry.send_again(bigint[]) IS
'Takes ids of decoded readings in quarantine, in the order in which they are to count as sent. Sends them as if they came now. Returns a row for each: its id, the outcome (accepted, duplicate, or a reason) and what to fix.';

CREATE OR REPLACE FUNCTION telemetry.replay_readings(quarantine_ids bigint[])
RETURNS TABLE (quarantine_id bigint, outcome text, detail text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_ids bigint[] := quarantine_ids;
    v_done bigint[];
    v_outcomes text[];
    v_details text[];
BEGIN
    LOOP
        BEGIN
            SELECT array_agg(s.quarantine_id), array_agg(s.outcome), array_agg(s.detail)
            INTO v_done, v_outcomes, v_details
            FROM telemetry.send_again(v_ids) AS s;
            EXIT;
        EXCEPTION WHEN OTHERS THEN
            -- what passes, or is no fault of a reading (service/database/errors.py), ends the replay: it is done again later
            IF sqlstate ~ '^(08|25|28|3D|3F|40|42|53|55|57|58|F0|XX00[12]|WL)' AND sqlstate <> '53400' THEN
                RAISE;
            END IF;
            IF cardinality(v_ids) = 1 THEN
                v_done := v_ids;
                v_outcomes := ARRAY['malformed'];
                v_details := ARRAY['the database cannot store it: ' || sqlerrm];
                EXIT;
            END IF;
            -- one of them must not stop the others. Not both halves: two calls in a transaction would take
            -- what they lock in no common order
            v_ids := v_ids[1 : cardinality(v_ids) / 2];
        END;
    END LOOP;

    UPDATE telemetry.quarantine AS q
    SET
        replayed_at = CASE WHEN r.is_stored THEN now() END,
        reason = CASE WHEN r.is_stored THEN q.reason ELSE r.outcome END,
        detail = CASE WHEN r.is_stored THEN q.detail ELSE r.detail END,
        awaits_time = FALSE
    FROM (
        SELECT d.quarantine_id, d.outcome, d.detail, d.outcome IN ('accepted', 'duplicate') AS is_stored
        FROM unnest(v_done, v_outcomes, v_details) AS d (quarantine_id, outcome, detail)
    ) AS r
    WHERE q.quarantine_id = r.quarantine_id
        AND (r.is_stored OR (q.awaits_time AND r.outcome <> 'future'));

    RETURN QUERY
    SELECT d.quarantine_id, d.outcome, d.detail
    FROM unnest(v_done, v_outcomes, v_details) AS d (quarantine_id, outcome, detail);
END;
$$;

COMMENT ON FUNCTION telemetry.replay_readings(bigint[]) IS
'Takes ids of decoded readings in quarantine that this transaction has locked, in the order in which they are to count as sent. Sends them again, marks what is stored now, and gives those that awaited their time and are refused the reason of now. Returns a row for each: its id, the outcome (accepted, duplicate, or a reason) and what to fix. Where one of them makes the database fail, only the first ones are sent: the first one alone is malformed.';

CREATE OR REPLACE FUNCTION telemetry.replay_piece(
    reason text,
    since timestamptz,
    until timestamptz,
    after bigint,
    most integer
)
RETURNS TABLE (quarantine_id bigint, outcome text, detail text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_ids bigint[];
BEGIN
    SELECT array_agg(c.quarantine_id ORDER BY c.quarantine_id) INTO v_ids
    FROM (
        SELECT q.quarantine_id
        FROM telemetry.quarantine AS q
        WHERE q.replayed_at IS NULL
            AND q.dataset IS NOT NULL
            AND q.quarantine_id > replay_piece.after
            AND q.received_at >= replay_piece.since
            AND q.received_at < replay_piece.until
            AND (replay_piece.reason IS NULL OR q.reason = replay_piece.reason)
        ORDER BY q.quarantine_id
        LIMIT most
        FOR UPDATE OF q SKIP LOCKED
    ) AS c;
    IF v_ids IS NOT NULL THEN
        RETURN QUERY
        SELECT r.quarantine_id, r.outcome, r.detail
        FROM telemetry.replay_readings(v_ids) AS r
        ORDER BY r.quarantine_id;
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.replay_piece(text, timestamptz, timestamptz, bigint, integer) IS
'Takes a reason (NULL: any), from when (included) until when (not included) readings were refused, after which quarantine_id, and how many at most. Sends the oldest of them again, but those that another session holds. Returns what telemetry.replay_readings does, by quarantine_id.';

CREATE OR REPLACE FUNCTION telemetry.replay_due(most integer)
RETURNS TABLE (accepted integer, duplicates integer, refused integer)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_newest timestamptz;
    v_ids bigint[];
BEGIN
    -- one clock and one allowance for both kinds of device
    SELECT a.newest INTO v_newest FROM telemetry.acceptance('meter_reading') AS a;
    accepted := 0;
    duplicates := 0;
    refused := 0;
    -- one session at a time: of two readings of one device and time the one that came first stands
    IF pg_try_advisory_xact_lock(hashtextextended('telemetry.replay_due', 0)) THEN
        SELECT array_agg(d.quarantine_id ORDER BY d.read_at, d.quarantine_id) INTO v_ids
        FROM (
            SELECT q.quarantine_id, q.read_at
            FROM telemetry.quarantine AS q
            WHERE q.awaits_time AND q.read_at <= v_newest
            ORDER BY q.read_at, q.quarantine_id
            LIMIT most
            FOR UPDATE OF q SKIP LOCKED
        ) AS d;
        IF v_ids IS NOT NULL THEN
            SELECT
                (count(*) FILTER (WHERE r.outcome = 'accepted'))::integer,
                (count(*) FILTER (WHERE r.outcome = 'duplicate'))::integer,
                (count(*) FILTER (WHERE r.outcome NOT IN ('accepted', 'duplicate', 'future')))::integer
            INTO accepted, duplicates, refused
            FROM telemetry.replay_readings(v_ids) AS r;
        END IF;
    END IF;
    RETURN NEXT;
END;
$$;

COMMENT ON FUNCTION telemetry.replay_due(integer) IS
'Takes how many readings at most. Stores readings that were refused as future and whose time has come, those of the earliest time first. Returns how many were accepted, were there already, and are refused for another reason; zeros where none is due or another session is at it. Raises WL050 where telemetry.acceptance does.';

CREATE OR REPLACE PROCEDURE telemetry.replay_all_due()
LANGUAGE plpgsql
AS $$
DECLARE
    v_sent record;
BEGIN
    -- what the caller did is done, and its lock_timeout is its own
    COMMIT;
    LOOP
        -- transactions of its own, so that it cannot pin its path: see ops.maintain
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        SELECT r.accepted, r.duplicates, r.refused INTO v_sent FROM telemetry.replay_due(1000) AS r;
        EXIT WHEN v_sent.accepted + v_sent.duplicates + v_sent.refused = 0;
        RAISE NOTICE 'of readings whose time has come: % accepted, % duplicates, % refused',
            v_sent.accepted, v_sent.duplicates, v_sent.refused;
        COMMIT;
    END LOOP;
END;
$$;

COMMENT ON PROCEDURE telemetry.replay_all_due () IS
'Stores all readings that were refused as future and whose time has come, as ops.maintain does. Takes nothing; tells by notices what it did. It commits as it goes.';

REVOKE ALL ON FUNCTION
    telemetry.send_again(bigint[]),
    telemetry.replay_readings(bigint[]),
    telemetry.replay_piece(text, timestamptz, timestamptz, bigint, integer),
    telemetry.replay_due(integer)
FROM PUBLIC;
REVOKE ALL ON PROCEDURE telemetry.replay_all_due() FROM PUBLIC;
