"""Lookout over the buffer: what its workers have not stored, how old that is, and how safe.

Of the group it asks by old calls of a client: the newer ones of librdkafka's that go to a group's
coordinator abort the process where a broker is lost meanwhile (librdkafka's issue 4605).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import ListOffsetsResultInfo, OffsetSpec

from service.buffer.address import Address
from service.buffer.stored_until import stored_until_ms
from service.buffer.taken import Place, place_of
from service.buffer.topic import Settings, settings_of
from service.metrics.exposition import BUFFER_DELAY, BUFFER_LAG, BUFFER_WORKERS, Found

_log = logging.getLogger(__name__)

_PATIENCE_SECONDS = 3.0
# settings of a topic hardly ever change
_SETTINGS_SECONDS = 60.0

# a broker that is lost costs a look or two
_FAILURES = 4
_IN_TIME = {"request_timeout": _PATIENCE_SECONDS}

Offsets = Mapping[Place, TopicPartition]


class Seen(msgspec.Struct):
    """What one look saw; None: not known.

    `lag`: records of each partition that are not stored; `delay_seconds`: age of the oldest one.
    """

    lag: dict[Place, int] | None = None
    delay_seconds: float | None = None
    workers: int | None = None
    replicas_in_sync: int | None = None


class Lookout:
    """Looks when it is asked to, which one process of the service does for all."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._topics = tuple(filter(None, (address.topic, address.gateway_topic)))
        # its types say nothing of what comes
        self._admin: Any = None
        # never in the group: it asks for the group's offsets
        self._client: Consumer | None = None
        self._settings = Settings(None, None, None, None)
        self._settings_at = -_SETTINGS_SECONDS
        # in a row
        self._failures = 0
        self._looking: asyncio.Future[Seen] | None = None

    async def found(self) -> list[Found]:
        """What is known now, as gauges; what is not known has none."""
        if self._looking is None:
            self._looking = asyncio.ensure_future(asyncio.to_thread(self._look))
        # one that waits for brokers is waited for again the next time
        await asyncio.wait([self._looking], timeout=_PATIENCE_SECONDS)
        if not self._looking.done():
            return []
        looked, self._looking = self._looking, None
        return self._shown(looked.result())

    def _shown(self, seen: Seen) -> list[Found]:
        found: list[Found] = []
        if seen.lag is not None:
            about = "Records of a partition that no worker has stored."
            found += [
                Found(BUFFER_LAG, about, count, "partition", f"{topic}/{number}")
                for (topic, number), count in sorted(seen.lag.items())
            ]
        topic = self._settings
        for name, about, value in (
            (BUFFER_DELAY, "Age of the oldest record that is not stored.", seen.delay_seconds),
            (BUFFER_WORKERS, "Workers that the group of the buffer has.", seen.workers),
            ("buffer_replicas", "Least replicas of a partition.", topic.replicas),
            ("buffer_in_sync_replicas", "Least replicas in sync.", seen.replicas_in_sync),
            ("buffer_min_in_sync_replicas", "How many acknowledge.", topic.in_sync),
            ("buffer_retention_seconds", "How long records are kept.", topic.kept_seconds),
        ):
            if value is not None:
                found.append(Found(name, about, value))
        return found

    def _look(self) -> Seen:
        if self._client is None:
            self._admin = AdminClient(self._address.client("lookout"))
            self._client = Consumer(
                self._address.client(
                    "lookout", **{"group.id": self._address.group, "enable.auto.commit": False}
                )
            )
        admin, client = self._admin, self._client
        seen = Seen()
        try:
            topics = admin.list_topics(timeout=_PATIENCE_SECONDS).topics
            places: list[Place] = []
            for topic in self._topics:
                if topic not in topics:
                    raise KafkaException(f"there is no topic {topic}")
                places += [(topic, number) for number in topics[topic].partitions]
            in_sync = [len(topics[topic].partitions[number].isrs) for topic, number in places]
            seen.replicas_in_sync = min(in_sync, default=None)
            if time.monotonic() - self._settings_at >= _SETTINGS_SECONDS:
                found = [settings_of(admin, topic, _PATIENCE_SECONDS) for topic in self._topics]
                self._settings = Settings(*map(_least, zip(*found, strict=True)))
                self._settings_at = time.monotonic()
            lag, waiting = self._waiting(admin, client, places)
            seen.lag = lag
            seen.delay_seconds = self._age(admin, waiting)
            # last, since it waits for all brokers
            seen.workers = self._workers(admin)
        except (KafkaException, TimeoutError) as error:
            self._failures += 1
            if self._failures == _FAILURES:
                _log.warning("what waits in the buffer is not known, asking on: %s", error)
        else:
            self._failures = 0
        return seen

    def _workers(self, admin: Any) -> int:
        groups = admin.list_groups(self._address.group, timeout=_PATIENCE_SECONDS)
        return sum(len(group.members) for group in groups)

    def _waiting(
        self, admin: Any, client: Consumer, places: list[Place]
    ) -> tuple[dict[Place, int], dict[Place, int | None]]:
        """How many records wait, and of partitions with any from when on, in ms since 1970.

        None: an offset was committed by something else than a worker, which says nothing of that.
        """
        asked = [TopicPartition(*place) for place in places]
        told = client.committed(asked, timeout=_PATIENCE_SECONDS)
        committed = {place_of(one): one for one in told}
        ends = _ends(admin, {place: OffsetSpec.latest() for place in places})
        new = [place for place in places if _offset(committed, place) is None]
        firsts = _ends(admin, {place: OffsetSpec.earliest() for place in new}) if new else {}
        lag: dict[Place, int] = {}
        waiting: dict[Place, int | None] = {}
        for place in places:
            offset = _offset(committed, place)
            begin = firsts[place].offset if offset is None else offset
            lag[place] = max(ends[place].offset - begin, 0)
            if lag[place]:
                until = -1 if offset is None else stored_until_ms(committed[place])
                waiting[place] = None if until is None else until + 1
        return lag, waiting

    def _age(self, admin: Any, waiting: dict[Place, int | None]) -> float | None:
        """Age of the oldest record among those from the given times on; None if one is unknown."""
        if not waiting:
            return 0.0
        known = {place: since for place, since in waiting.items() if since is not None}
        if len(known) < len(waiting):
            return None
        specs = {place: OffsetSpec.for_timestamp(since) for place, since in known.items()}
        sent = [one.timestamp for one in _ends(admin, specs).values() if one.timestamp >= 0]
        # none: the one that waits was sent in the same millisecond as the last one that is stored
        sent = sent or list(known.values())
        return max(time.time() - min(sent) / 1000, 0.0)


def _ends(admin: Any, specs: Mapping[Place, Any]) -> dict[Place, ListOffsetsResultInfo]:
    asked = {TopicPartition(*place): spec for place, spec in specs.items()}
    return {
        place_of(one): found for one, found in _of(admin.list_offsets(asked, **_IN_TIME)).items()
    }


def _least(values: Iterable[Any]) -> Any:
    """The least of those that are known; None where none is."""
    return min((value for value in values if value is not None), default=None)


def _offset(committed: Offsets, place: Place) -> int | None:
    """The offset of a partition that is committed; None where none is."""
    found = committed.get(place)
    if found is None:
        return None
    # first: what could not be told has no offset either
    if found.error is not None:
        raise KafkaException(found.error)
    return found.offset if found.offset >= 0 else None


def _of(futures: Mapping[Any, Future[Any]]) -> dict[Any, Any]:
    return {key: future.result(_PATIENCE_SECONDS) for key, future in futures.items()}
