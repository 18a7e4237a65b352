-- What this database was migrated to, for the service's readiness.

CREATE OR REPLACE FUNCTION api.installed_version()
RETURNS TABLE (last_migration text, definitions_sha256 text, edition text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        (SELECT max(c.migration_id) FROM migration.content AS c),
        (SELECT d.sha256 FROM migration.definitions AS d),
        CASE WHEN telemetry.has_policies() THEN 'community' ELSE 'apache' END
$$;

COMMENT ON FUNCTION api.installed_version() IS
'Takes nothing. Returns the name of the last migration the SHA-256 of the definitions applied after it, and for which edition of TimescaleDB they are: apache or community.';

REVOKE ALL ON FUNCTION api.installed_version() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.installed_version() TO wattledger_service;
