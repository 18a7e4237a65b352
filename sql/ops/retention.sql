-- Retention: how long history is kept, and what goes when that is shortened.

CREATE OR REPLACE FUNCTION ops.set_retention(dataset text, keep interval, confirm boolean DEFAULT FALSE)
RETURNS TABLE (
    chunk text,
    chunk_start timestamptz,
    chunk_end timestamptz,
    bytes bigint
)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_dataset text := telemetry.known_dataset(set_retention.dataset);
    v_cutoff timestamptz := telemetry.utc_minus(now(), telemetry.drop_after(set_retention.keep));
    v_compress_after interval;
    v_chunks bigint;
    v_finer interval;
    v_coarser interval;
BEGIN
    IF confirm THEN
        -- who sets another retention at the same time waits here
        LOCK TABLE telemetry.dataset IN SHARE ROW EXCLUSIVE MODE;
    END IF;
    v_compress_after := telemetry.compressed_after(v_dataset);

    IF set_retention.keep < INTERVAL '2 days' THEN
        RAISE EXCEPTION 'keeping % for % is too short', v_dataset, set_retention.keep
            USING ERRCODE = 'WL020', HINT = 'Two days are the least: late readings must reach the rollups.';
    END IF;
    -- each level is built from the finer one, for a week after the finer one's last readings may come
    SELECT
        coalesce(
            max(coalesce(d.keep, INTERVAL '1000000 days')) FILTER (WHERE d.level < s.level), INTERVAL '0'
        ),
        min(coalesce(d.keep, INTERVAL '1000000 days')) FILTER (WHERE d.level > s.level)
    INTO v_finer, v_coarser
    FROM telemetry.dataset_level AS s
    INNER JOIN telemetry.dataset_level AS d ON d.side = s.side AND d.dataset <> s.dataset
    WHERE s.dataset = v_dataset;
    IF set_retention.keep < v_finer + INTERVAL '7 days' AND v_finer > INTERVAL '0' THEN
        RAISE EXCEPTION '% must be kept a week longer than what it is built from', v_dataset
            USING ERRCODE = 'WL020', HINT = format('That is kept for %s: shorten it first, or keep more here.', v_finer);
    END IF;
    IF coalesce(set_retention.keep, INTERVAL '1000000 days') + INTERVAL '7 days' > v_coarser
        AND v_coarser < INTERVAL '1000000 days'
    THEN
        RAISE EXCEPTION 'the rollups of % must be kept a week longer than itself', v_dataset
            USING ERRCODE = 'WL020', HINT = format('They are kept for %s: lengthen that first.', v_coarser);
    END IF;
    IF set_retention.keep <= v_compress_after AND v_dataset LIKE '%reading' THEN
        RAISE EXCEPTION '% would be dropped before it is compressed after %', v_dataset, v_compress_after
            USING ERRCODE = 'WL020', HINT = 'Set a shorter compression first, with ops.set_compression.';
    END IF;

    RETURN QUERY SELECT c.* FROM telemetry.chunks_before(v_dataset, v_cutoff) AS c;
    GET DIAGNOSTICS v_chunks = ROW_COUNT;
    IF confirm THEN
        UPDATE telemetry.dataset AS d SET keep = set_retention.keep WHERE d.dataset = v_dataset;
        PERFORM telemetry.apply_policies();
        PERFORM telemetry.run_soon(v_dataset, 'retain');
        IF v_chunks > 0 THEN
            RAISE NOTICE 'these chunks are dropped within the hour, or at once by CALL ops.maintain()';
        END IF;
    ELSE
        RAISE NOTICE 'nothing was changed: say confirm => true, and what is listed is dropped for good';
    END IF;
END;
$$;

COMMENT ON FUNCTION ops.set_retention(text, interval, boolean) IS
'Chooses how long a dataset is kept. Takes meter_reading, vehicle_reading or an hourly or daily rollup, an interval of 2 days or more (NULL: for ever), and whether to do it. A chunk is dropped when all its rows are two days older than that and it is proven that hours and days hold all of it. Returns the chunks that will be: without confirm they are only listed, and nothing is changed; with it the retention is set, and they are dropped by the next upkeep, which runs every hour and by CALL ops.maintain(). Raises WL020 where it would lose what is still needed, WL021 for an unknown dataset.';
REVOKE ALL ON FUNCTION ops.set_retention(text, interval, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ops.set_retention(text, interval, boolean) TO wattledger_dba;
