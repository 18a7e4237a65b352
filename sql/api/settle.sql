-- Settling by the service, a transaction per call.

CREATE OR REPLACE FUNCTION api.settle(most integer DEFAULT 200, queued_for interval DEFAULT '0')
RETURNS TABLE (settled integer, entries integer, waiting integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_before timestamptz := telemetry.utc_minus(now(), queued_for);
BEGIN
    -- what a crash takes back is still queued then
    PERFORM set_config('synchronous_commit', 'off', TRUE);
    SELECT s.settled, s.entries INTO settled, entries
    FROM telemetry.settle_due(NULL, settle.most, v_before, FALSE, queued_for) AS s;
    -- a new statement, to see what was settled
    SELECT count(*)::integer INTO waiting
    FROM (
        SELECT
        FROM telemetry.settle_queue AS q
        WHERE q.due_at <= v_before
            AND q.retry_at <= now()
            AND telemetry.is_quiet(q.day, q.due_at, q.changed_at, queued_for)
        LIMIT 10000
    ) AS q;
    RETURN NEXT;
END;
$$;

COMMENT ON FUNCTION api.settle(integer, interval) IS
'Takes how many devices to settle at most, and for how long at least they have been due, and no late reading of the day has come (by default: not at all; telemetry.is_quiet tells when they are settled though some keep coming, and that days before yesterday wait for longer). Brings the ledger of devices that are queued in line with their readings, for some 15 milliseconds. Returns how many were settled, how many entries were posted, and how many days of devices have been due for as long and still are (10,000 where there are more). To be called again, in a transaction of its own, while something was settled.';
REVOKE ALL ON FUNCTION api.settle(integer, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.settle(integer, interval) TO wattledger_service;
