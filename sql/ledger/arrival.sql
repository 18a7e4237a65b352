-- Judgement of a reading when it arrives, by what is known of its device then; settling judges for good.

-- these are unpinned and run with the caller's rights, so that the planner inlines them

CREATE OR REPLACE FUNCTION telemetry.plausible_mwh(max_power_kw double precision, gap interval)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    -- clocks round to the minute; greatest passes over NULL
    SELECT CASE WHEN gap IS NOT NULL THEN
        telemetry.mwh(max_power_kw / 3600 * greatest(date_part('epoch', gap), 60))
    END
$$;

COMMENT ON FUNCTION telemetry.plausible_mwh(double precision, interval) IS
'Takes the greatest power of a device in kW, and the time between two readings. Returns the energy in milliwatt-hours that can have flowed in it, or in a minute where it is shorter; NULL for NULL.';

CREATE OR REPLACE FUNCTION telemetry.counts_on(
    kind telemetry.reading_kind,
    register_mwh bigint,
    session_no integer,
    read_at timestamptz,
    earlier_kind telemetry.reading_kind,
    level_mwh bigint,
    earlier_session_no integer,
    earlier_at timestamptz,
    max_power_kw double precision
)
RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT (
        kind = earlier_kind
        AND register_mwh >= level_mwh
        AND (kind = 'lifetime_register' OR session_no = earlier_session_no)
        AND register_mwh - level_mwh <= telemetry.plausible_mwh(max_power_kw, read_at - earlier_at)
    ) IS TRUE
$$;

COMMENT ON FUNCTION telemetry.counts_on(
    telemetry.reading_kind, bigint, integer, timestamptz,
    telemetry.reading_kind, bigint, integer, timestamptz, double precision
) IS
'Takes kind, register in milliwatt-hours, session and time of a reading; kind, level, session and time of its device before; and the device''s greatest power in kW. Returns whether the register goes on from that level, so that its step is energy beyond doubt; false for a difference.';

CREATE OR REPLACE FUNCTION telemetry.due_at(is_due boolean, read_at timestamptz, earlier_at timestamptz)
RETURNS timestamptz
LANGUAGE sql VOLATILE
AS $$
    SELECT CASE
        WHEN is_due THEN now()
        -- a whole fleet starts its day at once
        WHEN earlier_at IS NULL OR telemetry.utc_day(earlier_at) < telemetry.utc_day(read_at)
            THEN now() + random() * INTERVAL '2 hours'
    END
$$;

COMMENT ON FUNCTION telemetry.due_at(boolean, timestamptz, timestamptz) IS
'Takes whether a reading has to be settled at once, its time, and that of its device''s reading before (NULL: none). Returns when to settle its day; NULL where it need not: the first reading of a day waits for a moment of the next two hours.';

CREATE OR REPLACE FUNCTION telemetry.implausible_readings(
    dataset text,
    places integer[],
    device_ids text[],
    read_at timestamptz[],
    differences_mwh bigint[],
    states_at timestamptz[],
    max_powers_kw double precision[],
    tolerances_mwh bigint[],
    OUT refused integer[],
    OUT details text[]
)
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_reading record;
    v_device text;
    v_earlier timestamptz;
    v_seconds double precision;
BEGIN
    refused := ARRAY[]::integer[];
    details := ARRAY[]::text[];
    -- one after the other, since what is refused is not there for the next
    FOR v_reading IN
        SELECT s.*
        FROM unnest(
            places, device_ids, read_at, differences_mwh, states_at, max_powers_kw, tolerances_mwh
        ) WITH ORDINALITY AS s (place, device_id, ts, difference_mwh, state_ts, max_power_kw, tolerance_mwh, number)
        ORDER BY s.number
    LOOP
        IF v_device IS DISTINCT FROM v_reading.device_id THEN
            v_device := v_reading.device_id;
            v_earlier := v_reading.state_ts;
        END IF;
        -- the same moment again is a repeat, or a conflict with what stands
        CONTINUE WHEN v_reading.ts = v_earlier;
        IF v_reading.difference_mwh > v_reading.tolerance_mwh
            + telemetry.plausible_mwh(v_reading.max_power_kw, v_reading.ts - v_earlier)
        THEN
            v_seconds := greatest(date_part('epoch', v_reading.ts - v_earlier), 60);
            refused := refused || v_reading.place;
            details := details || format(
                '%s kWh in %s s is %s kW; a %s',
                trim_scale(telemetry.kwh(v_reading.difference_mwh)),
                to_char(v_seconds, 'FM999,999,999,999,990'),
                to_char(telemetry.kwh(v_reading.difference_mwh) * 3600 / v_seconds::numeric, 'FM999,999,999,999,990'),
                CASE dataset
                    WHEN 'meter_reading' THEN 'meter''s register is sent as kwhTotalAc'
                    ELSE 'vehicle''s register is sent as kwhTotalDc'
                END
            );
        ELSE
            v_earlier := v_reading.ts;
        END IF;
    END LOOP;
END;
$$;

COMMENT ON FUNCTION telemetry.implausible_readings(
    text, integer[], text[], timestamptz[], bigint[], timestamptz[], double precision[], bigint[]
) IS
'Takes meter_reading or vehicle_reading, and readings that are newer than their devices'' states, by device and time: place in what was sent, device, time, energy of a difference in milliwatt-hours (NULL: a register), time of the state (NULL: none), the device''s greatest power in kW and its tolerance in milliwatt-hours. Returns the places of those whose energy cannot have flowed since the reading before, and for each a sentence that says so.';

