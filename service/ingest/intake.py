"""Intake of readings: the one order of steps from a request to an answer, whoever transports it.

1. admit: is there room for a body, before it is read
2. decode: bytes to rows; what cannot be read is refused
3. devices: may the key speak for all of them
4. charge: each reading takes a token of the key's rate
5. queue: to the writer, which tells when all is committed
6. conclude: what was refused goes into quarantine, and the answer says so

The endpoint takes these steps for any request, once its key is known, and the fast lane for the
usual one. Both read the request and write the answer, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus

import msgspec

from service.concurrency import told
from service.database.errors import DatabaseUnavailable
from service.http.answer import Answer, Header
from service.http.body import BodyRules
from service.http.problem import Fault, answer_to
from service.ingest.answers import NothingTaken, receipt
from service.ingest.destination import Destination, NotQueued
from service.ingest.line import Told
from service.ingest.quarantine import Quarantined
from service.ingest.store import Outcome
from service.keys.credential import credential_of
from service.keys.grant import Grant
from service.keys.keyring import Keyring
from service.settings import Settings
from service.traces.traceparent import Traceparent
from service.wire import (
    MEDIA_TYPES,
    Batch,
    MalformedBody,
    TooManyReadings,
    UndecodableBody,
    decode,
    raw_readings,
)

# what a request's line in the log tells beside the usual
Facts = dict[str, int | str]


class Unusual(Exception):
    """A delivery is not of the usual kind: nothing of it was charged or queued."""


class Delivery(msgspec.Struct, gc=False):
    """The readings of one request, on their way: who sends them, what came, what it was decoded to.

    `grant` is None where the service does without keys; `charged` are the tokens taken so far;
    `trace` is the client's span.
    """

    grant: Grant | None
    media_type: str = ""
    body: bytes = b""
    batch: Batch | None = None
    charged: int = 0
    trace: Traceparent | None = None

    @property
    def key_id(self) -> str | None:
        """The key that the readings came with."""
        return None if self.grant is None else self.grant.key_id

    def charge(self, tokens: int) -> None:
        """Let the delivery cost so many tokens of its key's rate in all, be it more or less."""
        if self.grant is not None:
            self.grant.charge(tokens - self.charged)
            self.charged = tokens


