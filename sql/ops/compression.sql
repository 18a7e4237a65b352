-- When chunks move to the columnstore.

CREATE OR REPLACE FUNCTION ops.set_compression(dataset text, after interval)
RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_dataset text := telemetry.known_dataset(set_compression.dataset);
    v_keep interval := (SELECT d.keep FROM telemetry.dataset AS d WHERE d.dataset = v_dataset);
BEGIN
    IF NOT telemetry.has_policies() THEN
        RAISE EXCEPTION 'this edition of TimescaleDB has no columnstore to compress into'
            USING ERRCODE = 'WL022', HINT = 'It comes with the Community edition.';
    END IF;
    IF v_dataset NOT LIKE '%reading' THEN
        RAISE EXCEPTION '% is a rollup, which late readings keep changing', v_dataset
            USING ERRCODE = 'WL021', HINT = 'Only meter_reading and vehicle_reading are compressed.';
    END IF;
    IF after < INTERVAL '1 day' OR after >= v_keep THEN
        RAISE EXCEPTION 'chunks of % cannot be compressed after %', v_dataset, after
            USING ERRCODE = 'WL020',
                HINT = format('Choose from 1 day to less than the %s for which they are kept.', coalesce(v_keep::text, 'time'));
    END IF;
    UPDATE telemetry.dataset AS d SET compress_after = after WHERE d.dataset = v_dataset;
    PERFORM telemetry.apply_policies();
END;
$$;

COMMENT ON FUNCTION ops.set_compression(text, interval) IS
'Chooses at which age chunks move to the columnstore, by device and in order of time; null: never. What is compressed already stays so, and late readings still go in. Takes meter_reading or vehicle_reading and an age from 1 day to less than its retention. Raises WL020 for another age, WL021 for another dataset, WL022 on the Apache edition.';
REVOKE ALL ON FUNCTION ops.set_compression(text, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ops.set_compression(text, interval) TO wattledger_dba;
