"""No role reaches past its rights: new objects, other roles, the server's files, other sessions."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import conninfo, sql

from tests.privileges.attempts import permitted, succeeds
from tests.privileges.conftest import STRANGER, Login
from tests.support.readings import Connection
from tests.support.server import PASSWORDS

# for everybody, and for the owner too, whom a DBA may become
SUPERUSERS_ALONE = [
    "COPY (SELECT 1) TO PROGRAM 'true'",
    "COPY pg_catalog.pg_class FROM PROGRAM 'true'",
    "COPY (SELECT 1) TO '/dev/null'",
    "COPY pg_catalog.pg_description FROM '/etc/passwd'",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT pg_stat_file('/etc/passwd')",
    "SELECT pg_ls_logdir()",
    "SELECT pg_ls_waldir()",
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_export(1, '/dev/null')",
    "LOAD 'taken'",
    "CREATE EXTENSION dblink",
    "CREATE EXTENSION file_fdw",
    "CREATE EXTENSION postgres_fdw",
    "CREATE EXTENSION hstore",
    "ALTER EXTENSION timescaledb UPDATE",
    "DROP EXTENSION btree_gist",
    "CREATE FUNCTION public.taken() RETURNS integer LANGUAGE c AS 'libc.so.6', 'getpid'",
    "CREATE LANGUAGE plperlu",
    "CREATE EVENT TRIGGER taken ON ddl_command_start EXECUTE FUNCTION pg_catalog.now()",
    "CREATE FOREIGN DATA WRAPPER taken",
    "CREATE SUBSCRIPTION taken CONNECTION 'host=127.0.0.1' PUBLICATION taken",
    "CREATE TABLESPACE taken LOCATION '/nowhere'",
    "CREATE DATABASE taken",
    "CREATE ROLE taken SUPERUSER",
    "CREATE SCHEMA taken",
    "ALTER SYSTEM SET fsync = off",
    "ALTER DATABASE postgres SET search_path = taken",
    "ALTER ROLE CURRENT_USER SUPERUSER",
    "ALTER ROLE CURRENT_USER CREATEROLE BYPASSRLS",
    "ALTER ROLE postgres PASSWORD 'taken'",
    "ALTER ROLE ALL SET search_path = taken",
    "GRANT pg_read_all_data TO CURRENT_USER",
    "GRANT pg_execute_server_program TO CURRENT_USER",
    "SET SESSION AUTHORIZATION postgres",
    "SET ROLE postgres",
    "SET session_replication_role = replica",  # would put every trigger to sleep
    "SET timescaledb.restoring = on",
    "SET log_statement = 'none'",
    "SET row_security = off; SELECT * FROM pg_authid",
    "SELECT set_config('session_preload_libraries', 'taken', FALSE)",
    "SELECT rolpassword FROM pg_authid",
    "SELECT * FROM pg_shadow",
    "SELECT * FROM pg_hba_file_rules",
    "SELECT * FROM pg_file_settings",
    "SELECT * FROM pg_user_mapping",
    "SELECT * FROM pg_subscription",
    "SELECT pg_reload_conf()",
    "SELECT pg_rotate_logfile()",
    "SELECT pg_switch_wal()",
    "SELECT pg_create_physical_replication_slot('taken')",
    "SELECT pg_promote()",
    "CHECKPOINT",
]
# nor any of these, but for the owner, who may not give itself away though
OWNERS_ALONE = [
    "CREATE TEMPORARY TABLE taken ()",
    "CREATE TEMPORARY SEQUENCE taken",
    "CREATE TEMPORARY VIEW taken AS SELECT 1",
    "CREATE FUNCTION pg_temp.taken() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE TYPE pg_temp.taken AS ENUM ()",
    "GRANT wattledger_owner TO CURRENT_USER",
    "DROP OWNED BY wattledger_owner",
    "REASSIGN OWNED BY wattledger_owner TO CURRENT_USER",
    "GRANT SELECT ON ALL TABLES IN SCHEMA telemetry TO CURRENT_USER",
    "GRANT SELECT ON telemetry.limits TO PUBLIC",
    "DROP SCHEMA ops CASCADE",
    "ALTER FUNCTION api.meter_state(text) SECURITY INVOKER",
    "ALTER FUNCTION api.meter_state(text) SET search_path = taken",
    "DROP FUNCTION api.meter_state(text)",
]


def test_a_login_without_a_right_to_connect_cannot(guarded_url: str, stranger: str) -> None:
    name = conninfo.conninfo_to_dict(stranger)["user"]
    database = conninfo.conninfo_to_dict(guarded_url)["dbname"]
    assert isinstance(name, str)
    assert isinstance(database, str)
    with psycopg.connect(guarded_url, autocommit=True) as superuser:
        change = "{} CONNECT ON DATABASE {} {} {}"
        parts = sql.Identifier(database), sql.Identifier(name)
        superuser.execute(
            sql.SQL(change).format(sql.SQL("REVOKE"), parts[0], sql.SQL("FROM"), parts[1])
        )
        try:
            with pytest.raises(psycopg.OperationalError, match="does not have CONNECT privilege"):
                psycopg.connect(stranger)
        finally:
            superuser.execute(
                sql.SQL(change).format(sql.SQL("GRANT"), parts[0], sql.SQL("TO"), parts[1])
            )


def test_no_role_reaches_the_server_or_rises_above_itself(session: Connection, role: str) -> None:
    owners = [
        s for s in OWNERS_ALONE if (role, s) != ("wattledger_dba", "SET ROLE wattledger_owner")
    ]
    assert permitted(session, [*SUPERUSERS_ALONE, *owners]) == []


def test_every_attempt_succeeds_for_those_who_may(superuser: Connection, login: Login) -> None:
    """A misspelt attempt would be refused to nobody, so this looks at the attempts themselves."""
    dba = login("wattledger_dba")
    dba.execute("SET ROLE wattledger_owner")
    alone = [s for s in OWNERS_ALONE if not s.startswith("GRANT wattledger_owner")]
    assert permitted(dba, OWNERS_ALONE) == alone
    refused = ["SELECT lo_export(1, '/dev/null')", "CREATE LANGUAGE plperlu"]
    for statement in SUPERUSERS_ALONE[:12]:
        assert statement in refused or succeeds(superuser, statement), statement


def test_the_owner_is_no_superuser(login: Login) -> None:
    dba = login("wattledger_dba")
    dba.execute("SET ROLE wattledger_owner")
    assert permitted(dba, SUPERUSERS_ALONE) == []


def test_no_role_becomes_another(session: Connection, role: str) -> None:
    others = [other for other in [*PASSWORDS, "wattledger_owner", "postgres"] if other != role]
    if role == "wattledger_dba":
        others.remove("wattledger_owner")
    assert (
        permitted(
            session,
            [
                sql.SQL(change).format(sql.Identifier(other))
                for other in others
                for change in (
                    "SET ROLE {}",
                    "SET SESSION AUTHORIZATION {}",
                    "ALTER ROLE {} PASSWORD 'taken'",
                    "ALTER ROLE {} SET search_path = taken",
                    "GRANT {} TO CURRENT_USER",
                )
            ],
        )
        == []
    )


def test_no_role_creates_anything_in_any_schema(superuser: Connection, session: Connection) -> None:
    schemas = [
        sql.Identifier(name)
        for (name,) in superuser.execute(
            "SELECT n.nspname FROM pg_namespace AS n WHERE n.nspname !~ '^pg_(temp|toast_temp)_'"
        )
    ]
    assert len(schemas) > 10
    attempts = [
        sql.SQL(attempt).format(schema)
        for schema in schemas
        for attempt in (
            "CREATE TABLE {}.taken ()",
            "CREATE VIEW {}.taken AS SELECT 1 AS one",
            "CREATE SEQUENCE {}.taken",
            "CREATE TYPE {}.taken AS ENUM ()",
            "CREATE DOMAIN {}.taken AS integer",
            "CREATE FUNCTION {}.taken() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
            "CREATE PROCEDURE {}.taken() LANGUAGE sql AS 'SELECT 1'",
            "CREATE AGGREGATE {}.taken(integer) (SFUNC = int4pl, STYPE = integer)",
            "CREATE OPERATOR {}.<<<<< (FUNCTION = int4pl, LEFTARG = integer, RIGHTARG = integer)",
            'CREATE COLLATION {}.taken FROM "C"',
            "CREATE TEXT SEARCH DICTIONARY {}.taken (TEMPLATE = pg_catalog.simple)",
        )
    ]
    assert permitted(session, attempts) == []


def test_no_role_sees_or_ends_what_another_session_does(
    superuser: Connection, session: Connection, guarded_url: str
) -> None:
    with psycopg.connect(guarded_url, autocommit=True) as other:
        other.execute("SELECT 'the secret of another session'")
        look = "SELECT a.query, a.client_addr FROM pg_stat_activity AS a WHERE a.pid = %s"
        pid = other.info.backend_pid
        seen = superuser.execute(look, [pid]).fetchone()
        assert seen is not None
        assert "secret" in seen[0]
        assert session.execute(look, [pid]).fetchone() == ("<insufficient privilege>", None)
        for function in (
            "pg_cancel_backend",
            "pg_terminate_backend",
            "pg_log_backend_memory_contexts",
        ):
            attempt = sql.SQL("SELECT {}({})").format(sql.Identifier(function), pid)
            assert permitted(session, [attempt]) == []


@pytest.mark.parametrize("role", ["wattledger_service", "wattledger_bi", STRANGER])
def test_timescaledbs_functions_change_nothing_of_ours(
    superuser: Connection, session: Connection
) -> None:
    row = superuser.execute("SELECT 'telemetry.meter_reading'::regclass::oid").fetchone()
    chunk = superuser.execute(
        "SELECT c::text FROM show_chunks('telemetry.meter_reading') AS c"
    ).fetchone()
    assert row is not None
    assert chunk is not None
    # by number, since none of them may use the schema's name
    readings = sql.SQL("{}::oid::regclass").format(row[0])
    attempts = [
        sql.SQL(attempt).format(
            readings=readings, chunk=sql.Literal(chunk[0]), name=sql.SQL(chunk[0])
        )
        for attempt in (
            "SELECT drop_chunks({readings}, older_than => now() + INTERVAL '1 day')",
            "SELECT set_chunk_time_interval({readings}, INTERVAL '1 hour')",
            "SELECT add_dimension({readings}, by_hash('meter_id', 2))",
            "SELECT attach_tablespace('pg_default', {readings})",
            "SELECT set_integer_now_func({readings}, 'pg_catalog.now'::regproc)",
            "SELECT _timescaledb_functions.drop_chunk({chunk}::regclass)",
            "SELECT _timescaledb_functions.freeze_chunk({chunk}::regclass)",
            "SELECT _timescaledb_functions.unfreeze_chunk({chunk}::regclass)",
            "SELECT _timescaledb_functions.drop_osm_chunk({readings})",
            "SELECT _timescaledb_functions.hypertable_osm_range_update({readings}, 1, 2)",
            "SELECT _timescaledb_functions.create_compressed_chunk("
            "{chunk}::regclass, {chunk}::regclass, 1, 1, 1, 1, 1, 1, 1, 1)",
            "SELECT _timescaledb_functions.stop_background_workers()",
            "DROP TABLE {name}",
            "ALTER TABLE {name} RENAME TO taken",
            "SELECT timescaledb_pre_restore()",
        )
    ]
    assert permitted(session, attempts) == []
