-- Promises of an acknowledgement, whoever calls and through whichever connection.

CREATE OR REPLACE FUNCTION telemetry.commit_durably()
RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    -- until the transaction ends, so also at its commit: a setting of the function that calls would end with that
    IF pg_catalog.current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        PERFORM pg_catalog.set_config('synchronous_commit', 'on', TRUE);
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.commit_durably() IS
'Makes this transaction''s commit wait until it is flushed to disk, whatever the session, the login or the server has set. Takes and returns nothing.';
REVOKE ALL ON FUNCTION telemetry.commit_durably() FROM PUBLIC;

CREATE OR REPLACE FUNCTION telemetry.check_isolation()
RETURNS void
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    IF pg_catalog.current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION 'readings cannot be stored in a % transaction',
            pg_catalog.upper(pg_catalog.current_setting('transaction_isolation'))
            USING ERRCODE = 'WL052',
                HINT = 'It sees what is accepted and stored as it was at its start. Use READ COMMITTED, and leave default_transaction_isolation at that.';
    END IF;
END;
$$;

COMMENT ON FUNCTION telemetry.check_isolation() IS
'Takes and returns nothing. Raises WL052 unless each statement of this transaction sees what has been committed before it.';
REVOKE ALL ON FUNCTION telemetry.check_isolation() FROM PUBLIC;
