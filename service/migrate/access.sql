-- Closes the database to everybody who has no role of ours, at every migration: neither CREATE DATABASE nor pg_restore
-- brings rights on a database along, and an update of an extension may bring its functions' own back. What the migrating
-- login does not own is left alone, and what is closed already is not written again.
DO $$
DECLARE
    v_role text;
    v_type record;
    v_function record;
BEGIN
    -- PostgreSQL lets everybody connect to a new database and make temporary tables in it
    IF EXISTS (
        SELECT
        FROM pg_catalog.pg_database AS d
        WHERE d.datname = current_database()
            AND pg_has_role(d.datdba, 'USAGE')
            AND NOT d.datistemplate  -- whose rights no copy gets
    ) THEN
        IF EXISTS (
            SELECT
            FROM pg_catalog.pg_database AS d
            CROSS JOIN aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a
            WHERE d.datname = current_database() AND a.grantee = 0
        ) THEN
            EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
        END IF;
        -- TimescaleDB's jobs connect as the owner
        FOREACH v_role IN ARRAY ARRAY[
            'wattledger_owner', 'wattledger_service', 'wattledger_bi', 'wattledger_dba'
        ] LOOP
            IF NOT has_database_privilege(v_role, current_database(), 'CONNECT') THEN
                EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), v_role);
            END IF;
        END LOOP;
        IF NOT has_database_privilege('wattledger_owner', current_database(), 'TEMPORARY') THEN
            EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO wattledger_owner', current_database());
        END IF;
    END IF;

    -- the row type of a relation is open to all, whatever the default privileges say, and a column of that type
    -- anywhere hinders a change of the relation
    FOR v_type IN
        SELECT n.nspname, t.typname
        FROM pg_catalog.pg_type AS t
        INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = t.typnamespace
        WHERE n.nspname IN ('telemetry', 'api', 'bi', 'ops', 'migration')
            AND t.typcategory <> 'A'  -- an array goes with its element
            AND pg_has_role(t.typowner, 'USAGE')
            AND has_type_privilege('public', t.oid, 'USAGE')
    LOOP
        EXECUTE format('REVOKE ALL ON TYPE %I.%I FROM PUBLIC', v_type.nspname, v_type.typname);
    END LOOP;

    -- internal functions of TimescaleDB that until August 2026 did not ask who calls: with drop_chunk any login could
    -- remove a day of anybody's readings
    FOR v_function IN
        SELECT n.nspname, p.proname, pg_get_function_identity_arguments(p.oid) AS arguments
        FROM pg_catalog.pg_proc AS p
        INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname IN ('_timescaledb_functions', '_timescaledb_internal')
            AND p.proname IN (
                'drop_chunk', 'drop_osm_chunk', 'create_compressed_chunk', 'freeze_chunk', 'unfreeze_chunk',
                'hypertable_osm_range_update', 'lock_osm_chunk_dimension_slice'
            )
            AND pg_has_role(p.proowner, 'USAGE')
            AND (
                SELECT bool_or(a.grantee = 0) OR NOT bool_or(a.grantee = 'wattledger_owner'::regrole)
                FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
            ) IS NOT FALSE
    LOOP
        EXECUTE format(
            'REVOKE ALL ON FUNCTION %I.%I(%s) FROM PUBLIC', v_function.nspname, v_function.proname, v_function.arguments
        );
        EXECUTE format(
            'GRANT EXECUTE ON FUNCTION %I.%I(%s) TO wattledger_owner',
            v_function.nspname, v_function.proname, v_function.arguments
        );
    END LOOP;
END;
$$;
