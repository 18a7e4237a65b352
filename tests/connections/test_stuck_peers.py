"""A database that falls silent is noticed, and used again when it answers."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import conninfo

from service.database.errors import DatabaseUnavailable
from service.database.pool import Database
from service.database.session import prepare_connection
from service.embedded import Cluster
from service.ingest.store import Store
from service.settings import Settings
from tests.support.http import meter, wait_until_ready
from tests.support.keys import bearer
from tests.support.process import Service, serving

IMPATIENT = {
    "WATTLEDGER_WRITE_TIMEOUT_SECONDS": "1",
    "WATTLEDGER_READ_TIMEOUT_SECONDS": "1",
    "WATTLEDGER_WORKERS": "1",
}


class Swallowing:
    """A proxy that goes on to take bytes when told to, and no longer hands them on."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._sockets: list[socket.socket] = []
        self.silent: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def swallow(self) -> None:
        """Hand on nothing more on the connections that there are; new ones work."""
        self.silent |= set(self._sockets)

    def close(self) -> None:
        """Hang up on all."""
        for one in [self._listening, *self._sockets]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if source not in self.silent:
                    sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(cluster: Cluster) -> Iterator[Swallowing]:
    port = cluster.status().port
    assert port is not None
    with closing(Swallowing(port)) as made:
        yield made


def post(service: Service, meter_id: str) -> int:
    url = f"{service.url}/v1/ingest"
    return httpx.post(url, json=meter(meter_id), headers=bearer(), timeout=60).status_code


def get(service: Service, meter_id: str) -> int:
    url = f"{service.url}/v1/meters/{meter_id}"
    return httpx.get(url, headers=bearer(), timeout=60).status_code


def stored(cluster: Cluster, meter_id: str) -> int:
    with psycopg.connect(cluster.url()) as connection:
        row = connection.execute(
            "SELECT count(*) FROM telemetry.meter_reading WHERE meter_id = %s", [meter_id]
        ).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.slow
def test_connections_whose_bytes_are_swallowed_are_replaced(
    cluster: Cluster, proxy: Swallowing
) -> None:
    url = conninfo.make_conninfo(cluster.url("wattledger_service"), port=proxy.port)
    with serving(url, **IMPATIENT) as service:
        assert post(service, "M-before") == 201
        proxy.swallow()
        began = time.monotonic()
        assert post(service, "M-swallowed") == 503
        assert get(service, "M-before") == 503
        assert time.monotonic() - began < 40
        # each connection is found out when it is used
        deadline = time.monotonic() + 60
        while post(service, "M-swallowed") != 201:
            assert time.monotonic() < deadline
        while get(service, "M-swallowed") != 200:
            assert time.monotonic() < deadline
    assert stored(cluster, "M-swallowed") == 1


@contextmanager
def stopped(cluster: Cluster) -> Iterator[None]:
    """The whole server stands still, as on a disk that does not answer."""
    postmaster = cluster.postmaster_pid()
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children")
    # first the one that would make others
    pids = [postmaster]
    os.kill(postmaster, signal.SIGSTOP)
    pids += [int(pid) for pid in children.read_text().split()]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.slow
def test_a_database_that_stands_still_costs_503s_until_it_goes_on(cluster: Cluster) -> None:
    with serving(cluster.url("wattledger_service"), **IMPATIENT) as service:
        assert post(service, "M-still") == 201
        with stopped(cluster):
            began = time.monotonic()
            answers: list[int] = []
            threads = [
                threading.Thread(target=lambda: answers.append(post(service, "M-later"))),
                threading.Thread(target=lambda: answers.append(get(service, "M-still"))),
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert answers == [503, 503]
            assert time.monotonic() - began < 30
            assert service.status("/health/live") == 200
        wait_until_ready(service.status, seconds=40)
        wait_until_ready(lambda: 200 if post(service, "M-later") == 201 else 0, seconds=40)
        assert get(service, "M-still") == 200
    assert stored(cluster, "M-later") == 1


def options(fileno: int) -> dict[str, int]:
    with socket.socket(fileno=os.dup(fileno)) as connected:
        tcp = {
            "idle": socket.TCP_KEEPIDLE,
            "interval": socket.TCP_KEEPINTVL,
            "count": socket.TCP_KEEPCNT,
            "unacknowledged": socket.TCP_USER_TIMEOUT,
        }
        on = connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        values = {
            name: connected.getsockopt(socket.IPPROTO_TCP, option) for name, option in tcp.items()
        }
        return {"on": on, **values}


def test_the_kernel_is_told_to_notice_a_machine_that_is_gone(cluster: Cluster) -> None:
    url = cluster.url("wattledger_service")

    async def look() -> list[dict[str, Any]]:
        store, database = Store(url, Settings()), Database(url, Settings())
        await store.connect()
        await database.open()
        await database._pool.wait()
        try:
            assert store._connection is not None
            async with database._pool.connection() as read:
                return [options(store._connection.fileno()), options(read.fileno())]
        finally:
            await store.close()
            await database.close()

    expected = {"on": 1, "idle": 10, "interval": 5, "count": 3, "unacknowledged": 20_000}
    assert asyncio.run(look()) == [expected, expected]


def test_a_database_that_lets_in_and_then_falls_silent_is_unavailable(
    cluster: Cluster, proxy: Swallowing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.database.session._PATIENCE_SECONDS", 0.5)
    url = conninfo.make_conninfo(cluster.url("wattledger_service"), port=proxy.port)

    async def connect() -> None:
        store = Store(url, Settings())

        async def silenced(connection: psycopg.AsyncConnection[Any]) -> None:
            proxy.swallow()
            await prepare_connection(connection)

        monkeypatch.setattr("service.database.session.prepare_connection", silenced)
        with pytest.raises(DatabaseUnavailable):
            await store.connect()

    began = time.monotonic()
    asyncio.run(connect())
    assert time.monotonic() - began < 20
