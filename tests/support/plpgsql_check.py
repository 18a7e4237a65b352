"""plpgsql_check for the server of a test run: users need it nowhere, so they do not get it."""

from __future__ import annotations

import re

import psycopg
import pytest
from psycopg import sql

from service.embedded import EmbeddedError
from service.embedded.debian import POSTGRESQL_MAJOR
from tests.support.packages import unpacked
from tests.support.readings import Connection

_SCHEMA = "plpgsql_check"
_PACKAGE = f"postgresql-{POSTGRESQL_MAJOR}-plpgsql-check"


def create_plpgsql_check(superuser: Connection, *, embedded: bool) -> None:
    """Make the functions of plpgsql_check in a schema of that name, or skip the test.

    Where the server has the extension, it is used. Where it has not and is the embedded one, the
    package is unpacked beside the server, and its script is run with the library's path.
    """
    superuser.execute(f"CREATE SCHEMA {_SCHEMA}")
    try:
        superuser.execute(f"CREATE EXTENSION plpgsql_check WITH SCHEMA {_SCHEMA}")
    except (psycopg.errors.FeatureNotSupported, psycopg.errors.UndefinedFile):
        pass
    else:
        return
    if not embedded:
        pytest.skip("the server at TEST_DATABASE_URL has no extension plpgsql_check")
    if superuser.info.server_version // 10000 != POSTGRESQL_MAJOR:
        pytest.skip(f"Debian's plpgsql_check is for PostgreSQL {POSTGRESQL_MAJOR}")
    try:
        root = unpacked(_PACKAGE, alone=True)
    except EmbeddedError as error:
        pytest.skip(f"plpgsql_check cannot be fetched: {error}")
    [control] = root.glob("usr/share/postgresql/*/extension/plpgsql_check.control")
    version = re.search(r"default_version\s*=\s*'([^']+)'", control.read_text())
    assert version is not None
    script = control.with_name(f"plpgsql_check--{version[1]}.sql").read_text()
    [library] = root.glob("usr/lib/postgresql/*/lib/plpgsql_check.so")
    # what CREATE EXTENSION does, which looks into the server's own directories alone; the library
    # asks whether it was done. \\echo and \\quit keep psql from running the script
    script = script.replace("MODULE_PATHNAME", str(library)).replace("@extschema@", _SCHEMA)
    script = "".join(line for line in script.splitlines(True) if not line.startswith("\\"))
    with superuser.transaction():
        superuser.execute("SET LOCAL allow_system_table_mods = on")
        superuser.execute(
            "INSERT INTO pg_extension"
            " (oid, extname, extowner, extnamespace, extrelocatable, extversion)"
            " SELECT n.oid, n.nspname, n.nspowner, n.oid, FALSE, %s"
            " FROM pg_namespace AS n WHERE n.nspname = %s",
            [version[1], _SCHEMA],
        )
        superuser.execute(f"SET LOCAL search_path = {_SCHEMA}, pg_catalog")
        superuser.execute(sql.SQL(script))
        functions = superuser.execute(
            "SELECT p.oid::regprocedure::text FROM pg_proc AS p"
            " WHERE p.pronamespace = %s::regnamespace",
            [_SCHEMA],
        ).fetchall()
        for (function,) in functions:
            superuser.execute(sql.SQL(f"ALTER EXTENSION {_SCHEMA} ADD FUNCTION {function}"))
