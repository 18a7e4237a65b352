-- Window that a refresh by hand may take.

CREATE OR REPLACE FUNCTION telemetry.refresh_window(INOUT since timestamptz, INOUT until timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_complete timestamptz;
    v_gone timestamptz;
    v_first timestamptz;
BEGIN
    IF since IS NULL OR until IS NULL THEN
        RAISE EXCEPTION 'the window has no start or no end'
            USING ERRCODE = 'WL002', HINT = 'Give both: CALL ops.refresh(since, until).';
    END IF;
    -- of one side at least; the other's rollups of that time are left as they are
    SELECT telemetry.ceiling_day(min(d.complete_since)) INTO v_complete
    FROM telemetry.dataset AS d
    WHERE d.dataset LIKE '%reading';
    since := telemetry.floor_day(since);
    until := telemetry.ceiling_day(least(until, now()));
    IF since >= until THEN
        RAISE EXCEPTION 'the window must begin before it ends, and before now'
            USING ERRCODE = 'WL002', HINT = 'Give the earlier moment first: CALL ops.refresh(since, until).';
    END IF;
    IF since < v_complete THEN
        RAISE EXCEPTION 'a refresh from % would empty rollups whose raw readings are gone', since
            USING ERRCODE = 'WL020',
                HINT = format('Refresh from %s on: since then all raw readings are there.', v_complete);
    END IF;
    -- before the first chunk there is nothing to be looked for
    SELECT least(
        telemetry.first_chunk_start('meter_reading'), telemetry.first_chunk_start('vehicle_reading'), until - INTERVAL '24 hours'
    ) INTO v_first;
    since := greatest(since, telemetry.floor_day(v_first));
    -- a chunk that somebody dropped past ops.set_retention
    SELECT max(g.day) INTO v_gone
    FROM generate_series(since, until - INTERVAL '24 hours', INTERVAL '24 hours') AS g (day)
    INNER JOIN telemetry.dataset AS d ON d.complete_since <= g.day
    WHERE d.dataset LIKE '%reading'
        AND NOT telemetry.has_chunk(d.dataset, g.day, g.day + INTERVAL '24 hours')
        AND telemetry.has_rollups(d.dataset, g.day, g.day + INTERVAL '24 hours');
    IF v_gone IS NOT NULL THEN
        RAISE EXCEPTION 'a refresh of % would empty rollups whose raw readings are gone', v_gone
            USING ERRCODE = 'WL020',
                HINT = format('Its chunk was dropped. Refresh from %s on.', v_gone + INTERVAL '24 hours');
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.refresh_window(timestamptz, timestamptz) IS
'Takes a window to be refreshed. Returns it, widened to whole UTC days that end with today at the latest. Raises WL002 where it is empty, WL020 where raw readings of that time are gone.';
REVOKE ALL ON FUNCTION telemetry.refresh_window(timestamptz, timestamptz) FROM PUBLIC;
