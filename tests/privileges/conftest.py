"""A migrated database with some data in it, and real logins of every role."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psycopg
import pytest
from psycopg import conninfo, sql

from service.migrate import migrate
from tests.support.readings import (
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
    link,
)
from tests.support.server import PASSWORDS, Server, as_role

STRANGER = "stranger"

Login = Callable[[str], Connection]


@pytest.fixture(scope="session")
def guarded_url(database_server: Server) -> Iterator[str]:
    """As its superuser. Migrated here, since a clone does not get the rights on a database."""
    with database_server.empty() as url:
        migrate(url, lambda _: None)
        with psycopg.connect(url, autocommit=True) as connection:
            ingest_meters(connection, [MeterReading(), MeterReading(energy_kwh=9.0)])
            ingest_vehicles(connection, [VehicleReading()])
            link(connection)
            connection.execute(
                "SELECT api.quarantine_readings("
                "ARRAY[0], ARRAY['malformed'], ARRAY['?'], ARRAY['text/plain'],"
                " ARRAY['\\x00'::bytea],"
                " ARRAY[NULL], ARRAY[NULL], ARRAY[NULL::timestamptz], ARRAY[NULL::float8],"
                " ARRAY[NULL::float8], ARRAY[NULL::float8], ARRAY[NULL::float8])"
            )
        yield url


@pytest.fixture(scope="session")
def stranger(guarded_url: str) -> Iterator[str]:
    """The URL of a login with no right of its own but to connect."""
    name = f"wattledger_test_stranger_{uuid.uuid4().hex[:12]}"
    role, database = sql.Identifier(name), conninfo.conninfo_to_dict(guarded_url)["dbname"]
    assert isinstance(database, str)
    with psycopg.connect(guarded_url, autocommit=True) as superuser:
        superuser.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'a stranger'").format(role))
        superuser.execute(
            sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(sql.Identifier(database), role)
        )
        yield conninfo.make_conninfo(guarded_url, user=name, password="a stranger")
        superuser.execute(sql.SQL("DROP OWNED BY {}").format(role))
        superuser.execute(sql.SQL("DROP ROLE {}").format(role))


@pytest.fixture
def superuser(guarded_url: str) -> Iterator[Connection]:
    """A superuser's connection, in autocommit mode: what it changes is to be rolled back."""
    with psycopg.connect(guarded_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def login(guarded_url: str, request: pytest.FixtureRequest) -> Iterator[Login]:
    """Connects as a role, in autocommit mode, each time it is called."""
    with ExitStack() as opened:

        def connect(role: str) -> Connection:
            url = (
                request.getfixturevalue("stranger")
                if role == STRANGER
                else as_role(guarded_url, role)
            )
            connection = opened.enter_context(psycopg.connect(url, autocommit=True))
            # an analyst may turn this off, so it is no protection
            connection.execute("SET default_transaction_read_only = off")
            return connection

        yield connect


@pytest.fixture(params=[*PASSWORDS, STRANGER])
def role(request: pytest.FixtureRequest) -> str:
    """Each of our logins in turn, and one that is nobody's."""
    return request.param


@pytest.fixture
def session(login: Login, role: str) -> Connection:
    """A session of that role."""
    return login(role)
