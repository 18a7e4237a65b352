"""Posting of a simulated fleet by the functions that the service calls, in large groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, LiteralString

import psycopg

from service.database.conninfo import completed
from service.demo.channel import Sent
from service.demo.plan import MINUTES_A_DAY, Plan, moment_of
from service.demo.simulation import Exchange, Hour, Link
from service.ingest import calls
from service.ingest.arrays import METER, VEHICLE, Kind, adapt, columns

Connection = psycopg.Connection[tuple[Any, ...]]
# per call; larger ones take longer per reading
_GROUP = 12_000
_LINKS = """
SELECT count(api.put_charging_link(l.vehicle_id, l.meter_id, l.since, l.until, replace => TRUE))
FROM unnest(%s::text[], %s::text[], %s::timestamptz[], %s::timestamptz[])
    AS l (vehicle_id, meter_id, since, until)
"""
_EXCHANGE = """
SELECT ops.record_exchange(e.device, e.at, e.final, e.initial, 'the work order of the simulation')
FROM (VALUES (%s::text, %s::timestamptz, %s::numeric, %s::numeric))
    AS e (device, at, final, initial)
-- one that goes on after it was killed may have recorded it already
WHERE NOT EXISTS (
    SELECT FROM ops.ledger_records AS r
    WHERE r.record = 'exchange' AND r.device = e.device AND r.happened_at = e.at
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
        self._pool = ThreadPoolExecutor(2)
        self._waiting: tuple[Future[None], ...] = ()
        self.reached = 0
        self.written = 0

    def close(self) -> None:
        """Wait for what is under way, and close."""
        self._pool.shutdown()
        self._meters.close()
        self._vehicles.close()

    def post(self, hours: Sequence[Hour]) -> None:
        """Post hours that follow one another; what went before is written when it returns.

        Raises Refused, psycopg.Error.
        """
        meters = [sent for hour in hours for sent in hour.meters]
        vehicles = [sent for hour in hours for sent in hour.vehicles]
        meter_arrays, vehicle_arrays = _arrays(meters, METER), _arrays(vehicles, VEHICLE)
        self.finish()
        self.written = hours[0].number
        put_links(self._meters, [link for hour in hours for link in hour.links])
        self._waiting = (
            self._pool.submit(_write, self._meters, calls.METERS, meter_arrays, meters),
            self._pool.submit(_write, self._vehicles, calls.VEHICLES, vehicle_arrays, vehicles),
        )
        self.reached += len(meters) + len(vehicles)
        if exchanges := [one for hour in hours for one in hour.exchanges]:
            self.finish()
            record_exchanges(self._meters, exchanges)

    def settle(self, told: Callable[[int], None]) -> None:
        """Settle what was posted, on both connections. Raises psycopg.Error."""
        self.finish()
        for future in [
            self._pool.submit(settle, connection, told)
            for connection in (self._meters, self._vehicles)
        ]:
            future.result()

    def finish(self) -> None:
        """Wait until all is written that was posted. Raises Refused, psycopg.Error."""
        for future in self._waiting:
            future.result()
        self._waiting = ()


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
    _write(connection, calls.METERS, _arrays(hour.meters, METER), hour.meters)
    _write(connection, calls.VEHICLES, _arrays(hour.vehicles, VEHICLE), hour.vehicles)
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


def settle(connection: Connection, told: Callable[[int], None]) -> None:
    """Settle what is due, as the service does; `told` hears how many days of devices wait."""
    while True:
        row = connection.execute("SELECT s.settled, s.waiting FROM api.settle() AS s").fetchone()
        assert row is not None  # noqa: S101  the function has one row
        told(row[1])
        if row == (0, 0):
            return


def connect(url: str) -> Connection:
    connection = psycopg.connect(
        completed(url), autocommit=True, connect_timeout=10, application_name="wattledger demo"
    )
    adapt(connection)
    return connection


def _arrays(sent: Sequence[Sent], kind: Kind) -> Sequence[Any]:
    # of one reading that is sent twice in a group, both stay: the second is a duplicate
    return columns([one.row for one in sent], kind)


def _write(
    connection: Connection, query: LiteralString, arrays: Sequence[Any], sent: Sequence[Sent]
) -> None:
    if not sent:
        return
    for _, index, outcome, detail in connection.execute(query, arrays, binary=True):
        if outcome != "duplicate":
            raise Refused(f"{sent[int(index)].row}: {outcome}, {detail}")


def end_of(plan: Plan) -> datetime:
    """When the days of a plan are over."""
    return moment_of(plan.first_minute + plan.days * MINUTES_A_DAY)


def now_second() -> int:
    """The time in seconds since 1970."""
    return int(datetime.now(UTC).timestamp())
