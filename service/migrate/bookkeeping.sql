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
CREATE TABLE IF NOT EXISTS migration.definitions (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL
);
COMMENT ON TABLE migration.definitions IS
'The definitions (functions and views) last applied: one row.';
COMMENT ON COLUMN migration.definitions.only_row IS
'Always true: the key that keeps this table at one row.';
COMMENT ON COLUMN migration.definitions.sha256 IS 'SHA-256 over all files of sql/ in order.';
COMMENT ON COLUMN migration.definitions.applied_at IS 'When they were applied.';
