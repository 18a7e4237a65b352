"""Senders: each change arrives once, whoever is slow, killed, or away meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import psycopg
import pytest
from litestar.testing import TestClient

from service.app import create_app
from service.settings import Settings
from service.webhooks.counts import RESULTS, WebhookCounts
from service.webhooks.sender import Sender
from tests.support.http import wait_for, wait_until_ready
from tests.support.process import COMMAND, end, serving
from tests.support.receiver import Received, Receiver, answers, receiving
from tests.support.server import Server, at_database
from tests.webhooks.conftest import Ledger

REACHED = {"WATTLEDGER_WEBHOOK_PRIVATE": "127.0.0.1", "WATTLEDGER_WEBHOOK_HTTP": "on"}


def start_deliver(service_url: str, log: Path, *options: str) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            [COMMAND, "webhook", "deliver", *options],
            env={**os.environ, "DATABASE_URL": service_url, **REACHED},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def totals(counts: WebhookCounts) -> dict[str, int]:
    return {result: counts.total(result) for result in RESULTS}


def test_each_change_arrives_once_and_in_order(
    ledger: Ledger, receiver: Receiver, deliver: Callable[[], None]
) -> None:
    ledger.webhook(url=receiver.url)
    for _ in range(10):
        alert_id = ledger.alert()
        for change in ("worsened", "acknowledged", "closed"):
            ledger.change(alert_id, change)
    deliver()
    deliver()
    assert set(ledger.states()) == {"delivered"}
    messages = [request.message["data"] for request in receiver.received]
    assert len({one["changeId"] for one in messages}) == len(messages) == 40
    by_alert: dict[int, list[str]] = {}
    for one in messages:
        by_alert.setdefault(one["alertId"], []).append(one["change"])
    in_order = ["opened", "worsened", "acknowledged", "closed"]
    assert list(by_alert.values()) == [in_order] * 10
    assert receiver.most_at_once <= 4


def test_what_fails_is_noted_counted_and_tried_again(
    ledger: Ledger, receiver: Receiver, sending: Callable[..., None]
) -> None:
    receiver.answer = answers(500, b"out of order")
    ledger.webhook(url=receiver.url)
    ledger.alert()

    async def twice(sender: Sender, counts: WebhookCounts) -> None:
        await sender.deliver_due()
        (row,) = ledger.deliveries()
        assert (row["state"], row["attempts"], row["last_status"]) == ("pending", 1, 500)
        assert row["last_error"] == "status 500: out of order"
        assert totals(counts) == {"delivered": 0, "failed": 1, "dead": 0}
        await sender.deliver_due()
        assert len(receiver.received) == 1
        ledger.let_pass("15 seconds")
        receiver.answer = answers(410)
        await sender.deliver_due()
        assert totals(counts) == {"delivered": 0, "failed": 1, "dead": 1}

    sending(twice)
    first, second = receiver.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert ledger.states() == ["dead"]


def test_a_slow_receiver_holds_up_no_other(
    ledger: Ledger, receiver: Receiver, sending: Callable[..., None]
) -> None:
    release = threading.Event()
    receiver.answer = lambda _request, _peer: release.wait(30)
    with receiving() as quick:
        ledger.webhook("slow", receiver.url)
        ledger.webhook("quick", quick.url)
        for _ in range(12):
            ledger.alert()

        async def until_quick(sender: Sender, _: WebhookCounts) -> None:
            sender.start()
            await asyncio.to_thread(quick.wait_for, 12)
            await asyncio.to_thread(receiver.wait_for, 4)
            assert receiver.at_once == receiver.most_at_once == 4
            release.set()

        sending(until_quick)


def test_two_senders_share_what_is_due(
    ledger: Ledger, receiver: Receiver, service_url: str, tmp_path: Path
) -> None:
    receiver.answer = lambda request, peer: (time.sleep(0.02), answers(204)(request, peer))[1]
    for number in range(3):
        ledger.webhook(f"w{number}", receiver.url)
    for _ in range(20):
        ledger.alert()
    log = tmp_path / "log"
    senders = [start_deliver(service_url, log, "--once") for _ in range(2)]
    assert [sender.wait(60) for sender in senders] == [0, 0], log.read_text()
    assert ledger.states() == ["delivered"] * 60
    assert len(receiver.received) == 60
    assert receiver.most_at_once <= 12


def test_what_a_killed_sender_had_claimed_is_delivered_with_the_same_id(
    ledger: Ledger, receiver: Receiver, service_url: str, tmp_path: Path
) -> None:
    receiver.answer = lambda _request, _peer: time.sleep(5)
    ledger.webhook(url=receiver.url)
    ledger.alert()
    sender = start_deliver(service_url, tmp_path / "log")
    receiver.wait_for(1)
    # the receiver has it, and nobody notes that
    sender.kill()
    sender.wait()
    assert ledger.states() == ["pending"]
    receiver.answer = answers(200)
    after = start_deliver(service_url, tmp_path / "log")
    try:
        time.sleep(0.3)
        assert len(receiver.received) == 1
        ledger.let_pass("1 minute")
        first, second = receiver.wait_for(2)
        wait_for(lambda: ledger.states() == ["delivered"])
    finally:
        end(after)
    assert after.returncode == 0
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


def test_a_sender_that_is_stopped_notes_what_was_about_to_end(
    ledger: Ledger, receiver: Receiver, service_url: str, tmp_path: Path
) -> None:
    def slowly(request: Received, peer: Any) -> None:
        time.sleep(0.5)
        answers(200)(request, peer)

    receiver.answer = slowly
    ledger.webhook(url=receiver.url)
    ledger.alert()
    sender = start_deliver(service_url, tmp_path / "log")
    receiver.wait_for(1)
    sender.send_signal(signal.SIGTERM)
    assert sender.wait(10) == 0
    assert ledger.states() == ["delivered"]


def test_what_arrived_while_the_database_is_away_is_noted_when_it_is_back(
    ledger: Ledger,
    receiver: Receiver,
    sending: Callable[..., None],
    database_server: Server,
    database_url: str,
) -> None:
    ledger.webhook(url=receiver.url)
    ledger.alert()
    name = ledger.connection.info.dbname

    def reopen(is_open: bool) -> None:
        with psycopg.connect(at_database(database_url, "postgres"), autocommit=True) as other:
            other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {is_open}')  # pyright: ignore[reportArgumentType]
            if not is_open:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                    " AND usename = 'wattledger_service'",
                    [name],
                )

    def take_away(request: Received, peer: Any) -> None:
        reopen(False)
        threading.Timer(1.5, reopen, [True]).start()
        answers(200)(request, peer)

    async def once(sender: Sender, counts: WebhookCounts) -> None:
        receiver.answer = take_away
        await sender.start_due()
        await asyncio.to_thread(wait_for, lambda: counts.total("delivered"))

    sending(once)
    assert ledger.states() == ["delivered"]
    assert len(receiver.received) == 1


@pytest.mark.slow
def test_a_service_of_two_workers_delivers_once_and_tells_no_secret(
    ledger: Ledger, receiver: Receiver, service_url: str, tmp_path: Path
) -> None:
    secret_url = f"{receiver.url}/s3cret-path"
    secret = ledger.webhook(url=secret_url)
    log = tmp_path / "log"
    with serving(service_url, "--workers", "2", output=log, **REACHED):
        alert_id = ledger.alert()
        receiver.wait_for(1)
        receiver.answer = answers(410)
        ledger.change(alert_id, "closed")
        receiver.wait_for(2)
        wait_for(lambda: ledger.states() == ["delivered", "dead"])
    told = log.read_text()
    assert "given up: <attempt 1 of alert_change_2 to pager>: status 410" in told
    bare = secret.removeprefix("whsec_")
    assert len(receiver.received) == 2
    for one in (secret, bare, "s3cret-path", receiver.received[0].headers["webhook-signature"]):
        assert one not in told
    shown = json.dumps(
        [ledger.deliveries(), ledger._rows("SELECT * FROM bi.webhook_dead_letter")], default=str
    )
    assert "s3cret-path" not in shown


@pytest.mark.parametrize("webhooks", ["on", "off"])
def test_a_service_delivers_unless_it_is_told_not_to(
    ledger: Ledger, receiver: Receiver, service_url: str, webhooks: Literal["on", "off"]
) -> None:
    ledger.webhook(url=receiver.url)
    ledger.alert()
    settings = Settings(webhooks=webhooks, webhook_private="127.0.0.1", webhook_http="on")
    with TestClient(create_app(service_url, settings)) as client:
        wait_until_ready(lambda: client.get("/health/ready").status_code)
        if webhooks == "on":
            wait_for(lambda: ledger.states() == ["delivered"])
        else:
            # one that delivered would look at its start
            time.sleep(0.5)
            assert (receiver.received, ledger.states()) == ([], ["pending"])
