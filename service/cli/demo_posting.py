"""Posting of `wattledger demo`: a fleet's past, then its present, and what is said of both."""

from __future__ import annotations

import gc
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import chain

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from service import settings
from service.demo import database, failing, live, posting
from service.demo.mark import Mark
from service.demo.plan import Plan
from service.demo.simulation import Hour, Simulation

_SAMPLE = """
  {readings:,} readings of {vehicles} vehicles and {meters} meters since {start:%Y-%m-%d},
  posted in {seconds:.0f} s ({rate:,.0f} a second), settled in {settling:.0f} s,
  charging judged in {judging:.0f} s.

{faults}
  look at it       {psql}
  the truth        wattledger demo --truth {options}
  go on            wattledger demo {options}
  remove it        {removal}
"""
_LIVE = """
The fleet goes on, in real time, by {base}

  see it           {base}, signed in with the key below
  your key         export KEY={key}
  who is there     curl {base}/v1/meters -H "Authorization: Bearer $KEY"
  a vehicle        curl {base}/v1/analytics/performance/V-0001 -H "Authorization: Bearer $KEY"
  all routes       {base}/docs

Ctrl-C stops it.
"""
_STOPPED = """
stopped after {minutes:.0f} minutes: {posted:,} readings and {links:,} links were posted over HTTP.
The service is stopped, its key is revoked, and the database stays.
"""
_MAKE_KEY = """
SELECT c.key_id, c.key FROM ops.create_key(ARRAY['admin'], note => 'made by wattledger demo') AS c
"""


def run(
    wanted: Mark, now: datetime, *, port: int | None, any_start: bool, opens: bool = False
) -> None:
    """Post a fleet up to now; with a port, go on through a service on it until interrupted.

    `opens`: show its page in a browser, where this machine has one.
    """
    if port:
        # hours before it is needed, another service there would be taken for this one's
        live.check_free(port)
    place = database.prepare(wanted, click.echo, any_start=any_start)
    try:
        # millions of tuples without a cycle among them: looking for some takes half of the time
        gc.freeze()
        gc.set_threshold(200_000, 50, 50)
        simulation = Simulation(place.mark.plan())
        hours = simulation.hours()
        left = _post_past(place, simulation, hours, now, with_present=port is not None)
        if port is not None:
            _post_present(place, chain([left], hours), port, opens=opens)
    finally:
        place.close()


def _post_past(
    place: database.Demonstration,
    simulation: Simulation,
    hours: Iterator[Hour],
    now: datetime,
    *,
    with_present: bool,
) -> Hour:
    """Post what arrived up to now, or up to the end of the plan's days; what is left of an hour."""
    plan, console = simulation.plan, Console()
    end = now if with_present else min(now, posting.end_of(plan))
    poster = posting.Poster(place.admin)
    try:
        began = time.monotonic()
        left = _post(poster, hours, place, end, console)
        posted = time.monotonic() - began
        _settle(poster, console)
        settled = time.monotonic() - began - posted
        _judge(poster, console)
    finally:
        poster.close()
    embedded = settings.database_url() is None
    click.echo(
        _SAMPLE.format(
            readings=poster.reached,
            vehicles=len(simulation.fleet.vehicles),
            meters=len(simulation.fleet.chargers),
            start=plan.start,
            seconds=posted,
            rate=poster.reached / posted,
            settling=settled,
            judging=time.monotonic() - began - posted - settled,
            faults=_faults(place.mark, plan),
            psql=f"psql \"$(wattledger db url | sed 's|/wattledger$|/{database.NAME}|')\""
            if embedded
            else 'psql "$DATABASE_URL"',
            options=place.mark.options,
            removal="wattledger demo --destroy" if embedded else "drop the database",
        )
    )
    return left


def _faults(mark: Mark, plan: Plan) -> str:
    lines = [
        f"  {fault.name.replace('_', ' '):<16} {', '.join(fault.devices) or 'all'} from"
        f" {fault.since:%Y-%m-%d %H:%M} on: {fault.judged}\n"
        for fault in plan.faults
    ]
    if mark.all_faults and (names := failing.left_out(plan)):
        lines.append(f"  left out, for want of chargers: {', '.join(names).replace('_', ' ')}\n")
    return "".join(lines)


def _post(
    poster: posting.Poster,
    hours: Iterator[Hour],
    place: database.Demonstration,
    end: datetime,
    console: Console,
) -> Hour:
    text, bar, count = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(text, bar, count, TimeElapsedColumn(), console=console) as progress:
        # hours are known beforehand, readings are not
        total = max(0, int((end - place.mark.start).total_seconds() // 3600))
        first = int(place.mark.start.timestamp()) // 3600
        task = progress.add_task("posting", total=total)

        def told(hour: int) -> None:
            place.reach(poster.written)
            name = f"posting: {poster.reached:,} readings, hours"
            progress.update(task, completed=min(hour - first, total), description=name)

        return posting.post_all(poster, hours, place.mark.posted, end, told)


def _settle(poster: posting.Poster, console: Console) -> None:
    with console.status("settling") as status:
        poster.settle(lambda left: status.update(f"settling: {left:,} days of devices are left"))


def _judge(poster: posting.Poster, console: Console) -> None:
    with console.status("judging charging") as status:
        poster.keep_charging(lambda kept: status.update(f"judging charging: {kept:,} devices"))


def _post_present(
    place: database.Demonstration, hours: Iterator[Hour], port: int, *, opens: bool
) -> None:
    """Post to a service what arrives, each second, until the process is stopped."""
    began, posted, links = time.monotonic(), 0, 0
    with posting.connect(place.admin) as connection:
        try:
            with _key(connection) as key, live.Service(place.service, key, port) as service:
                click.echo(_LIVE.format(base=service.base, key=key))
                if opens:
                    click.launch(service.base)
                with Console().status("live") as status:
                    for hour in hours:
                        for due in _due(hour):
                            service.post(due)
                            posting.record_exchanges(connection, due.exchanges)
                            posted += len(due.meters) + len(due.vehicles)
                            links += len(due.links)
                            status.update(f"live: {posted:,} readings")
                        place.reach(hour.number + 1)
        except KeyboardInterrupt:
            minutes = (time.monotonic() - began) / 60
            click.echo(_STOPPED.format(minutes=minutes, posted=posted, links=links))


@contextmanager
def _key(connection: posting.Connection) -> Generator[str]:
    """A key for the service, which is revoked at the end."""
    row = connection.execute(_MAKE_KEY).fetchone()
    assert row is not None  # noqa: S101  the function returns one row
    key_id, key = row
    try:
        yield key
    finally:
        connection.execute("SELECT ops.revoke_key(%s::text)", [key_id])


def _due(hour: Hour) -> Iterator[Hour]:
    """What arrives of an hour, second by second, until it is over."""
    later = hour
    while True:
        now = posting.now_second()
        due, later = posting.parted(later, now)
        yield due
        if now >= (hour.number + 1) * 3600:
            return
        time.sleep(1)