class Intake:
    """Takes readings, of any transport."""

    def __init__(self, writer: Destination, keyring: Keyring | None, settings: Settings) -> None:
        """`keyring`: None where the service does without keys."""
        self.keyring = keyring
        self.bodies = BodyRules(
            MEDIA_TYPES, settings.max_body_bytes, "Send the readings in smaller batches."
        )
        self._writer = writer
        self._max_readings = settings.max_readings

    async def delivery(self, headers: Iterable[Header], facts: Facts) -> Delivery:
        """Start a delivery, and charge for it whatever its body turns out to be.

        Raises Fault where the key may send no readings, DatabaseUnavailable.
        """
        if self.keyring is None:
            return Delivery(None)
        grant = await self.keyring.admit(credential_of(headers), "ingest")
        facts["key"] = grant.key_id
        begun = Delivery(grant)
        begun.charge(1)
        return begun

    def admit(self, delivery: Delivery, size_bytes: int) -> None:
        """See that there is room for a body, else let the delivery cost nothing.

        Worth asking before a body is read and decoded: under overload that is most of the work.
        Raises NotQueued, DatabaseUnavailable.
        """
        try:
            self._writer.admit(size_bytes)
        except (NotQueued, DatabaseUnavailable):
            delivery.charge(0)
            raise

    def take(
        self, delivery: Delivery, tell: Callable[[Told], None], *, if_usual: bool = False
    ) -> None:
        """Take the steps from decode to queue; `tell` is called once, with what became of it.

        `if_usual`: only where no reading is refused already. Raises Unusual where that is not so,
        or the key's devices are not known yet; also WireError, NotQueued, DatabaseUnavailable.
        """
        batch = delivery.batch
        if batch is None:
            batch = delivery.batch = decode(delivery.body, delivery.media_type, self._max_readings)
        if if_usual and batch.refused:
            raise Unusual
        if not _covers(delivery.grant, batch):
            raise Unusual
        before = delivery.charged
        delivery.charge(batch.size)
        if len(batch.refused) == batch.size:
            tell(Outcome(0, batch.refused, {}))
            return
        try:
            self._writer.queue(
                batch, len(delivery.body), tell, delivery.trace, key_id=delivery.key_id
            )
        except (NotQueued, DatabaseUnavailable):
            delivery.charge(before)
            raise

    async def answer(self, delivery: Delivery, facts: Facts) -> Answer:
        """Take a delivery whatever it is, and wait until all of it is committed or set aside.

        Raises Fault, DatabaseUnavailable, RuleViolation.
        """
        try:
            outcome = await self._taken(delivery)
        except TooManyReadings as error:
            raise Fault(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error)) from error
        except MalformedBody as error:
            raise await self.set_aside(delivery, error) from error
        return await self.conclude(delivery, outcome, facts)

    async def _taken(self, delivery: Delivery) -> Outcome:
        try:
            return await told(partial(self.take, delivery))
        except Unusual:
            await self._ask_devices(delivery)
        return await told(partial(self.take, delivery))

    async def _ask_devices(self, delivery: Delivery) -> None:
        """See that the key may speak for all devices. Raises Fault, DatabaseUnavailable."""
        grant, batch = delivery.grant, delivery.batch
        assert self.keyring and grant and batch  # noqa: S101, PT018  else all are covered
        try:
            await self.keyring.check_devices(grant, batch.meter_ids(), batch.vehicle_ids())
        except Fault:
            delivery.charge(batch.size)
            raise

    async def set_aside(self, delivery: Delivery, error: MalformedBody) -> Fault:
        """Put a body that cannot be read into quarantine; return the fault that it is.

        Raises DatabaseUnavailable, RuleViolation.
        """
        media_type, raw = delivery.media_type, delivery.body
        if isinstance(error, UndecodableBody):
            media_type, raw = f"{media_type}; content-encoding={error.encoding}", error.sent
        if raw:
            whole = Quarantined(None, "malformed", str(error), media_type, raw)
            await self._writer.keep([whole], delivery.key_id)
        self._writer.counts.body_refused()
        return Fault(HTTPStatus.BAD_REQUEST, str(error))

    async def conclude(self, delivery: Delivery, outcome: Outcome, facts: Facts) -> Answer:
        """Put what was refused into quarantine; return the answer, and count in `facts`.

        Raises DatabaseUnavailable, RuleViolation.
        """
        if not outcome.refused:
            return committed(delivery, outcome, facts)
        batch = _decoded(delivery)
        accepted = _count(facts, batch, outcome)
        facts["rejected"] = len(outcome.refused)
        raws = raw_readings(delivery.body, delivery.media_type)
        refused = sorted(outcome.refused, key=lambda one: one.index)
        kept = [
            Quarantined(
                r.index,
                r.reason,
                r.detail,
                delivery.media_type,
                raws[r.index],
                outcome.decoded.get(r.index),
            )
            for r in refused
        ]
        for place, detail in (await self._writer.keep(kept, delivery.key_id)).items():
            refused[place].detail = detail
        self._writer.counts.refused(one.reason for one in refused)
        if len(refused) == batch.size:
            return answer_to(NothingTaken(refused))
        return receipt(accepted, _duplicates(outcome), refused)


def committed(delivery: Delivery, outcome: Outcome, facts: Facts) -> Answer:
    """The answer where no reading was refused; counts in `facts`."""
    return receipt(_count(facts, _decoded(delivery), outcome), _duplicates(outcome), [])


def _covers(grant: Grant | None, batch: Batch) -> bool:
    """Whether it is known that the key may speak for all devices."""
    return (
        grant is None or grant.every_device or grant.covers(batch.meter_ids(), batch.vehicle_ids())
    )


def _count(facts: Facts, batch: Batch, outcome: Outcome) -> int:
    accepted = facts["accepted"] = batch.size - outcome.duplicates - len(outcome.refused)
    if outcome.duplicates:
        facts["duplicates"] = outcome.duplicates
    return accepted


def _duplicates(outcome: Outcome) -> int | None:
    """How many were there already; None where that is not known yet."""
    return None if outcome.buffered else outcome.duplicates


def _decoded(delivery: Delivery) -> Batch:
    assert delivery.batch is not None  # noqa: S101  take() decodes it
    return delivery.batch
