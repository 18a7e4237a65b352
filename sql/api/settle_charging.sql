-- Keeping charging up to date by the service, a transaction per call.

CREATE OR REPLACE FUNCTION api.settle_charging(
    most integer DEFAULT 1000,
    kept_for interval DEFAULT INTERVAL '4 minutes',
    patience interval DEFAULT INTERVAL '250 milliseconds'
)
RETURNS TABLE (kept integer, waiting integer)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_alerts integer := 0;
BEGIN
    -- what a crash takes back is stale then
    PERFORM set_config('synchronous_commit', 'off', TRUE);
    SELECT coalesce(s.kept, 0), coalesce(s.waiting, 1)
    INTO kept, waiting
    FROM telemetry.settle_charging(
        settle_charging.most,
        'infinity',
        telemetry.utc_minus(now(), kept_for),
        -- while nothing flows, three hours are as good
        telemetry.utc_minus(now(), kept_for * 45),
        patience
    ) AS s;
    -- of a history that is half kept nothing is said, unless that goes on for long
    IF waiting = 0 OR telemetry.alerts_are_late() THEN
        SELECT coalesce(a.waiting, 1) INTO v_alerts FROM telemetry.settle_alerts(100) AS a;
    END IF;
    waiting := waiting + v_alerts;
    RETURN NEXT;
END;
$$;

COMMENT ON FUNCTION api.settle_charging(integer, interval, interval) IS
'Takes how many devices to look at at most, for how long what was kept of one that charges stands (of one that is idle, 45 times that), and how long to go on. Keeps charging of devices up to date that have new readings, or whose days have changed, and once none of them waits, or some wait for ten minutes, alerts about up to 100 of them. Returns for how many it kept charging, and how many are known to wait for either (0 and 1 where another session is at it). To be called again, in a transaction of its own, while some wait.';
REVOKE ALL ON FUNCTION api.settle_charging(integer, interval, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.settle_charging(integer, interval, interval) TO wattledger_service;