CREATE OR REPLACE FUNCTION telemetry.number_sessions(dataset text, device_ids text[], session_ids text[])
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO telemetry.device_session (dataset, device_id, session_no, session_id)
    SELECT
        number_sessions.dataset,
        n.device_id,
        coalesce((
            SELECT max(k.session_no)
            FROM telemetry.device_session AS k
            WHERE k.dataset = number_sessions.dataset AND k.device_id = n.device_id
        ), 0) + row_number() OVER (PARTITION BY n.device_id ORDER BY n.place),
        n.session_id
    FROM (
        SELECT s.device_id, s.session_id, min(s.place) AS place
        FROM unnest(number_sessions.device_ids, number_sessions.session_ids)
            WITH ORDINALITY AS s (device_id, session_id, place)
        WHERE s.session_id IS NOT NULL
            AND NOT EXISTS (
                SELECT
                FROM telemetry.device_session AS k
                WHERE k.dataset = number_sessions.dataset
                    AND k.device_id = s.device_id
                    AND k.session_id = s.session_id
            )
        GROUP BY 1, 2
    ) AS n;
END;
$$;

COMMENT ON FUNCTION telemetry.number_sessions(text, text[], text[]) IS
'Takes meter_reading or vehicle_reading, devices whose states this transaction has locked, and their sessions (NULL: none). Numbers those that telemetry.device_session does not have yet. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.known_sessions(dataset text, device_ids text[], session_ids text[])
RETURNS integer[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RETURN ARRAY(
        SELECT (
            SELECT k.session_no
            FROM telemetry.device_session AS k
            WHERE k.dataset = known_sessions.dataset
                AND k.device_id = s.device_id
                AND k.session_id = s.session_id
        )
        FROM unnest(known_sessions.device_ids, known_sessions.session_ids)
            WITH ORDINALITY AS s (device_id, session_id, place)
        ORDER BY s.place
    );
END;
$$;

COMMENT ON FUNCTION telemetry.known_sessions(text, text[], text[]) IS
'Takes meter_reading or vehicle_reading, devices, and their sessions (NULL: none). Returns the number of each session, in this order; NULL for none, and for one that telemetry.device_session does not have yet.';

CREATE OR REPLACE FUNCTION telemetry.queue_to_settle(
    dataset text,
    device_ids text[],
    days date[],
    due timestamptz[]
)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO telemetry.settle_queue AS q (dataset, device_id, day, due_at)
    SELECT queue_to_settle.dataset, s.device_id, s.day, min(s.due_at)
    FROM unnest(queue_to_settle.device_ids, queue_to_settle.days, queue_to_settle.due)
        AS s (device_id, day, due_at)
    -- who settles a device holds its state, as this transaction does: what is seen to wait still waits at its end
    WHERE NOT EXISTS (
        SELECT
        FROM telemetry.settle_queue AS k
        WHERE k.dataset = queue_to_settle.dataset
            AND k.device_id = s.device_id
            AND k.day = s.day
            AND k.due_at <= s.due_at
            AND (s.due_at > now() OR k.changed_at > now() - INTERVAL '200000 microseconds')
    )
    GROUP BY s.device_id, s.day
    -- one lock order for all writers: no deadlock
    ORDER BY s.device_id COLLATE "C", s.day
    ON CONFLICT ON CONSTRAINT settle_queue_pkey DO UPDATE SET
        due_at = least(q.due_at, excluded.due_at),
        changed_at = excluded.changed_at;
END;
$$;

COMMENT ON FUNCTION telemetry.queue_to_settle(text, text[], date[], timestamptz[]) IS
'Takes meter_reading or vehicle_reading, devices whose states this transaction has locked, UTC days of their readings, and when each is to be settled. Puts them into telemetry.settle_queue, where the earlier time wins, and notes that they came. Returns nothing.';

CREATE OR REPLACE FUNCTION telemetry.settle_written(dataset text, device_ids text[], days date[])
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- nobody judged them by what came before
    IF dataset = 'meter_reading' THEN
        UPDATE telemetry.meter_state AS d
        SET level_mwh = NULL
        WHERE d.meter_id = ANY (settle_written.device_ids) AND d.level_mwh IS NOT NULL;
    ELSE
        UPDATE telemetry.vehicle_state AS d
        SET level_mwh = NULL
        WHERE d.vehicle_id = ANY (settle_written.device_ids) AND d.level_mwh IS NOT NULL;
    END IF;
    PERFORM telemetry.queue_to_settle(
        dataset, device_ids, days, array_fill(now(), ARRAY[cardinality(device_ids)])
    );
END;
$$;

COMMENT ON FUNCTION telemetry.settle_written(text, text[], date[]) IS
'Takes meter_reading or vehicle_reading, devices whose states this transaction has locked, and UTC days of readings of theirs that were not written by the ingest functions. Has them settled at once, and no register judged at arrival before. Returns nothing.';

REVOKE ALL ON FUNCTION
    telemetry.plausible_mwh(double precision, interval),
    telemetry.counts_on(
        telemetry.reading_kind, bigint, integer, timestamptz,
        telemetry.reading_kind, bigint, integer, timestamptz, double precision
    ),
    telemetry.due_at(boolean, timestamptz, timestamptz),
    telemetry.implausible_readings(
        text, integer[], text[], timestamptz[], bigint[], timestamptz[], double precision[], bigint[]
    ),
    telemetry.number_sessions(text, text[], text[]),
    telemetry.known_sessions(text, text[], text[]),
    telemetry.queue_to_settle(text, text[], date[], timestamptz[]),
    telemetry.settle_written(text, text[], date[])
FROM PUBLIC;
