"""Clients that misbehave on the socket: endless, slow and gone; the service stays well."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx
import psycopg
import pytest

from loadtests.support.processes import resident_bytes
from tests.support.http import meter
from tests.support.keys import bearer
from tests.support.process import Service, serving

# of whole installations, each of which takes seconds to start
pytestmark = pytest.mark.slow


@pytest.fixture
def impatient(service_url: str) -> Iterator[Service]:
    """A service that waits two seconds for a body of at most a megabyte."""
    with serving(
        service_url,
        WATTLEDGER_BODY_TIMEOUT_SECONDS="2",
        WATTLEDGER_MAX_BODY_BYTES="1000000",
    ) as started:
        yield started


def connect(service: Service, head: str) -> socket.socket:
    host, port = service.url.removeprefix("http://").split(":")
    opened = socket.create_connection((host, int(port)), timeout=15)
    key = f"Authorization: {bearer()['Authorization']}"
    opened.sendall(f"POST /v1/ingest HTTP/1.1\r\nHost: x\r\n{key}\r\n{head}\r\n\r\n".encode())
    return opened


def memory_bytes(service: Service) -> int:
    """Resident memory of all its workers."""
    return resident_bytes(service.workers())


def test_an_endless_chunked_body_is_413_and_memory_stays_flat(impatient: Service) -> None:
    before = memory_bytes(impatient)
    for _ in range(5):
        with connect(impatient, "Transfer-Encoding: chunked") as client:
            sent = 0
            # it may hang up before it has read what is on the way
            with suppress(OSError):
                for _ in range(1000):
                    client.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
                    sent += 0x10000
            answer = b""
            with suppress(OSError):
                answer = client.recv(1000)
            assert answer.startswith(b"HTTP/1.1 413") or sent < 60_000_000
    assert memory_bytes(impatient) - before < 50_000_000
    assert impatient.status() == 200


def test_a_body_that_never_ends_is_408_after_the_time_set(impatient: Service) -> None:
    with connect(impatient, "Content-Length: 1000") as client:
        client.sendall(b'{"meterId":')
        began = time.monotonic()
        answer = client.recv(1000)
    assert answer.startswith(b"HTTP/1.1 408")
    assert 1 < time.monotonic() - began < 10


def test_a_client_that_trickles_is_cut_off_and_others_are_served(impatient: Service) -> None:
    clients = [connect(impatient, "Content-Length: 1000") for _ in range(50)]
    ended = threading.Event()

    def trickle() -> None:
        while not ended.wait(0.2):
            for client in clients:
                try:
                    client.sendall(b" ")
                except OSError:
                    continue

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        answer = httpx.post(f"{impatient.url}/v1/ingest", json=meter(), headers=bearer(), timeout=5)
        assert answer.status_code == 201
        for client in clients:
            assert client.recv(1000).startswith(b"HTTP/1.1 408")
    finally:
        ended.set()
        thread.join()
        for client in clients:
            client.close()


def test_clients_that_leave_before_the_answer_harm_nobody(impatient: Service) -> None:
    for number in range(100):
        with connect(impatient, "Content-Length: 1000") as client:
            client.sendall(b"x" * (number * 7))
    answer = httpx.post(f"{impatient.url}/v1/ingest", json=meter(), headers=bearer(), timeout=5)
    assert answer.status_code == 201
    assert impatient.status() == 200


def test_the_queue_over_its_bound_is_503_with_retry_after(
    service_url: str, database_url: str
) -> None:
    with serving(
        service_url,
        "--workers",
        "1",
        WATTLEDGER_QUEUE_READINGS="5",
        WATTLEDGER_GROUP_READINGS="1",
    ) as service:
        answers: list[httpx.Response] = []

        def post(number: int) -> None:
            answers.append(
                httpx.post(
                    f"{service.url}/v1/ingest",
                    json=meter(f"M-{number}"),
                    headers=bearer(),
                    timeout=20,
                )
            )

        with psycopg.connect(database_url) as blocker:
            blocker.execute("LOCK TABLE telemetry.meter_state IN ACCESS EXCLUSIVE MODE")
            threads = [threading.Thread(target=post, args=(number,)) for number in range(20)]
            for thread in threads:
                thread.start()
            deadline = time.monotonic() + 10
            while not answers:
                assert time.monotonic() < deadline, "nobody was refused at once"
                time.sleep(0.02)
        for thread in threads:
            thread.join()
    statuses = sorted(answer.status_code for answer in answers)
    assert set(statuses) == {201, 503}
    refused = [answer for answer in answers if answer.status_code == 503]
    assert all(answer.headers["retry-after"].isdecimal() for answer in refused)
