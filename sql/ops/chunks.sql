-- Length of the chunks that history is cut into.

CREATE OR REPLACE FUNCTION ops.set_chunk_interval(dataset text, every interval)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_dataset text := telemetry.known_dataset(set_chunk_interval.dataset);
    v_step interval;
    v_least interval;
    v_most interval;
BEGIN
    -- few enough of them to plan a query over all, and none so long that retention drops it late by more than itself
    SELECT b.step, b.least, b.most INTO v_step, v_least, v_most
    FROM telemetry.dataset_level AS l
    INNER JOIN (VALUES
        (0, INTERVAL '1 hour', INTERVAL '1 hour', INTERVAL '7 days'),
        (1, INTERVAL '1 day', INTERVAL '1 day', INTERVAL '70 days'),
        (2, INTERVAL '1 day', INTERVAL '7 days', INTERVAL '730 days')
    ) AS b (level, step, least, most) ON b.level = l.level
    WHERE l.dataset = v_dataset;
    IF every IS NULL
        OR every NOT BETWEEN v_least AND v_most
        OR extract(EPOCH FROM every) % extract(EPOCH FROM v_step) <> 0
        -- whose length nobody knows
        OR extract(YEAR FROM every) <> 0
        OR extract(MONTH FROM every) <> 0
    THEN
        RAISE EXCEPTION 'chunks of % cannot be % long', v_dataset, coalesce(every::text, 'null')
            USING ERRCODE = 'WL020',
                HINT = format(
                    'Choose whole %s from %s to %s.',
                    CASE WHEN v_step < INTERVAL '1 day' THEN 'hours' ELSE 'days' END, v_least, v_most
                );
    END IF;
    PERFORM public.set_chunk_time_interval(h.relation, every)
    FROM telemetry.dataset_hypertable() AS h
    WHERE h.dataset = v_dataset;
END;
$$;

COMMENT ON FUNCTION ops.set_chunk_interval(text, interval) IS
'Chooses how long the chunks are that are made from now on; those that are there stay as they are. Takes a dataset and a length: whole hours from 1 hour to 7 days for raw readings, whole days from 1 to 70 for hourly and from 7 to 730 for daily rollups. A chunk is compressed and dropped as a whole: a longer one goes later, a shorter one is compressed sooner. Raises WL020 for another length, WL021 for an unknown dataset.';
REVOKE ALL ON FUNCTION ops.set_chunk_interval(text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ops.set_chunk_interval(text, interval) TO wattledger_dba;
