-- Age at which chunks move to the columnstore.

CREATE OR REPLACE FUNCTION ops.set_compression(dataset text, after interval)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_dataset text := telemetry.known_dataset(set_compression.dataset);
    v_keep interval := (SELECT d.keep FROM telemetry.dataset AS d WHERE d.dataset = v_dataset);
    v_least interval := telemetry.settled_after(v_dataset);
BEGIN
    PERFORM telemetry.check_can_compress(v_dataset);
    IF after IS NOT NULL AND v_least IS NULL THEN
        RAISE EXCEPTION '% may change for as long as its raw readings are kept, which is for ever', v_dataset
            USING ERRCODE = 'WL020', HINT = 'Choose how long they are kept first, with ops.set_retention.';
    END IF;
    IF after < v_least OR after >= v_keep THEN
        RAISE EXCEPTION 'chunks of % cannot be compressed after %', v_dataset, after
            USING ERRCODE = 'WL020',
                HINT = format('Choose from %s to less than the %s for which they are kept.', v_least, coalesce(v_keep::text, 'time'));
    END IF;
    UPDATE telemetry.dataset AS d SET compress_after = after WHERE d.dataset = v_dataset;
    PERFORM telemetry.apply_policies();
END;
$$;

COMMENT ON FUNCTION ops.set_compression(text, interval) IS
'Chooses at which age chunks move to the columnstore, by device and in order of time; NULL: never. What is compressed already stays so, and late readings still go in. Takes a dataset and an age: from 1 day for raw readings, from 3 days more than their raw readings are kept for hourly and daily rollups, to less than its retention. Where that of the raw readings is lengthened later, rollups wait for it. Raises WL020 for another age, WL021 for an unknown dataset, WL022 on the Apache edition.';
REVOKE ALL ON FUNCTION ops.set_compression(text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ops.set_compression(text, interval) TO wattledger_dba;
