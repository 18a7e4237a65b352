-- Extensions, schemas and roles. Roles belong to the whole cluster, so another database may have made them already.

CREATE EXTENSION IF NOT EXISTS timescaledb WITH SCHEMA public;
CREATE EXTENSION IF NOT EXISTS btree_gist WITH SCHEMA public;

DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['wattledger_owner', 'wattledger_service', 'wattledger_bi', 'wattledger_dba'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- made by another database's migration, perhaps at this very moment
        END;
    END LOOP;
END;
$$;

-- whoever migrates acts as the owner; a superuser may anyway, and PostgreSQL 16 gives a creator only the ADMIN option
DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'wattledger_owner', 'SET') THEN
        EXECUTE format('GRANT wattledger_owner TO %I', current_user);
    END IF;
END;
$$;

-- TimescaleDB's own functions ask for the owner of what they work on. A DBA becomes that by SET ROLE, not unawares;
-- what another database's migration has set stands
DO $$
BEGIN
    IF NOT pg_has_role('wattledger_dba', 'wattledger_owner', 'SET') THEN
        GRANT wattledger_owner TO wattledger_dba WITH INHERIT FALSE, SET TRUE;
    END IF;
END;
$$;

-- what DBAs judge and correct is shown to analysts: one list of what they read serves both
DO $$
BEGIN
    IF NOT pg_has_role('wattledger_dba', 'wattledger_bi', 'USAGE') THEN
        GRANT wattledger_bi TO wattledger_dba WITH INHERIT TRUE, SET FALSE;
    END IF;
END;
$$;

CREATE SCHEMA telemetry AUTHORIZATION wattledger_owner;
CREATE SCHEMA api AUTHORIZATION wattledger_owner;
CREATE SCHEMA bi AUTHORIZATION wattledger_owner;
CREATE SCHEMA ops AUTHORIZATION wattledger_owner;

COMMENT ON SCHEMA telemetry IS 'Readings, device state, links and rules: the storage, and nobody''s interface.';
COMMENT ON SCHEMA api IS 'Functions that the HTTP service calls.';
COMMENT ON SCHEMA bi IS 'Relations for analysts and BI tools.';
COMMENT ON SCHEMA ops IS 'Functions and views for database administrators.';

REVOKE ALL ON SCHEMA telemetry, api, bi, ops FROM PUBLIC;
GRANT USAGE ON SCHEMA api TO wattledger_service;
GRANT USAGE ON SCHEMA bi TO wattledger_bi;
-- TimescaleDB's views of jobs and chunks look relations of the first two up by name, with the rights of whoever asks
GRANT USAGE ON SCHEMA telemetry, bi, ops TO wattledger_dba;

-- a new function is open to PUBLIC unless this says otherwise
ALTER DEFAULT PRIVILEGES FOR ROLE wattledger_owner REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE wattledger_owner REVOKE USAGE ON TYPES FROM PUBLIC;
