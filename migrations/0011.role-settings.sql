-- What each login may wait for and hold, kept with the login itself: it counts also where a pooler shares sessions.

-- roles belong to the whole cluster: what a DBA or another database's migration has set stands
DO $$
DECLARE
    v_setting record;
BEGIN
    FOR v_setting IN
        SELECT d.*
        FROM (VALUES
            -- an answer of 201 promises it, and times are sent in UTC
            ('wattledger_service', 'synchronous_commit', 'on'),
            ('wattledger_service', 'timezone', 'UTC'),
            -- the service gives up sooner by itself (WATTLEDGER_READ_TIMEOUT_SECONDS, _WRITE_): this ends what a service
            -- left behind that is gone
            ('wattledger_service', 'statement_timeout', '60s'),
            ('wattledger_service', 'lock_timeout', '10s'),
            ('wattledger_service', 'idle_in_transaction_session_timeout', '30s'),
            -- compiling a query over many chunks takes longer than running it
            ('wattledger_service', 'jit', 'off'),
            -- an analyst's query can neither write nor run away; a session may ask for more time
            ('wattledger_bi', 'default_transaction_read_only', 'on'),
            ('wattledger_bi', 'statement_timeout', '60s'),
            ('wattledger_bi', 'idle_in_transaction_session_timeout', '60s'),
            -- while a query waits for a lock, readings may wait behind it
            ('wattledger_bi', 'lock_timeout', '10s'),
            ('wattledger_bi', 'timezone', 'UTC'),
            -- relations by their name alone, and TimescaleDB's functions
            ('wattledger_bi', 'search_path', 'bi, public'),
            -- to group a fleet's hours in memory
            ('wattledger_bi', 'work_mem', '64MB'),
            ('wattledger_bi', 'jit', 'off'),
            -- a DBA's statement may take long; a lock that it cannot get, or keeps while nobody types, stops readings
            ('wattledger_dba', 'lock_timeout', '10s'),
            ('wattledger_dba', 'idle_in_transaction_session_timeout', '5min'),
            -- TimescaleDB's jobs, which run again by themselves: while one waits for a lock, readings wait behind it
            ('wattledger_owner', 'lock_timeout', '2s'),
            ('wattledger_owner', 'idle_in_transaction_session_timeout', '5min'),
            -- and subtract days as their session's time zone has them
            ('wattledger_owner', 'timezone', 'UTC')
        ) AS d (login, name, value)
    LOOP
        CONTINUE WHEN EXISTS (
            SELECT
            FROM pg_catalog.pg_db_role_setting AS s
            CROSS JOIN unnest(s.setconfig) AS c (setting)
            WHERE s.setrole = v_setting.login::regrole
                AND s.setdatabase = 0
                -- PostgreSQL spells this one TimeZone
                AND lower(split_part(c.setting, '=', 1)) = lower(v_setting.name)
        );
        FOR v_attempt IN 1..10 LOOP
            BEGIN
                IF v_setting.name = 'search_path' THEN
                    -- a list, of which a quoted value would make one name
                    EXECUTE format('ALTER ROLE %I SET search_path = bi, public', v_setting.login);
                ELSE
                    EXECUTE format('ALTER ROLE %I SET %I = %L', v_setting.login, v_setting.name, v_setting.value);
                END IF;
                EXIT;
            -- "tuple concurrently updated": another database's migration is at it, and has committed by now
            EXCEPTION WHEN unique_violation OR internal_error THEN
                IF v_attempt = 10 THEN
                    RAISE;
                END IF;
            END;
        END LOOP;
    END LOOP;
END;
$$;
