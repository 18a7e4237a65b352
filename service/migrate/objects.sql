-- What can be made again by sql/: functions, views and triggers, with the rights of PUBLIC and of our roles. Rights that a
-- DBA gave to somebody else are not looked at.
WITH role AS (
    SELECT r.oid, r.rolname FROM pg_catalog.pg_roles AS r WHERE r.rolname ^@ 'wattledger_'
    UNION ALL
    SELECT 0, 'PUBLIC'
),
object AS (
    SELECT
        p.oid,
        p.oid::regprocedure::text AS name,
        pg_get_functiondef(p.oid) AS definition,
        coalesce(p.proacl, acldefault('f', p.proowner)) AS rights
    FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = ANY ('{telemetry,api,bi,ops}'::regnamespace[])
    UNION ALL
    SELECT
        c.oid,
        c.oid::regclass::text,
        -- TimescaleDB writes the views of continuous aggregates
        CASE WHEN a.view_name IS NULL AND c.relkind = 'v' THEN pg_get_viewdef(c.oid) END,
        coalesce(c.relacl, acldefault('r', c.relowner))
    FROM pg_catalog.pg_class AS c
    INNER JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN timescaledb_information.continuous_aggregates AS a
        ON a.view_schema = n.nspname AND a.view_name = c.relname
    WHERE (c.relnamespace = ANY ('{telemetry,api,bi,ops}'::regnamespace[]) AND c.relkind = 'v')
        OR (n.nspname = 'migration' AND c.relkind = 'r')
    UNION ALL
    SELECT t.oid, format('%s on %s', t.tgname, t.tgrelid::regclass), pg_get_triggerdef(t.oid), NULL
    FROM pg_catalog.pg_trigger AS t
    INNER JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
    WHERE c.relnamespace = 'telemetry'::regnamespace AND NOT t.tgisinternal
)
SELECT
    o.name,
    o.oid,
    md5(concat(o.definition, (
        SELECT string_agg(format('%s %s', r.rolname, x.privilege_type), ',' ORDER BY r.rolname, x.privilege_type)
        FROM aclexplode(o.rights) AS x
        INNER JOIN role AS r ON r.oid = x.grantee
    )))
FROM object AS o
ORDER BY o.name COLLATE "C"
