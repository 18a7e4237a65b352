-- Refreshing continuous aggregates: day by day, as far back as what they are built from is all there, and no further.

CREATE OR REPLACE FUNCTION telemetry.refresh_pieces(dataset text, since timestamptz, until timestamptz, force boolean)
RETURNS TABLE (piece_start timestamptz, piece_end timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_first timestamptz;
    v_end timestamptz;
    v_watermark timestamptz;
BEGIN
    SELECT w.watermark INTO v_watermark FROM telemetry.watermark() AS w WHERE w.dataset = refresh_pieces.dataset;
    SELECT
        greatest(w.since, s.complete_since, c.first_chunk_start),
        w.until
    INTO v_first, v_end
    FROM telemetry.dataset AS d
    INNER JOIN telemetry.dataset AS s ON s.dataset = telemetry.source_of(d.dataset)
    CROSS JOIN LATERAL telemetry.first_chunk_start(s.dataset) AS c (first_chunk_start)
    CROSS JOIN LATERAL (
        SELECT
            -- a refresh moves the watermark to its end: what it left out before would be neither stored nor computed
            CASE
                WHEN t.until <= v_watermark OR c.first_chunk_start IS NULL THEN refresh_pieces.since
                ELSE least(refresh_pieces.since, coalesce(v_watermark, '-infinity'))
            END AS since,
            t.until
        FROM (
            SELECT least(refresh_pieces.until, telemetry.utc_minus(now(), d.refresh_lag)) AS until
        ) AS t
    ) AS w
    WHERE d.dataset = refresh_pieces.dataset
        -- else there is nothing to compute from
        AND (c.first_chunk_start IS NOT NULL OR isfinite(refresh_pieces.since));
    IF dataset LIKE '%daily' THEN
        -- a day is stored when its hours are: TimescaleDB tells no day of changes in hours that are not stored
        v_end := least(v_end, (
            SELECT min(telemetry.from_us(p.since_us))
            FROM telemetry.pending_change() AS p
            WHERE p.dataset = telemetry.source_of(refresh_pieces.dataset)
                AND telemetry.from_us(p.until_us) = 'infinity'
        ));
        v_first := telemetry.ceiling_day(v_first);
        v_end := telemetry.floor_day(v_end);
    ELSE
        v_first := telemetry.ceiling_hour(v_first);
        v_end := telemetry.floor_hour(v_end);
    END IF;
    -- and nothing is endless
    IF (v_first < v_end AND isfinite(v_first)) IS NOT TRUE THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT greatest(d.day, v_first), least(d.day + INTERVAL '24 hours', v_end)
    FROM (
        -- in one look at what changed, of which there may be much
        SELECT DISTINCT g.day
        FROM (
            SELECT v_first AS since, v_end AS until WHERE force
            UNION ALL
            SELECT greatest(telemetry.from_us(p.since_us), v_first), least(telemetry.from_us(p.until_us), v_end)
            FROM telemetry.pending_change() AS p
            WHERE p.dataset = refresh_pieces.dataset
        ) AS c
        CROSS JOIN LATERAL generate_series(
            telemetry.floor_day(c.since), c.until, INTERVAL '24 hours'
        ) AS g (day)
        WHERE c.since <= c.until AND g.day < v_end
    ) AS d
    ORDER BY
        -- what is before the watermark is no longer computed when it is asked for: it moves on by one day at a time
        CASE WHEN (d.day + INTERVAL '24 hours' <= v_watermark) IS NOT TRUE THEN d.day END,
        -- then the newest first, which are looked at most, also where late readings change a hundred days
        d.day DESC;
END;
$$;

COMMENT ON FUNCTION telemetry.refresh_pieces(text, timestamptz, timestamptz, boolean) IS
'Takes a rollup, a window, and whether to compute anew what has not changed. Returns the UTC days of the window that are to be refreshed, in the order in which that is done; the first and the last may be parts of days. Where the window starts after the watermark, days from the watermark on are among them. None is older than what the rollup is built from, and none newer than now less the rollup''s lag: later rows are computed when they are asked for.';

CREATE OR REPLACE FUNCTION telemetry.refresh_wholly()
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT set_config(s.name, 'off', FALSE)
    FROM pg_settings AS s
    -- with it what changes in the hours never reaches the days (seen with 2.29.2); not all versions have it
    WHERE s.name = 'timescaledb.enable_merge_on_cagg_refresh' AND s.setting = 'on'
$$;

COMMENT ON FUNCTION telemetry.refresh_wholly() IS
'Has this session''s refreshes write each hour and day anew that changed, as those built from it rely on. Takes and returns nothing.';

CREATE OR REPLACE PROCEDURE telemetry.refresh_rollup(dataset text, since timestamptz, until timestamptz, force boolean)
LANGUAGE plpgsql
AS $$
DECLARE
    v_starts timestamptz[];
    v_ends timestamptz[];
    v_relation regclass;
BEGIN
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    SELECT h.relation INTO v_relation FROM telemetry.dataset_hypertable() AS h WHERE h.dataset = refresh_rollup.dataset;
    SELECT coalesce(array_agg(p.piece_start), '{}'), array_agg(p.piece_end) INTO v_starts, v_ends
    FROM telemetry.refresh_pieces(dataset, since, until, force) AS p;
    PERFORM telemetry.refresh_wholly();
    COMMIT;
    FOR i IN 1 .. pg_catalog.cardinality(v_starts) LOOP
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        IF force THEN
            CALL public.refresh_continuous_aggregate(v_relation, v_starts[i], v_ends[i], TRUE);
        ELSE
            CALL public.refresh_continuous_aggregate(v_relation, v_starts[i], v_ends[i]);
        END IF;
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
        RAISE NOTICE 'refreshed % of %', to_char(v_starts[i] AT TIME ZONE 'UTC', 'YYYY-MM-DD'), dataset;
        COMMIT;
        CALL telemetry.yield_turn();
    END LOOP;
END;
$$;

COMMENT ON PROCEDURE telemetry.refresh_rollup (text, timestamptz, timestamptz, boolean) IS
'Refreshes a rollup, in the caller''s turn. Takes it, a window, and whether to compute anew what has not changed; telemetry.refresh_pieces says how far it reaches. Tells by a notice each day that is done. It commits as it goes.';

CREATE OR REPLACE PROCEDURE telemetry.refresh_above(dataset text, since timestamptz, until timestamptz)
LANGUAGE plpgsql
AS $$
DECLARE
    v_side text;
BEGIN
    SET LOCAL ROLE wattledger_owner;
    SET LOCAL search_path = pg_catalog, pg_temp;
    v_side := split_part(dataset, '_', 1);
    IF dataset LIKE '%reading' THEN
        CALL telemetry.refresh_rollup(v_side || '_energy_hourly', since, until, FALSE);
        SET LOCAL ROLE wattledger_owner;
        SET LOCAL search_path = pg_catalog, pg_temp;
    END IF;
    CALL telemetry.refresh_rollup(
        v_side || '_energy_daily', telemetry.floor_day(since), telemetry.ceiling_day(until), FALSE
    );
END;
$$;

COMMENT ON PROCEDURE telemetry.refresh_above (text, timestamptz, timestamptz) IS
'Brings all that is built from a dataset up to date, in the caller''s turn. Takes the dataset and a window. It commits as it goes.';

REVOKE ALL ON FUNCTION
    telemetry.refresh_pieces(text, timestamptz, timestamptz, boolean),
    telemetry.refresh_wholly()
FROM PUBLIC;
REVOKE ALL ON PROCEDURE
    telemetry.refresh_rollup(text, timestamptz, timestamptz, boolean),
    telemetry.refresh_above(text, timestamptz, timestamptz)
FROM PUBLIC;
