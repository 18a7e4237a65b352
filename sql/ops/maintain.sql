-- Upkeep on demand: from cron, from `wattledger maintain`, or by the service's timer.

COMMENT ON PROCEDURE ops.maintain () IS
'Does what is due: drops what is kept no longer and, where TimescaleDB''s jobs keep history in shape, counts all late readings in hours and days and does what the jobs have not done in time; then stores readings that were refused as future and whose time has come. Takes nothing; tells by notices what it did. It commits as it goes, so it cannot be called inside a transaction. Raises WL024 where another session is at it for half an hour, and at its end WL025 where hours or days lack readings, whose chunk therefore stays.';
REVOKE ALL ON PROCEDURE ops.maintain() FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE ops.maintain() TO wattledger_dba;
