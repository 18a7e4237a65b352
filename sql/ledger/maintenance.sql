-- Note of the last upkeep.

CREATE OR REPLACE FUNCTION telemetry.note_maintained()
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    UPDATE telemetry.maintenance AS m
    SET last_run_at = now(), total_runs = m.total_runs + 1
    -- what could not be dropped is told when that lasts
    WHERE NOT EXISTS (SELECT FROM telemetry.dataset AS d WHERE telemetry.has_expired(d.dataset))
$$;

COMMENT ON FUNCTION telemetry.note_maintained() IS
'Notes that the upkeep ran to its end, unless something stays that is to be dropped. Takes and returns nothing.';
REVOKE ALL ON FUNCTION telemetry.note_maintained() FROM PUBLIC;
