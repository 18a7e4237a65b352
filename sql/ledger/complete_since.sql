-- Moment since which a dataset is complete.

CREATE OR REPLACE FUNCTION telemetry.rollups_until(dataset text, before timestamptz)
RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_day timestamptz := telemetry.earliest();
    v_end timestamptz := telemetry.floor_day(before);
    v_middle timestamptz;
BEGIN
    IF telemetry.has_rollups(dataset, v_day, v_end) IS NOT TRUE THEN
        RETURN NULL;
    END IF;
    -- the newest day by halves, since an index tells whether some days have any, and none which is the last
    WHILE v_end - v_day > INTERVAL '24 hours' LOOP
        v_middle := telemetry.floor_day(v_day + (v_end - v_day) / 2);
        IF telemetry.has_rollups(dataset, v_middle, telemetry.floor_day(before)) THEN
            v_day := v_middle;
        ELSE
            v_end := v_middle;
        END IF;
    END LOOP;
    RETURN v_day + INTERVAL '24 hours';
END;
$$;

COMMENT ON FUNCTION telemetry.rollups_until(text, timestamptz) IS
'Takes a dataset and a moment. Of the UTC days before the moment''s own, returns the end of the newest one in which any device of the side has energy in the rollups; NULL where there is none.';
REVOKE ALL ON FUNCTION telemetry.rollups_until(text, timestamptz) FROM PUBLIC;

CREATE OR REPLACE FUNCTION telemetry.note_dropped()
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    -- one statement, so that chunks and rollups are seen at one moment: the first readings may come in at any time
    UPDATE telemetry.dataset AS d
    SET complete_since = g.gone_until
    FROM (
        SELECT h.dataset, coalesce(min(i.range_start), now()) AS first_start
        FROM telemetry.dataset_hypertable() AS h
        LEFT JOIN timescaledb_information.chunks AS i
            ON i.hypertable_schema = h.hypertable_schema AND i.hypertable_name = h.hypertable_name
        -- nothing is built from days, which would tell that some are gone
        WHERE h.dataset NOT LIKE '%daily'
        GROUP BY h.dataset
    ) AS f
    CROSS JOIN LATERAL (
        -- what was dropped, by whomever, is still in the coarser rollups; days without any lost nothing
        SELECT telemetry.rollups_until(f.dataset, f.first_start) AS gone_until
    ) AS g
    WHERE f.dataset = d.dataset AND d.complete_since < f.first_start AND d.complete_since < g.gone_until
$$;

COMMENT ON FUNCTION telemetry.note_dropped() IS
'Notes in telemetry.dataset since when each dataset is complete, by the chunks that are there and what the rollups have before them, whoever dropped the others. Takes and returns nothing.';
REVOKE ALL ON FUNCTION telemetry.note_dropped() FROM PUBLIC;
