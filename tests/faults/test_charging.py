"""Charging whose keeping is cut off, done by two at once, or beside changes and drops.

What is kept at the end is what is kept in peace. What keeping needs is locked while it works, so
that a fault comes at a moment that is known.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from random import Random
from typing import LiteralString, NamedTuple

import psycopg
import pytest

from service.embedded import Cluster
from tests.ledger.charges import MINUTE, STEADY, Phase, tell
from tests.support.charging_account import Link
from tests.support.charging_rows import Case, Place, new_place
from tests.support.fold import HOUR, Reading
from tests.support.http import wait_for
from tests.support.kept_charging import Kept, forget_all, keep, kept, kept_anew, settle_and_keep
from tests.support.ledger import START, send, settle
from tests.support.process import serving
from tests.support.readings import Connection, link

PLACES = 4
# reading goes on, and writing waits
MOMENTS: dict[str, LiteralString] = {
    "before-hours-are-kept": "charging_part",
    "between-hours-and-sessions": "charging_session",
    "between-sessions-and-days": "charging_day",
    "before-it-is-noted": "charging_progress",
}
# one of them takes seconds
at_each_moment = pytest.mark.parametrize(
    "moment",
    [
        pytest.param(name, marks=() if table == "charging_session" else pytest.mark.slow)
        for name, table in MOMENTS.items()
    ],
)


def made(number: int, days: int = 2) -> Case:
    """Charges at a place by two vehicles in turn, each told in another way, and with holes."""
    random = Random(number)
    phases: list[Phase] = []
    while sum((phase.lasts for phase in phases), timedelta(0)) < days * timedelta(days=1):
        phases += [
            Phase(random.randint(100, 400) * MINUTE, 0.01, False),
            Phase(random.randint(30, 250) * MINUTE, random.choice((3.7, 7.4, 11)), True),
            Phase(random.choice((10, 29, 31)) * MINUTE, 0, False),
            Phase(random.randint(5, 60) * MINUTE, 7.4, False),
        ]
    ways = [
        STEADY._replace(step=5 * MINUTE, lost=0.1, quantum=(1, 1000)[number % 2]),
        STEADY._replace(kind="difference", sleeps=True, step=2 * MINUTE, lost=0.2),
        STEADY._replace(kind="session_counter", names="always", sleeps=True, step=3 * MINUTE),
    ]
    meter, *vehicles = (
        tell(phases, START, way, share, random)
        for way, share in zip(ways, (1, 0.9, 0.9), strict=True)
    )
    half = START + days * timedelta(hours=12) + 7 * MINUTE
    links = [Link("A", START, half), Link("B", half, START + timedelta(days=days + 1))]
    return Case(meter, dict(zip("AB", vehicles, strict=True)), links)


class Site(NamedTuple):
    """A place, what its devices tell, and what of that is late."""

    place: Place
    case: Case
    late: Case

    @classmethod
    def of(cls, case: Case, random: Random) -> Site:
        """A new place; some of what is told comes late."""
        late = {id(one) for one in _all(case) if random.random() < 0.15}

        def part(of: Iterable[Reading], *, is_late: bool) -> list[Reading]:
            return [one for one in of if (id(one) in late) is is_late]

        in_time, later = (
            case._replace(
                meter=part(case.meter, is_late=is_late),
                vehicles={
                    name: part(told, is_late=is_late) for name, told in case.vehicles.items()
                },
            )
            for is_late in (False, True)
        )
        return cls(new_place(case.vehicles), in_time, later)


def _all(case: Case) -> list[Reading]:
    return [*case.meter, *(one for told in case.vehicles.values() for one in told)]


def stored(db: Connection, *, places: int = PLACES, days: int = 2) -> list[Site]:
    """Places whose readings are stored and settled, but for the late ones, and of which nothing is
    kept.
    """
    sites = [Site.of(made(number, days), Random(number)) for number in range(places)]
    for site in sites:
        site.place.tell(db, site.case)
        site.place.send_all(db, site.case)
    settle(db)
    return sites


def send_late(db: Connection, sites: Iterable[Site]) -> None:
    """What comes late is stored and settled."""
    for site in sites:
        site.place.send_all(db, site.late)
    settle(db)


def assert_right(db: Connection) -> None:
    """When nothing is due any more, what is kept is what is kept of the same in peace."""
    settle_and_keep(db)
    found = kept(db)
    assert all(found.values())
    assert db.execute("SELECT sum(s.failing) FROM ops.settling_charging AS s").fetchone() == (0,)
    assert_same(found, kept_anew(db))


class Keepers:
    """Sessions that keep charging until nothing is due, and are held up at a moment."""

    def __init__(self, url: str, moment: str, looker: Connection, pool: ThreadPoolExecutor) -> None:
        self._url = url
        self._table = f"telemetry.{MOMENTS[moment]}"
        self._looker = looker
        self._pool = pool

    def start(self, count: int = 1) -> list[Future[int]]:
        """Have some keep; one of them comes to the moment, and waits there."""
        found = [self._pool.submit(self._keep) for _ in range(count)]
        wait_for(lambda: len(self.waiting()) == 1, seconds=60)
        return found

    def waiting(self) -> list[int]:
        """Processes that are held up."""
        rows = self._looker.execute(
            "SELECT l.pid FROM pg_locks AS l WHERE NOT l.granted AND l.relation = %s::regclass",
            [self._table],
        )
        return [pid for (pid,) in rows]

    def _keep(self) -> int:
        with psycopg.connect(self._url, autocommit=True) as db:
            return keep(db)


@contextmanager
def held(url: str, moment: str) -> Generator[Keepers]:
    """Hold up who keeps charging at a moment; afterwards they go on, and end."""
    with ThreadPoolExecutor(4) as pool, ExitStack() as stack:
        looker = stack.enter_context(psycopg.connect(url, autocommit=True))
        # gives way before the pool waits for its threads
        holder = stack.enter_context(psycopg.connect(url))
        holder.execute(f"LOCK TABLE telemetry.{MOMENTS[moment]} IN SHARE MODE")
        yield Keepers(url, moment, looker, pool)


@pytest.fixture
def db(connection: Connection) -> Connection:
    """The test's own database, on whose server two can be at once."""
    connection.execute("SET timezone = 'UTC'")
    return connection


