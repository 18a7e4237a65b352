"""Sender of webhooks: claims what is due, posts it, and notes what became of it."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic

import msgspec

from service.background import ended
from service.database.errors import DatabaseError, DatabaseUnavailable
from service.database.pool import Database
from service.settings import Settings
from service.webhooks.counts import WebhookCounts
from service.webhooks.network import Resolve
from service.webhooks.posting import Delivery, Outcome, Poster

_log = logging.getLogger(__name__)

# how often to look for what is due
_LOOK_SECONDS = 2.0
# deliveries of one webhook that run at once, by all senders: a slow one holds up itself alone
_PER_WEBHOOK = 4
# after that what was claimed is due again: more than a request takes, and time to note it
_LEASE_SECONDS = 60.0
_NOTE_AGAIN_SECONDS = 1.0
_FORGET_SECONDS = 3600.0
# what runs when the service ends may end well
_LAST_SECONDS = 3.0


class _State(msgspec.Struct, frozen=True):
    state: str


class _Forgotten(msgspec.Struct, frozen=True):
    forgotten: int


@asynccontextmanager
async def sending(
    conninfo: str,
    settings: Settings,
    counts: WebhookCounts | None = None,
    leads: Callable[[], bool] = lambda: True,
    resolve: Resolve | None = None,
) -> AsyncGenerator[Sender]:
    """A sender on a connection of its own, to be started; it is stopped at the end.

    `leads`: whether it is this process that delivers, among those that are alike. `resolve`: who
    is asked for addresses, the system unless told.
    """
    # none is made where this process does not lead
    database = Database(conninfo, settings, connections=1, idle_connections=0)
    poster = Poster(settings, resolve)
    sender = Sender(database, poster, settings, counts or WebhookCounts(), leads)
    await database.open()
    try:
        yield sender
    finally:
        await sender.stop()
        poster.close()
        await database.close()


class Sender:
    """Delivers until it is stopped.

    Several senders share what is due. One that dies leaves its claims to others, who may then send
    again what was received but not noted: the message's id is the same.
    """

    def __init__(
        self,
        database: Database,
        poster: Poster,
        settings: Settings,
        counts: WebhookCounts,
        leads: Callable[[], bool],
    ) -> None:
        """As `sending` has it."""
        # whose use is shown
        self.database = database
        self._poster = poster
        self._base_url = settings.public_url.rstrip("/") or settings.root_path
        self._counts = counts
        self._leads = leads
        self._task: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        self._forget_at = 0.0

    def start(self) -> None:
        """Start to deliver in the background."""
        self._task = asyncio.create_task(self._deliver_for_ever())

    async def stop(self) -> None:
        """End; what runs has a moment to, and what does not is due again after its lease."""
        await ended(self._task)
        if self._running:
            await asyncio.wait(self._running, timeout=_LAST_SECONDS)
        await ended(*self._running)

    async def deliver_due(self) -> None:
        """Deliver all that is due now and what that makes due, once each. Raises DatabaseError."""
        while await self.start_due() or self._running:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)

    async def start_due(self) -> int:
        """Claim what is due and start to deliver it; return how many. Raises DatabaseError."""
        claimed = await self.database.all(
            Delivery,
            "SELECT c.webhook_id, c.change_id, c.attempt, c.url, c.message_id, c.signed_at,"
            " c.signatures, c.body FROM api.claim_webhook_deliveries("
            "base_url => %s::text, per_webhook => %s::integer, lease => make_interval(secs => %s)"
            ") AS c",
            self._base_url,
            _PER_WEBHOOK,
            _LEASE_SECONDS,
        )
        for delivery in claimed:
            task = asyncio.create_task(self._deliver(delivery))
            self._running.add(task)
            task.add_done_callback(self._has_ended)
        return len(claimed)

    async def forget(self) -> int:
        """Remove deliveries that are old; return how many. Raises DatabaseError."""
        total = 0
        while row := await self.database.one(
            _Forgotten, "SELECT f.forgotten FROM api.forget_webhook_deliveries() AS f (forgotten)"
        ):
            if not row.forgotten:
                break
            total += row.forgotten
        return total

    async def _deliver_for_ever(self) -> None:
        failed = False
        while True:
            self._ended.clear()
            try:
                if self._leads():
                    await self.start_due()
                    await self._forget_seldom()
                failed = False
            except DatabaseError as error:
                # once for an outage, however long
                if not failed:
                    _log.warning("webhooks wait for the database: %s", error)
                failed = True
            except Exception:
                if not failed:
                    _log.exception("webhooks are not delivered, which is tried again")
                failed = True
            # what ends makes room, and perhaps what comes after it due
            with suppress(TimeoutError):
                # not all services at the same moment
                wait_seconds = _LOOK_SECONDS * random.uniform(0.8, 1)  # noqa: S311  no secret
                async with asyncio.timeout(wait_seconds):
                    await (asyncio.Event() if failed else self._ended).wait()

    async def _forget_seldom(self) -> None:
        if monotonic() >= self._forget_at:
            self._forget_at = monotonic() + _FORGET_SECONDS
            await self.forget()

    def _has_ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._ended.set()

    async def _deliver(self, delivery: Delivery) -> None:
        until = monotonic() + _LEASE_SECONDS
        try:
            outcome = await self._poster.post(delivery)
        except Exception as error:
            # it counts as an attempt, or it would be tried for ever
            _log.exception("a webhook cannot be posted: %r", delivery)
            outcome = Outcome(None, f"an error of the service: {type(error).__name__}")
        state = await self._noted(delivery, outcome, until)
        if state is not None:
            self._counts.count(state)
        if state == "dead":
            _log.warning("given up: %r: %s", delivery, outcome.error)

    async def _noted(self, delivery: Delivery, outcome: Outcome, until: float) -> str | None:
        """Note what became of it; return its state then, None where it is no longer ours."""
        while True:
            try:
                row = await self.database.one(
                    _State,
                    "SELECT n.state FROM api.note_webhook_delivery("
                    "webhook_id => %s::text, change_id => %s::bigint, attempt => %s::integer,"
                    " status => %s::integer, error => %s::text,"
                    " retry_after_seconds => %s::double precision) AS n",
                    delivery.webhook_id,
                    delivery.change_id,
                    delivery.attempt,
                    outcome.status,
                    outcome.error,
                    outcome.retry_after_seconds,
                )
            except DatabaseUnavailable as error:
                # once the claim is over, another attempt has begun
                if monotonic() > until:
                    _log.warning("%r: what became of it is not noted: %s", delivery, error)
                    return None
                await asyncio.sleep(_NOTE_AGAIN_SECONDS)
            except DatabaseError as error:
                _log.warning("%r: what became of it cannot be noted: %s", delivery, error)
                return None
            else:
                return row.state if row else None
