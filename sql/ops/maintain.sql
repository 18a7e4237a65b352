-- Upkeep on demand: from cron, from `wattledger maintain`, or by the service's timer.

COMMENT ON PROCEDURE ops.maintain () IS
'Does what is due: drops expired chunks where TimescaleDB has no retention policies, else runs the jobs that failed or are overdue; then stores readings that were refused as future and whose time has come. Takes nothing; tells by notices what it did. It commits as it goes, so it cannot be called inside a transaction.';
REVOKE ALL ON PROCEDURE ops.maintain() FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE ops.maintain() TO wattledger_dba;

CREATE OR REPLACE FUNCTION api.maintain()
RETURNS TABLE (dataset text, chunk text)
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT telemetry.note_dropped();
    SELECT e.dataset, e.chunk FROM telemetry.drop_expired() AS e
$$;

COMMENT ON FUNCTION api.maintain() IS
'Notes since when each dataset is complete, and drops expired chunks where TimescaleDB has no retention policies of its own. Takes nothing. Returns a row a dropped chunk; none where another session is at it, or where TimescaleDB does it.';
REVOKE ALL ON FUNCTION api.maintain() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.maintain() TO wattledger_service;