@at_each_moment
@pytest.mark.parametrize("is_first", [True, False])
def test_one_that_is_terminated_leaves_nothing_half_way(
    db: Connection, database_url: str, moment: str, is_first: bool
) -> None:
    sites = stored(db)
    if not is_first:
        keep(db)
        send_late(db, sites)
    before = kept(db)
    with held(database_url, moment) as keepers:
        (keeper,) = keepers.start()
        (pid,) = keepers.waiting()
        db.execute("SELECT pg_terminate_backend(%s)", [pid])
        with pytest.raises(psycopg.OperationalError):
            keeper.result(60)
    assert kept(db) == before
    assert_right(db)


@at_each_moment
def test_of_two_at_once_each_hour_and_session_is_kept_once(
    db: Connection, database_url: str, moment: str
) -> None:
    stored(db)
    with held(database_url, moment) as keepers:
        found = keepers.start(2)
    # the second kept what was left, or nothing
    assert sum(keeper.result(60) for keeper in found) > 0
    before = kept(db)
    assert keep(db) == 0
    assert kept(db) == before
    assert_right(db)


@at_each_moment
def test_a_dba_who_keeps_the_same_meters_at_once_changes_nothing(
    db: Connection, database_url: str, moment: str
) -> None:
    sites = stored(db)
    with ThreadPoolExecutor(PLACES) as pool, held(database_url, moment) as keepers:
        keepers.start()

        def keep_meter(site: Site) -> None:
            with psycopg.connect(database_url, autocommit=True) as dba:
                dba.execute(
                    "SELECT telemetry.keep_charging(%s, %s, %s)",
                    [site.place.meter.device_id, START, START + 48 * HOUR],
                )

        others = [pool.submit(keep_meter, site) for site in sites]
        wait_for(
            lambda: (
                (
                    db.execute(
                        "SELECT count(*) > 0 FROM pg_locks"
                        " WHERE locktype = 'advisory' AND NOT granted"
                    ).fetchone()
                    == (True,)
                )
                or moment == "before-hours-are-kept"
            ),
            seconds=60,
        )
    for other in others:
        other.result(60)
    assert_right(db)


@at_each_moment
def test_readings_that_come_late_meanwhile_are_kept_too(
    db: Connection, database_url: str, moment: str
) -> None:
    sites = stored(db)
    with held(database_url, moment) as keepers:
        keepers.start()
        send_late(db, sites[::2])
    send_late(db, sites[1::2])
    assert_right(db)


