"""`wattledger demo`: a fleet whose truth is known, in a database of its own."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain

import click
import psycopg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from service.database.conninfo import reason
from service.demo import database, failing, posting
from service.demo.plan import Plan
from service.demo.simulation import Hour, Simulation
from service.embedded import EmbeddedError
from service.migrate import MigrationError

_SAMPLE = """
  {readings:,} readings of {vehicles} vehicles and {meters} meters since {start:%Y-%m-%d},
  posted in {seconds:.0f} s ({rate:,.0f} a second), settled in {settling:.0f} s.

{faults}
  look at it       psql "$(wattledger db url | sed 's|/wattledger$|/{name}|')"
  the truth        wattledger demo --truth --seed {seed} --start {start:%Y-%m-%d}{options}
  remove it        wattledger demo --destroy
"""
_THREE = 3
_LIVE = "\nThe fleet goes on, in real time. Ctrl-C stops it; what is there stays."


@click.command()
@click.option("--days", type=click.IntRange(1, 80), default=30, show_default=True, help="How long.")
@click.option(
    "--vehicles",
    type=click.IntRange(20, 5000),
    default=200,
    show_default=True,
    help="How many; chargers follow from that.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Another one: another fleet.")
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The first day, in UTC; --days before today unless told.",
)
@click.option("--all-faults", is_flag=True, help="One fault of every kind, not three chargers.")
@click.option("--no-live", is_flag=True, help="End when the past is posted.")
@click.option("--truth", is_flag=True, help="Print what is true of the fleet; touch no database.")
@click.option("--destroy", is_flag=True, help="Remove the database that was made, and end.")
def demo(
    *,
    days: int,
    vehicles: int,
    seed: int,
    start: datetime | None,
    all_faults: bool,
    no_live: bool,
    truth: bool,
    destroy: bool,
) -> None:
    """A month of a simulated fleet, then its present, to look at and to judge judges by.

    Vehicles charge at home, at depots, on public plugs and at fast chargers; they and the meters
    report as real devices do, with registers, holes, backlogs and resends. Three chargers fail:
    one drops from one day to the next, one drifts, and the counter of one stands still. The same
    seed and start give the same fleet on every machine.

    All is posted through the functions that the service calls for its requests, the oldest first,
    into a database of its own on the embedded server, wattledger_demo; or into the empty one that
    DATABASE_URL names. A database that holds devices is refused. Then readings are posted as their
    time comes, and settled, until you stop it.

    --truth prints JSON lines: each fault, what flowed through each device by hour, and each session
    with what a judge should say of it. Energies are in milliwatt-hours.
    """
    if destroy:
        _destroy()
        return
    now = datetime.now(UTC)
    first = start.replace(tzinfo=UTC) if start else database.start_of(days, now)
    plan = Plan(first, seed, vehicles, days)
    plan = failing.with_all(plan) if all_faults else failing.with_three(plan)
    if truth:
        _print_truth(plan)
        return
    try:
        _run(plan, now, live=not no_live)
    except KeyboardInterrupt:
        click.echo("\nstopped; the database stays")
    except (database.NotOurs, EmbeddedError, MigrationError, posting.Refused) as error:
        raise click.ClickException(str(error)) from error
    except psycopg.Error as error:
        raise click.ClickException(f"the demonstration failed: {reason(error)}") from error


def _destroy() -> None:
    try:
        there = database.destroy()
    except (database.NotOurs, EmbeddedError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"removed {database.NAME}" if there else f"there is no {database.NAME}")


def _print_truth(plan: Plan) -> None:
    simulation = Simulation(plan)
    simulation.run()
    for line in simulation.truth.lines():
        click.echo(json.dumps(line))


def _run(plan: Plan, now: datetime, *, live: bool) -> None:
    url = database.prepare(plan, click.echo)
    # millions of tuples without a cycle among them: looking for some takes half of the time
    gc.freeze()
    gc.set_threshold(200_000, 50, 50)
    simulation = Simulation(plan)
    hours = simulation.hours()
    console = Console()
    end = min(now, posting.end_of(plan)) if not live else now
    poster = posting.Poster(url)
    try:
        size = f" --days {plan.days} --vehicles {plan.vehicles}"
        options = size + (" --all-faults" if len(plan.faults) > _THREE else "")
        began = time.monotonic()
        left = _post(poster, hours, plan, end, console)
        posted = time.monotonic() - began
        _settle(poster, console)
        with posting.connect(url) as connection:
            click.echo(
                _SAMPLE.format(
                    readings=poster.reached,
                    vehicles=len(simulation.fleet.vehicles),
                    meters=len(simulation.fleet.chargers),
                    start=plan.start,
                    seconds=posted,
                    rate=poster.reached / posted,
                    settling=time.monotonic() - began - posted,
                    faults=_faults(plan),
                    name=connection.info.dbname,
                    seed=plan.seed,
                    options=options,
                )
            )
            if live:
                click.echo(_LIVE)
                _go_on(connection, chain([left], hours), console)
    finally:
        poster.close()


def _faults(plan: Plan) -> str:
    lines = (
        f"  {fault.name.replace('_', ' '):<16} {', '.join(fault.devices) or 'all'} from"
        f" {fault.since:%Y-%m-%d %H:%M} on: {fault.judged}\n"
        for fault in plan.faults
    )
    return "".join(lines)


def _post(
    poster: posting.Poster, hours: Iterator[Hour], plan: Plan, end: datetime, console: Console
) -> Hour:
    text, bar, count = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(text, bar, count, TimeElapsedColumn(), console=console) as progress:
        # hours are known beforehand, readings are not
        total = int((end - plan.start).total_seconds() // 3600)
        task = progress.add_task("posting", total=total)

        def told(hour: int) -> None:
            done = hour - plan.first_minute // 60
            name = f"posting: {poster.reached:,} readings, hours"
            progress.update(task, completed=min(done, total), description=name)

        return posting.post_all(poster, hours, end, told)


def _settle(poster: posting.Poster, console: Console) -> None:
    with console.status("settling") as status:
        poster.settle(lambda left: status.update(f"settling: {left:,} days of devices are left"))


def _go_on(connection: posting.Connection, hours: Iterator[Hour], console: Console) -> None:
    """Post what arrives, each second, until the process is stopped."""
    posted = 0
    with console.status("live") as status:
        for hour in hours:
            later = hour
            while True:
                now = posting.now_second()
                due, later = posting.parted(later, now)
                posting.post_now(connection, due)
                posted += len(due.meters) + len(due.vehicles)
                status.update(f"live: {posted:,} readings")
                posting.settle(connection, lambda _: None)
                if now >= (hour.number + 1) * 3600:
                    break
                time.sleep(1)
