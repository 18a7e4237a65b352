"""Posting of a simulated fleet by the functions that the service calls, in large groups."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, LiteralString

import psycopg

from service.database.conninfo import completed
from service.demo import settling
from service.demo.channel import Sent
from service.demo.plan import MINUTES_A_DAY, Plan, moment_of
from service.demo.simulation import Exchange, Hour, Link
from service.ingest import calls
from service.ingest.arrays import METER, VEHICLE, Kind, adapt, columns

Connection = psycopg.Connection[tuple[Any, ...]]
# per call; larger ones take longer per reading
_GROUP = 12_000
# groups that are made or written at a time
_AHEAD = 2
_LINKS = """
SELECT count(api.put_charging_link(l.vehicle_id, l.meter_id, l.since, l.until, replace => TRUE))
FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])
    AS l (vehicle_id, meter_id, since, until)
"""
_EXCHANGE = """
SELECT ops.exchange_meter(e.device, e.at, e.final, e.initial, 'the work order of the simulation')
FROM (VALUES (%s::text, %s::timestamptz, %s::numeric, %s::numeric))
    AS e (device, at, final, initial)
-- one that goes on after it was killed may have recorded it already
WHERE NOT EXISTS (
    SELECT FROM bi.ledger_record AS r
    WHERE r.record = 'exchange' AND r.side || ':' || r.device_id = e.device AND r.happened_at = e.at
)
"""


class Refused(Exception):
    """A reading of the simulation was not accepted; the message has it, and why."""


class Poster:
    """Two connections that write side by side: one has the meters, one the vehicles.

    `reached` counts the readings that were posted, duplicates included; all that arrived before the
    hour `written`, counted since 1970, is stored.
    """

    def __init__(self, url: str) -> None:
        self._meters, self._vehicles = connect(url), connect(url)
        # a thread for each, in which what is posted waits in its order
        self._for_meters, self._for_vehicles = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._waiting: deque[tuple[int, list[Future[None]]]] = deque()
        self.reached = 0
        self.written = 0

    def close(self) -> None:
        """Wait for what is under way, and close."""
        for pool in (self._for_meters, self._for_vehicles):
            pool.shutdown(cancel_futures=True)
        self._meters.close()
        self._vehicles.close()

    def post(self, hours: Sequence[Hour]) -> None:
        """Post hours that follow one another, while those of the calls before are being written.

        Raises Refused, psycopg.Error.
        """
        meters = [_Call(calls.METERS, METER, sent) for sent in _parts(one.meters for one in hours)]
        vehicles = [
            _Call(calls.VEHICLES, VEHICLE, sent) for sent in _parts(one.vehicles for one in hours)
        ]
        while len(self._waiting) >= _AHEAD:
            self._finish_first()
        self._waiting.append(
            (
                hours[-1].number + 1,
                [
                    self._for_meters.submit(
                        _write_all,
                        self._meters,
                        meters,
                        [one for hour in hours for one in hour.links],
                    ),
                    self._for_vehicles.submit(_write_all, self._vehicles, vehicles),
                ],
            )
        )
        self.reached += sum(len(one.meters) + len(one.vehicles) for one in hours)
        if exchanges := [one for hour in hours for one in hour.exchanges]:
            self.finish()
            record_exchanges(self._meters, exchanges)

    def settle(self, told: Callable[[int], None]) -> None:
        """Settle what was posted, on both connections. Raises psycopg.Error."""
        self.finish()
        for future in [
            self._for_meters.submit(settling.settle, self._meters, told),
            self._for_vehicles.submit(settling.settle, self._vehicles, told),
        ]:
            future.result()

    def keep_charging(self, told: Callable[[int], None]) -> None:
        """Keep charging of what was settled. Raises psycopg.Error."""
        settling.keep_charging(self._meters, told)

    def finish(self) -> None:
        """Wait until all is written that was posted. Raises Refused, psycopg.Error."""
        while self._waiting:
            self._finish_first()

    def _finish_first(self) -> None:
        until, futures = self._waiting[0]
        for future in futures:
            future.result()
        self._waiting.popleft()
        self.written = until


def post_all(
    poster: Poster,
    hours: Iterator[Hour],
    since: datetime,
    until: datetime,
    told: Callable[[int], None],
) -> Hour:
    """Post what arrives from a full hour to a time, in order; return what is left of the last hour.

    `told` is called with an hour now and then: how far it got.
    """
    end = int(until.timestamp())
    group: list[Hour] = []
    for hour in hours:
        if (hour.number + 1) * 3600 > end:
            break
        if (hour.number + 1) * 3600 <= since.timestamp():
            told(hour.number)
            continue
        group.append(hour)
        if sum(len(one.meters) + len(one.vehicles) for one in group) >= _GROUP:
            poster.post(group)
            group = []
            told(hour.number)
    else:  # pragma: no cover  hours have no end
        raise AssertionError
    now, later = parted(hour, end)
    poster.post([*group, now])
    poster.finish()
    poster.written = hour.number
    told(hour.number)
    return later


def parted(hour: Hour, second: int) -> tuple[Hour, Hour]:
    """What arrives of an hour up to a second, with links and records, and what arrives later."""
    now = Hour(hour.number, links=hour.links, exchanges=hour.exchanges)
    later = Hour(hour.number)
    for sent in hour.meters:
        (now if sent.at <= second else later).meters.append(sent)
    for sent in hour.vehicles:
        (now if sent.at <= second else later).vehicles.append(sent)
    return now, later


def post_now(connection: Connection, hour: Hour) -> None:
    """Post an hour on one connection. Raises Refused, psycopg.Error."""
    put_links(connection, hour.links)
    _Call(calls.METERS, METER, hour.meters).write(connection)
    _Call(calls.VEHICLES, VEHICLE, hour.vehicles).write(connection)
    record_exchanges(connection, hour.exchanges)


def put_links(connection: Connection, links: Sequence[Link]) -> None:
    """Say which meter feeds which vehicle."""
    if links:
        connection.execute(
            _LINKS,
            [
                [link.vehicle_id for link in links],
                [link.meter_id for link in links],
                [link.since for link in links],
                [link.until for link in links],
            ],
        )


def record_exchanges(connection: Connection, exchanges: Sequence[Exchange]) -> None:
    """Record meters that were replaced, as a DBA does."""
    for one in exchanges:
        kwh = (Decimal(one.final) / 10**6, Decimal(one.initial) / 10**6)
        connection.execute(_EXCHANGE, [one.device, one.at, *kwh])


def connect(url: str) -> Connection:
    connection = psycopg.connect(
        completed(url), autocommit=True, connect_timeout=10, application_name="wattledger demo"
    )
    adapt(connection)
    return connection


class _Call:
    """A call of an ingest function with readings."""

    def __init__(self, query: LiteralString, kind: Kind, sent: Sequence[Sent]) -> None:
        self._query: LiteralString = query
        self._sent = sent
        # of one reading that is twice in it, both stay: the second is a duplicate
        self._arrays = columns([one.row for one in sent], kind)

    def write(self, connection: Connection) -> None:
        """Raises Refused, psycopg.Error."""
        if not self._sent:
            return
        told = connection.execute(self._query, self._arrays, binary=True)
        for _, index, outcome, detail in told:
            if outcome != "duplicate":
                raise Refused(f"{self._sent[int(index)].row}: {outcome}, {detail}")


def _parts(sent: Iterable[Sequence[Sent]]) -> tuple[list[Sent], list[Sent]]:
    """Readings, and then those that are sent again: requests of their own, as they are of devices.

    Among others each of these few would have all of them looked at anew.
    """
    found = [one for hour in sent for one in hour]
    return [one for one in found if not one.is_again], [one for one in found if one.is_again]


def _write_all(connection: Connection, made: Sequence[_Call], links: Sequence[Link] = ()) -> None:
    put_links(connection, links)
    for call in made:
        call.write(connection)


def end_of(plan: Plan) -> datetime:
    """When the days of a plan are over."""
    return moment_of(plan.first_minute + plan.days * MINUTES_A_DAY)


def now_second() -> int:
    """The time in seconds since 1970."""
    return int(datetime.now(UTC).timestamp())
