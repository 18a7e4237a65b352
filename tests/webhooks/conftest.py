"""Alerts and webhooks of a test's own database, senders on it, and a receiver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from service.settings import Settings
from service.webhooks.counts import WebhookCounts
from service.webhooks.sender import Sender
from service.webhooks.sender import sending as sending_on
from tests.support.receiver import Receiver, receiving

Connection = psycopg.Connection[Any]
Work = Callable[[Sender, WebhookCounts], Coroutine[Any, Any, None]]


class Ledger:
    """What a test says and asks of alerts and webhooks."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def webhook(
        self, name: str = "pager", url: str = "https://hooks.example/x", **more: Any
    ) -> str:
        """Make a webhook; return its secret."""
        named = "".join(f", {key} => %({key})s" for key in more)
        row = self.connection.execute(
            f"SELECT ops.set_webhook(%(webhook)s, %(url)s{named})",  # pyright: ignore[reportArgumentType]
            {"webhook": name, "url": url, **more},
        ).fetchone()
        assert row is not None
        return row[0]

    def alert(self, kind: str = "degraded", severity: str = "warning", **detail: Any) -> int:
        """Open an alert; return its id."""
        row = self.connection.execute(
            "INSERT INTO telemetry.alert (kind, meter_id, severity, since, cause, detail)"
            " VALUES (%s, 'M-1', %s, '2026-01-31 12:00+00', 'wiring', %s) RETURNING alert_id",
            [kind, severity, psycopg.types.json.Jsonb(detail)],
        ).fetchone()
        assert row is not None
        self.change(row[0], "opened")
        return row[0]

    def change(self, alert_id: int, change: str, **detail: Any) -> int:
        """Note a change of an alert; return its id."""
        row = self.connection.execute(
            "INSERT INTO telemetry.alert_change (alert_id, change, detail) VALUES (%s, %s, %s)"
            " RETURNING change_id",
            [alert_id, change, psycopg.types.json.Jsonb(detail)],
        ).fetchone()
        assert row is not None
        return row[0]

    def claim(self, lease: str = "1 minute", per_webhook: int = 4) -> list[dict[str, Any]]:
        """Claim what is due."""
        return self._rows(
            "SELECT * FROM api.claim_webhook_deliveries('', %s, %s::interval)", per_webhook, lease
        )

    def note(self, claimed: dict[str, Any], status: int | None = None, **more: Any) -> str | None:
        """Note what became of a claim; return the delivery's state."""
        rows = self._rows(
            "SELECT * FROM api.note_webhook_delivery(%s, %s, %s, %s, %s, %s)",
            *(claimed["webhook_id"], claimed["change_id"], claimed["attempt"], status),
            *(more.get("error"), more.get("retry_after")),
        )
        return rows[0]["state"] if rows else None

    def deliveries(self) -> list[dict[str, Any]]:
        """What bi.webhook_delivery has, in order of changes."""
        return self._rows("SELECT * FROM bi.webhook_delivery ORDER BY webhook, change_id")

    def states(self) -> list[str]:
        """The state of each delivery, in order of changes."""
        return [row["state"] for row in self.deliveries()]

    def let_pass(self, interval: str) -> None:
        """Move all times of deliveries and secrets into the past."""
        self.connection.execute(
            "UPDATE telemetry.webhook_delivery SET queued_at = queued_at - %(by)s::interval,"
            " next_attempt_at = next_attempt_at - %(by)s::interval,"
            " leased_until = leased_until - %(by)s::interval,"
            " attempted_at = attempted_at - %(by)s::interval,"
            " ended_at = ended_at - %(by)s::interval",
            {"by": interval},
        )
        self.connection.execute(
            "UPDATE telemetry.webhook SET former_secret_until = former_secret_until - %s::interval",
            [interval],
        )

    def _rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, parameters).fetchall()  # pyright: ignore[reportArgumentType]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


@pytest.fixture
def ledger(connection: Connection) -> Ledger:
    return Ledger(connection)


@pytest.fixture
def sending(service_url: str) -> Callable[..., None]:
    """Runs work with a sender on the test's database that may reach this machine by http."""

    def run(work: Work, **given: Any) -> None:
        private = {"webhook_private": "127.0.0.0/8", "webhook_http": "on"}
        settings = Settings(**{**private, **given})

        counts = WebhookCounts()

        async def whole() -> None:
            async with sending_on(service_url, settings, counts) as sender:
                await work(sender, counts)

        asyncio.run(whole())

    return run


@pytest.fixture
def deliver(sending: Callable[..., None]) -> Callable[[], None]:
    """Delivers all that is due, once."""

    async def once(sender: Sender, _: WebhookCounts) -> None:
        await sender.deliver_due()

    return lambda: sending(once)
