-- Upkeep by the service's timer, one step per call.

CREATE OR REPLACE FUNCTION api.maintain()
RETURNS TABLE (dataset text, step text, chunk text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM telemetry.note_dropped();
    RETURN QUERY SELECT s.dataset, s.step, s.chunk FROM telemetry.take_upkeep_step() AS s;
END;
$$;

COMMENT ON FUNCTION api.maintain() IS
'Notes since when each dataset is complete and, where TimescaleDB''s jobs do not do that, takes the next step in dropping what is kept no longer. Takes nothing. Returns a row for each dataset in which something was done or could not be: the dataset, the step as telemetry.drop_next has it, and the chunk. To be committed and called again while a step is bound, dropped, kept or settle.';
REVOKE ALL ON FUNCTION api.maintain() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.maintain() TO wattledger_service;
