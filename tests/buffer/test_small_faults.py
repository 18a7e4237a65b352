"""Load through a lost broker, a rebalance and a database that is away, in seconds."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from loadtests.buffered.load import Load, account
from tests.buffer.conftest import Start, Worker
from tests.buffer.test_way import SECONDS, Connection, count
from tests.support.http import wait_for
from tests.support.kafka import Brokers
from tests.support.keys import the_key
from tests.support.process import Service


def test_load_through_a_lost_broker_a_rebalance_and_a_database_away_is_stored_once(
    brokers: Brokers,
    service: Service,
    start_worker: Start,
    database_url: str,
    connection: Connection,
) -> None:
    port = urlsplit(service.url).port
    assert port is not None
    name = sql.Identifier(connection.info.dbname)

    def away(elsewhere: psycopg.Connection) -> None:
        elsewhere.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS FALSE").format(name))
        connection.execute(
            "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a"
            " WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()"
        )

    async def post(elsewhere: psycopg.Connection) -> tuple[Load, Worker]:
        load = Load(port, the_key(), clients=10, rate=100)
        load.start()
        first, second = start_worker(), start_worker()
        await asyncio.sleep(0.5)
        brokers.each[0].stop()
        away(elsewhere)
        # the others take its partitions over, and the workers wait
        before = len(load.acknowledged)
        await asyncio.sleep(1)
        enough = before + 100
        await asyncio.to_thread(wait_for, lambda: len(load.acknowledged) >= enough, SECONDS)
        elsewhere.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS TRUE").format(name))
        second.process.terminate()
        await asyncio.to_thread(second.process.wait, SECONDS)
        await load.stop()
        return load, first

    with psycopg.connect(database_url, dbname="postgres", autocommit=True) as elsewhere:
        load, first = asyncio.run(post(elsewhere))
    wait_for(lambda: count(connection) >= len(load.acknowledged), SECONDS)
    found = account(database_url, load)
    assert found.holds, str(found)
    assert found.acknowledged >= 100
    assert first.process.poll() is None
