-- Upkeep by the service's timer, a step a call.

CREATE OR REPLACE FUNCTION api.maintain()
RETURNS TABLE (dataset text, step text, chunk text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_dataset text;
    v_next record;
BEGIN
    PERFORM telemetry.note_dropped();
    IF telemetry.has_policies() THEN
        RETURN;
    END IF;
    FOR v_dataset IN
        SELECT d.dataset FROM telemetry.dataset_level AS d WHERE d.keep IS NOT NULL ORDER BY d.level, d.side
    LOOP
        SELECT n.* INTO v_next FROM telemetry.drop_next(v_dataset) AS n;
        CONTINUE WHEN v_next.step IS NULL;
        dataset := v_dataset;
        step := v_next.step;
        chunk := v_next.chunk;
        RETURN NEXT;
        IF step NOT IN ('busy', 'unproven') THEN
            RETURN;  -- to be committed before the next step
        END IF;
        RAISE WARNING 'expired chunks of % stay until the next run: %', v_dataset, v_next.detail;
    END LOOP;
    PERFORM telemetry.note_maintained();
END;
$$;

COMMENT ON FUNCTION api.maintain() IS
'Notes since when each dataset is complete and, where TimescaleDB''s jobs do not do that, takes the next step in dropping what is kept no longer. Takes nothing. Returns a row for each dataset in which something was done or could not be: the dataset, the step as telemetry.drop_next has it, and the chunk. To be committed and called again while a step is bound, dropped or kept.';
REVOKE ALL ON FUNCTION api.maintain() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.maintain() TO wattledger_service;