@at_each_moment
def test_readings_that_go_on_meanwhile_are_kept_too(
    db: Connection, database_url: str, moment: str
) -> None:
    sites = stored(db)
    keep(db)
    ends = START + 60 * HOUR
    for site in sites:
        send(db, site.place.meter, [Reading(ends, max(site.case.meter).mwh + 10**6)])
    with held(database_url, moment) as keepers:
        keepers.start()
        for site in sites:
            level = max(site.case.meter).mwh + 10**6
            later = [Reading(ends + n * MINUTE, level + n * 10**5) for n in range(1, 90)]
            send(db, site.place.meter, later)
    assert_right(db)


@at_each_moment
def test_links_that_change_meanwhile_are_kept_too(
    db: Connection, database_url: str, moment: str
) -> None:
    sites = stored(db)
    with held(database_url, moment) as keepers:
        keepers.start()
        change_links(db, sites)
    assert_right(db)


def change_links(db: Connection, sites: list[Site]) -> None:
    """One ends sooner, one is gone, one is shorter, and of one another vehicle has some."""
    first, second, third, fourth = (site.place for site in sites)
    link(db, first.id_of("A"), first.meter.device_id, START, START + 15 * HOUR)
    db.execute("DELETE FROM telemetry.charging_link WHERE vehicle_id = %s", [second.id_of("B")])
    for place, vehicle, hours in ((third, third.id_of("B"), (35, 36)), (fourth, "V-99", (20, 30))):
        db.execute(
            "SELECT api.put_charging_link(%s, %s, %s, %s, replace => TRUE)",
            [vehicle, place.meter.device_id, *(START + n * HOUR for n in hours)],
        )


@pytest.mark.parametrize("is_first", [True, pytest.param(False, marks=pytest.mark.slow)])
@at_each_moment
def test_drops_beside_it_take_nothing_that_is_not_kept(
    db: Connection, database_url: str, moment: str, is_first: bool
) -> None:
    sites = stored(db, places=2, days=4)
    if not is_first:
        keep(db)
    send_late(db, sites)
    settle_and_keep(db)
    in_peace = kept_anew(db)
    if is_first:
        forget_all(db)
    else:
        queue_all(db)
    db.execute("UPDATE telemetry.dataset SET keep = '72 hours' WHERE dataset LIKE '%_reading'")
    with held(database_url, moment) as keepers:
        keepers.start()
        with psycopg.connect(database_url, autocommit=True) as dropper:
            dropper.execute("SET statement_timeout = '2min'")
            steps = dropper.execute("SELECT m.step FROM api.maintain() AS m").fetchall()
            assert ("dropped",) not in steps
    finish_drops(db)
    assert db.execute(
        "SELECT min(m.ts) >= %s FROM telemetry.meter_reading AS m", [START + 72 * HOUR]
    ).fetchone() == (True,)
    keep(db)
    assert_same(kept(db), in_peace)
    # of what was dropped nothing is known any more that would be needed to do it anew
    queue_all(db)
    keep(db)
    assert_same(kept(db), in_peace)


def assert_same(found: Kept, expected: Kept) -> None:
    for table, rows in expected.items():
        in_peace = set(rows)
        assert [row for row in found[table] if row not in in_peace] == []
    assert found == expected


def queue_all(db: Connection) -> None:
    """All is to be kept anew, as when links or rules change as a whole."""
    db.execute("UPDATE telemetry.charging_progress SET seen_at = '-infinity', kept_at = seen_at")


def finish_drops(db: Connection) -> None:
    """Maintain until nothing is left to do."""
    while db.execute(
        "SELECT count(*) FROM api.maintain() AS m"
        " WHERE m.step IN ('bound', 'dropped', 'kept', 'settle', 'busy')"
    ).fetchone() != (0,):
        pass


@pytest.mark.slow
@at_each_moment
def test_a_postmaster_that_is_killed_leaves_nothing_half_way(cluster: Cluster, moment: str) -> None:
    with psycopg.connect(cluster.url(), autocommit=True) as db:
        db.execute("SET timezone = 'UTC'")
        sites = stored(db)
    with ExitStack() as stack:
        keepers = stack.enter_context(held(cluster.url(), moment))
        stack.enter_context(serving(cluster.url("wattledger_service")))
        wait_for(lambda: bool(keepers.waiting()), seconds=60)
        os.kill(cluster.postmaster_pid(), signal.SIGKILL)
        stack.pop_all()
    cluster.start()
    with psycopg.connect(cluster.url(), autocommit=True) as db:
        db.execute("SET timezone = 'UTC'")
        send_late(db, sites)
        assert_right(db)
