"""Keys of a service with a buffer, which count on while the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg import sql

from service.database.errors import DatabaseUnavailable
from service.database.pool import Database
from service.keys.credential import Credential, credential
from service.keys.grant import KeyRefused
from service.keys.outliving import OutlivingKeyring
from service.settings import Settings
from tests.support.keys import bearer, make_key
from tests.support.readings import Connection

CACHE_SECONDS = 0.2
SECONDS = 30


def given(key: str) -> Credential:
    found = credential(bearer(key)["Authorization"].encode())
    assert found is not None
    return found


def with_keyring(
    url: str,
    use: Callable[[OutlivingKeyring], Coroutine[Any, Any, None]],
    outlives_seconds: float = 3600.0,
) -> None:
    async def run() -> None:
        database = Database(url, Settings(), connections=1)
        ring = OutlivingKeyring(database, CACHE_SECONDS, outlives_seconds=outlives_seconds)
        await ring.start()
        try:
            await use(ring)
        finally:
            await ring.stop()

    asyncio.run(run())


@contextmanager
def away(connection: Connection, database_url: str) -> Generator[None]:
    """Nobody but the test has a connection to the database."""
    name = sql.Identifier(connection.info.dbname)
    with psycopg.connect(database_url, dbname="postgres", autocommit=True) as elsewhere:
        elsewhere.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS FALSE").format(name))
        try:
            connection.execute(
                "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a"
                " WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()"
            )
            yield
        finally:
            elsewhere.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS TRUE").format(name))


async def asked_again(ring: OutlivingKeyring, key: Credential) -> None:
    """Have the database tell of a key anew."""
    await asyncio.sleep(CACHE_SECONDS * 1.5)
    assert ring.known(key) is None
    await ring.grant(key)


@pytest.mark.slow
@pytest.mark.parametrize("limit", ["devices", pytest.param("fleet", marks=pytest.mark.slow)])
def test_a_key_by_pattern_speaks_on_for_the_devices_that_it_spoke_for(
    service_url: str, database_url: str, connection: Connection, limit: str
) -> None:
    connection.execute("SELECT ops.set_fleet('north', ARRAY['N-*'])")
    options: dict[str, Any] = {"devices": {"devices": ["N-*"]}, "fleet": {"fleet": "north"}}[limit]
    key = given(make_key(database_url, "ingest", **options))

    async def use(ring: OutlivingKeyring) -> None:
        await ring.check_devices(await ring.grant(key), {"N-1", "N-2"}, {"N-3"})
        with pytest.raises(KeyRefused):
            await ring.check_devices(await ring.grant(key), {"S-1", "N-4"}, set())
        # what it may do is told anew, without the devices
        await asked_again(ring, key)
        with away(connection, database_url):
            await asyncio.sleep(CACHE_SECONDS * 1.5)
            grant = await ring.grant(key)
            assert grant.refusal is None
            await ring.check_devices(grant, {"N-1", "N-4"}, {"N-3"})
            assert grant.covers({"N-1", "N-4"}, {"N-3"})
            # on the other side, of another fleet, not asked for yet
            for meter_id in ("N-3", "S-1", "N-5"):
                with pytest.raises(DatabaseUnavailable):
                    await ring.check_devices(await ring.grant(key), {meter_id}, {"N-3"})
        async with asyncio.timeout(SECONDS):
            while (await ring.grant(key)) is grant:  # noqa: ASYNC110  there is no event for it
                await asyncio.sleep(0.05)
        await ring.check_devices(await ring.grant(key), {"N-5"}, set())
        with pytest.raises(KeyRefused):
            await ring.check_devices(await ring.grant(key), {"S-1"}, set())

    with_keyring(service_url, use)


def test_a_device_that_a_key_may_speak_for_no_more_is_forgotten(
    service_url: str, database_url: str, connection: Connection
) -> None:
    connection.execute("SELECT ops.set_fleet('north', ARRAY['N-*'])")
    key = given(make_key(database_url, "ingest", fleet="north"))

    async def use(ring: OutlivingKeyring) -> None:
        await ring.check_devices(await ring.grant(key), {"N-1"}, set())
        connection.execute("SELECT ops.set_fleet('north', ARRAY['S-*'])")
        await asked_again(ring, key)
        with pytest.raises(KeyRefused):
            await ring.check_devices(await ring.grant(key), {"N-1"}, set())
        with away(connection, database_url):
            await asyncio.sleep(CACHE_SECONDS * 1.5)
            with pytest.raises(DatabaseUnavailable):
                await ring.check_devices(await ring.grant(key), {"N-1"}, set())

    with_keyring(service_url, use)


def test_a_key_that_was_revoked_stays_so_while_the_database_is_away(
    service_url: str, database_url: str, connection: Connection
) -> None:
    key, other = (given(make_key(database_url, "ingest")) for _ in range(2))

    async def use(ring: OutlivingKeyring) -> None:
        assert (await ring.grant(key)).refusal is None
        connection.execute("SELECT ops.revoke_key(%s)", [key.key_id])
        await asked_again(ring, key)
        with away(connection, database_url):
            await asyncio.sleep(CACHE_SECONDS * 1.5)
            assert (await ring.grant(key)).refusal == "revoked"
            # never asked for
            with pytest.raises(DatabaseUnavailable):
                await ring.grant(other)

    with_keyring(service_url, use)


def test_a_key_counts_on_for_as_long_as_is_set(
    service_url: str, database_url: str, connection: Connection
) -> None:
    key = given(make_key(database_url, "ingest"))

    async def use(ring: OutlivingKeyring) -> None:
        await ring.grant(key)
        with away(connection, database_url):
            await asyncio.sleep(CACHE_SECONDS + 0.5 + 0.1)
            with pytest.raises(DatabaseUnavailable):
                await ring.grant(key)

    with_keyring(service_url, use, outlives_seconds=0.5)
