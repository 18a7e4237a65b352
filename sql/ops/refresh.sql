-- Bring rollups up to date by hand, choose how often it is done, and see how far they are.

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
        RAISE EXCEPTION 'the window has no begin or no end'
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

COMMENT ON PROCEDURE ops.refresh (timestamptz, timestamptz, boolean) IS
'Brings the hourly and daily rollups up to date with the raw readings. Takes a window (since included, until not), which is widened to whole UTC days, and whether to compute anew also what has not changed since the last time, as a repair does; on the Apache edition all is. What was dropped stays as it is. It waits for its turn, and commits as it goes, so it cannot be called inside a transaction. Raises WL002 where the window is empty, WL020 where raw readings of that time are gone, WL024 where another session is at it for half an hour.';
REVOKE ALL ON PROCEDURE ops.refresh(timestamptz, timestamptz, boolean) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE ops.refresh(timestamptz, timestamptz, boolean) TO wattledger_dba;

CREATE OR REPLACE FUNCTION ops.set_refresh(dataset text, every interval, lag interval DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_dataset text := telemetry.known_dataset(set_refresh.dataset);
    v_least_lag interval := CASE WHEN set_refresh.dataset LIKE '%daily' THEN INTERVAL '1 day' ELSE INTERVAL '1 hour' END;
BEGIN
    IF v_dataset LIKE '%reading' THEN
        RAISE EXCEPTION '% holds raw readings, which nothing refreshes', v_dataset
            USING ERRCODE = 'WL021', HINT = 'Name a rollup, such as meter_energy_hourly.';
    END IF;
    IF NOT telemetry.has_policies() THEN
        RAISE EXCEPTION 'rollups are kept up to date by every write here, there is nothing to schedule'
            USING ERRCODE = 'WL022', HINT = 'Refresh policies come with the Community edition of TimescaleDB.';
    END IF;
    IF every NOT BETWEEN INTERVAL '1 minute' AND INTERVAL '12 hours' THEN
        RAISE EXCEPTION 'a refresh every % could miss late readings before their raw chunk is dropped', every
            USING ERRCODE = 'WL020', HINT = 'Choose from 1 minute to 12 hours.';
    END IF;
    IF lag NOT BETWEEN v_least_lag AND INTERVAL '7 days' THEN
        RAISE EXCEPTION 'a refresh that ends % before now is not possible', lag
            USING ERRCODE = 'WL020', HINT = format('Choose from %s, a whole bucket, to 7 days.', v_least_lag);
    END IF;
    UPDATE telemetry.dataset AS d
    SET refresh_every = every, refresh_lag = coalesce(lag, d.refresh_lag)
    WHERE d.dataset = v_dataset;
    PERFORM telemetry.apply_policies();
END;
$$;

COMMENT ON FUNCTION ops.set_refresh(text, interval, interval) IS
'Chooses how often a continuous aggregate is refreshed and, unless null, how far behind now it ends; what is later is computed when it is asked for. Takes a rollup such as meter_energy_hourly, 1 minute to 12 hours, and 1 hour (daily: 1 day) to 7 days. Raises WL020 where readings could be missed, WL021 for an unknown dataset, WL022 on the Apache edition, whose rollups are always up to date.';
REVOKE ALL ON FUNCTION ops.set_refresh(text, interval, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ops.set_refresh(text, interval, interval) TO wattledger_dba;

COMMENT ON VIEW ops.freshness IS 'How far each rollup is, a row a rollup.';
COMMENT ON COLUMN ops.freshness.dataset IS 'The rollup, a relation of bi.';
COMMENT ON COLUMN ops.freshness.watermark IS
'Up to here rows are stored; later ones are computed when asked for. Null before the first refresh.';
COMMENT ON COLUMN ops.freshness.lag IS 'How far the watermark is behind now.';
COMMENT ON COLUMN ops.freshness.late_changes IS
'How many ranges of time below the watermark got late readings, which the next refresh will show.';
COMMENT ON COLUMN ops.freshness.late_since IS 'Time of the oldest of those readings; null without any.';
COMMENT ON COLUMN ops.freshness.last_refresh_at IS
'When the last refresh succeeded; null before the first, and where every write keeps the rollup up to date.';
REVOKE ALL ON ops.freshness FROM PUBLIC;
GRANT SELECT ON ops.freshness TO wattledger_dba;
