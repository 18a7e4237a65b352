"""Outgoing readings of a partition: groups of what many requests sent, a record each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from service.buffer.faults import NotAcknowledged
from service.buffer.record import Share, encoded
from service.buffer.sender import MOST_BYTES, Delivered, Sender
from service.ingest.line import Told
from service.ingest.store import Outcome
from service.wire import Batch


class Waiting:
    """A batch whose records are not all acknowledged."""

    def __init__(
        self,
        batch: Batch,
        size_bytes: int,
        tell: Callable[[Told], None],
        settled: Callable[[Waiting], None],
    ) -> None:
        """`settled` is called before `tell` is, once."""
        self.batch = batch
        self.bytes = size_bytes
        self.records = 0
        self._tell = tell
        self._settled = settled
        self._failed = False

    def count(self, problem: str | None) -> None:
        """Take a record as done, well or not; where it was the last one, tell who waits."""
        self.records -= 1
        self._failed = self._failed or problem is not None
        if self.records:
            return
        self._settled(self)
        if self._failed:
            self._tell(NotAcknowledged())
        else:
            self._tell(Outcome(0, list(self.batch.refused), {}, buffered=True))


class Outgoing:
    """What waits to be sent to a partition, and what is on its way there.

    A group is what came while the record before was under way, as with the writer's lines.
    """

    def __init__(
        self, partition: int, sender: Sender, group_readings: int, note: Delivered
    ) -> None:
        """`note` is told of each record; one more is sent where so many readings wait."""
        self._partition = partition
        self._sender = sender
        self._group_readings = group_readings
        self._note = note
        self._shares: dict[str | None, Share] = {}
        self._waiting: list[Waiting] = []
        self._readings = 0
        self._under_way = 0

    def share(self, key_id: str | None, waiting: Waiting) -> Share:
        """Where readings of a batch are to be put that came with a key."""
        waiting.records += 1
        self._waiting.append(waiting)
        share = self._shares.get(key_id)
        if share is None:
            share = self._shares[key_id] = Share(key_id, [], [])
        return share

    def added(self, readings: int) -> None:
        """So many readings were put there: send them, if it is their turn."""
        self._readings += readings
        self._send_if_due()

    def _send_if_due(self) -> None:
        if self._waiting and (not self._under_way or self._readings >= self._group_readings):
            shares, self._shares = list(self._shares.values()), {}
            group, self._waiting = self._waiting, []
            self._readings = 0
            self._send(shares, group)

    def _send(self, shares: list[Share], group: list[Waiting]) -> None:
        """Send a group's readings, in as many records as brokers take."""
        value = encoded(shares)
        if len(value) > MOST_BYTES and sum(map(len, shares)) > 1:
            for waiting in group:
                waiting.records += 1
            for half in _halves(shares):
                self._send(half, group)
            return

        def told(problem: str | None) -> None:
            self._under_way -= 1
            self._note(problem)
            _count(group, problem)
            self._send_if_due()

        self._under_way += 1
        if not self._sender.send(self._partition, value, told):
            self._under_way -= 1
            # not now: who queued the batch does not expect to be told yet
            asyncio.get_running_loop().call_soon(_count, group, "there is no room")


def _count(group: list[Waiting], problem: str | None) -> None:
    for waiting in group:
        waiting.count(problem)


def _halves(shares: list[Share]) -> tuple[list[Share], list[Share]]:
    """The readings of shares in two parts, neither of which is empty where there are two."""
    if len(shares) > 1:
        middle = len(shares) // 2
        return shares[:middle], shares[middle:]
    [share] = shares
    meters, vehicles = (len(share.meters) + 1) // 2, len(share.vehicles) // 2
    return (
        [Share(share.key_id, share.meters[:meters], share.vehicles[:vehicles])],
        [Share(share.key_id, share.meters[meters:], share.vehicles[vehicles:])],
    )
