-- Refreshes: bring rollups up to date by hand, choose how often it is done, and see how far they are.

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
    PERFORM telemetry.check_can_refresh(v_dataset);
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
'Chooses how often a continuous aggregate is refreshed and, unless NULL, how far behind now it ends; what is later is computed when it is asked for. Takes a rollup such as meter_energy_hourly, 1 minute to 12 hours, and 1 hour (daily: 1 day) to 7 days. Raises WL020 where readings could be missed, WL021 for an unknown dataset, WL022 on the Apache edition, whose rollups are always up to date.';
REVOKE ALL ON FUNCTION ops.set_refresh(text, interval, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ops.set_refresh(text, interval, interval) TO wattledger_dba;

COMMENT ON VIEW ops.freshness IS 'How far each rollup is, one row per rollup.';
COMMENT ON COLUMN ops.freshness.dataset IS 'The rollup, a relation of bi.';
COMMENT ON COLUMN ops.freshness.watermark IS
'Up to here rows are stored; later ones are computed when asked for. NULL before the first refresh.';
COMMENT ON COLUMN ops.freshness.lag IS 'How far the watermark is behind now.';
COMMENT ON COLUMN ops.freshness.late_changes IS
'How many ranges of time below the watermark got late readings, which the next refresh will show.';
COMMENT ON COLUMN ops.freshness.late_since IS 'Time of the oldest of those readings; NULL without any.';
COMMENT ON COLUMN ops.freshness.last_refresh_at IS
'When the last refresh succeeded; NULL before the first, and where every write keeps the rollup up to date.';
REVOKE ALL ON ops.freshness FROM PUBLIC;
GRANT SELECT ON ops.freshness TO wattledger_dba;
