-- The migrator's own tables, made before the first migration.
CREATE SCHEMA IF NOT EXISTS migration;
COMMENT ON SCHEMA migration IS 'Which migrations and definitions this database has.';
CREATE TABLE IF NOT EXISTS migration.content (
    migration_id text PRIMARY KEY,
    sha256 text NOT NULL
);
COMMENT ON TABLE migration.content IS
'The content of every applied migration, so that an edited one is noticed.';
COMMENT ON COLUMN migration.content.migration_id IS 'The migration''s file name without its ending.';
COMMENT ON COLUMN migration.content.sha256 IS 'SHA-256 of the file when it was applied.';
CREATE TABLE IF NOT EXISTS migration.definition_file (
    file text PRIMARY KEY,
    sha256 text NOT NULL
);
COMMENT ON TABLE migration.definition_file IS
'The definitions (functions and views) as they were last applied, one row per file: only those that changed are applied again. A migration empties it, since all are applied after one.';
COMMENT ON COLUMN migration.definition_file.file IS 'The file''s path below sql/.';
COMMENT ON COLUMN migration.definition_file.sha256 IS 'SHA-256 of the file when it was applied.';
CREATE TABLE IF NOT EXISTS migration.definition_set (
    position bigint PRIMARY KEY,
    sha256 text NOT NULL UNIQUE,
    objects_sha256 text NOT NULL,
    applied_at timestamptz NOT NULL
);
COMMENT ON TABLE migration.definition_set IS
'The sets of definitions that this database has had, one row per set, the present one with the highest position: a service whose own set is among them knows that the database is not older than it.';
COMMENT ON COLUMN migration.definition_set.position IS 'Counts upwards; what replaced a set has a higher position.';
COMMENT ON COLUMN migration.definition_set.sha256 IS 'SHA-256 over these tables'' own definition and all files of sql/ in order.';
COMMENT ON COLUMN migration.definition_set.objects_sha256 IS
'SHA-256 over what they made, so that what somebody changed or dropped by hand is noticed.';
COMMENT ON COLUMN migration.definition_set.applied_at IS 'When they were applied.';
