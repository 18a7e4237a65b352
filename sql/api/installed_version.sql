-- Version that this database was migrated to, for the service's readiness.

-- The contract is what a service relies on: the functions of api, by their names, arguments and columns, and what they
-- mean. Each change of it raises `contract` by one, and with it CONTRACT of service/migrate/fitness.py. A change that
-- earlier services cannot work with raises `oldest_contract` too.
CREATE OR REPLACE FUNCTION api.installed_version()
RETURNS TABLE (
    last_migration text,
    definitions_sha256 text,
    earlier_definitions_sha256 text[],
    contract integer,
    oldest_contract integer,
    edition text
)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT
        (SELECT max(c.migration_id) FROM migration.content AS c),
        (
            SELECT d.sha256
            FROM migration.definition_set AS d
            -- a migration empties the list of files until they are applied after it
            WHERE EXISTS (SELECT FROM migration.definition_file AS f)
            ORDER BY d.position DESC
            LIMIT 1
        ),
        ARRAY(SELECT d.sha256 FROM migration.definition_set AS d ORDER BY d.position DESC OFFSET 1),
        1,
        1,
        CASE WHEN telemetry.has_policies() THEN 'community' ELSE 'apache' END
$$;

COMMENT ON FUNCTION api.installed_version() IS
'Takes nothing. Returns the name of the last migration, the SHA-256 of the definitions applied after it (NULL until they are), those of the definitions that were applied before them, the contract that these definitions offer to a service and the oldest one that they still keep, and for which edition of TimescaleDB they are: apache or community.';

REVOKE ALL ON FUNCTION api.installed_version() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api.installed_version() TO wattledger_service;
