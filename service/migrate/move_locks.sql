-- Every lock that the switch needs, before it does anything. It gives way rather than have anybody end in a deadlock: for
-- all of them together it waits half as long as PostgreSQL lets pass before it looks for one, and so nobody who waits for
-- what is held here can find one. Then it lets go of all, and tries again.
DO $$
DECLARE
    v_haste interval := current_setting('deadlock_timeout')::interval / 2;
    v_give_up timestamptz := clock_timestamp() + current_setting('lock_timeout')::interval;
    v_until timestamptz;
    v_missing text;
    v_lock text;
BEGIN
    LOOP
        BEGIN
            v_until := v_give_up;
            FOR v_lock IN
                SELECT v_missing
                WHERE v_missing IS NOT NULL
                UNION ALL
                -- readers come by the views, so that who is not past them yet holds nothing that is waited for below. An
                -- ALTER that changes nothing locks the view alone, LOCK TABLE would lock all that the view reads
                SELECT format('ALTER VIEW %s OWNER TO wattledger_owner', c.oid::regclass)
                FROM pg_catalog.pg_class AS c
                WHERE c.relkind = 'v' AND c.relnamespace::regnamespace::text IN ('telemetry', 'api', 'bi', 'ops')
                    AND c.oid <> 'telemetry.accepted'::regclass
                UNION ALL
                -- as ingestion goes: raw readings, states, hours and days; these with their chunks, which are dropped
                SELECT format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', r.relation)
                FROM (
                    VALUES
                    ('ONLY telemetry.meter_reading'),
                    ('ONLY telemetry.vehicle_reading'),
                    ('telemetry.meter_state'),
                    ('telemetry.vehicle_state'),
                    ('telemetry.meter_energy_hourly'),
                    ('telemetry.meter_energy_daily'),
                    ('telemetry.vehicle_energy_hourly'),
                    ('telemetry.vehicle_energy_daily')
                ) AS r (relation)
                UNION ALL
                -- which writers read when they hold the first of these
                SELECT 'ALTER VIEW telemetry.accepted OWNER TO wattledger_owner'
            LOOP
                IF v_lock IS DISTINCT FROM v_missing THEN
                    v_until := least(v_until, clock_timestamp() + v_haste);
                END IF;
                PERFORM set_config(
                    'lock_timeout',
                    greatest(1, extract(EPOCH FROM v_until - clock_timestamp()) * 1000)::integer::text,
                    TRUE
                );
                EXECUTE v_lock;
            END LOOP;
            EXIT;
        EXCEPTION WHEN lock_not_available THEN
            IF clock_timestamp() >= v_give_up THEN
                RAISE;
            END IF;
            -- a view may be waited for at first, while nothing is held; a table would be out of turn
            v_missing := CASE WHEN v_lock LIKE 'ALTER VIEW%' THEN v_lock END;
        END;
    END LOOP;
    -- whatever is not foreseen above is given up with the rest
    PERFORM set_config('lock_timeout', '10', TRUE);
END;
$$;
