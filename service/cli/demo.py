"""`wattledger demo`: a fleet whose truth is known, in a database of its own."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click
import psycopg

from service.cli.demo_posting import run
from service.cli.ending import interrupted_by_sigterm
from service.database.conninfo import reason
from service.demo import database, failing, live, posting
from service.demo.mark import Mark
from service.demo.plan import moment_of, start_of
from service.demo.simulation import Simulation
from service.embedded import EmbeddedError
from service.migrate import MigrationError


@click.command()
@click.option("--days", type=click.IntRange(1, 80), default=30, show_default=True, help="How long.")
@click.option(
    "--vehicles",
    type=click.IntRange(1, 5000),
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
@click.option(
    "--all-faults",
    is_flag=True,
    help="One fault of each kind that the fleet has a charger for, not three chargers.",
)
@click.option("--open", "opens", is_flag=True, help="Show the page in a browser, once it is there.")
@click.option("--no-live", is_flag=True, help="End when the past is posted.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="TCP port of the service that the present is posted to; a free one unless told.",
)
@click.option("--truth", is_flag=True, help="Print what is true of the fleet; touch no database.")
@click.option("--destroy", is_flag=True, help="Remove the database that was made, and end.")
def demo(
    *,
    days: int,
    vehicles: int,
    seed: int,
    start: datetime | None,
    all_faults: bool,
    opens: bool,
    no_live: bool,
    port: int,
    truth: bool,
    destroy: bool,
) -> None:
    """A month of a simulated fleet, then its present, to look at and to judge judges by.

    Vehicles charge at home, at depots, on public plugs and at fast chargers; they and the meters
    report as real devices do, with registers, holes, backlogs and resends. Three chargers fail:
    one drops from one day to the next, one drifts, and the counter of one stands still. The same
    seed and start give the same fleet on every machine.

    The past is posted through the functions that the service calls for its requests, the oldest
    first, into a database of its own on the embedded server, wattledger_demo; or into the empty one
    that DATABASE_URL names. A database that holds other devices is refused. Then it starts a
    service and posts to it over HTTP as the time of each reading comes, until you stop it.

    Stopped or killed, it goes on where it was when it is called with the same options again.

    --truth prints JSON lines: each fault, what flowed through each device by hour, each session and
    each day of a vehicle at a meter, with the verdicts that are right. Energies are in
    milliwatt-hours. A fleet of few vehicles may have no charger for a kind of fault: lines of
    "left_out" name those.
    """
    if destroy and truth:
        raise click.UsageError("--truth and --destroy are two commands: call one after the other")
    if destroy:
        _destroy()
        return
    now = datetime.now(UTC)
    first = start.replace(tzinfo=UTC) if start else start_of(days, now)
    if first > now:
        raise click.BadParameter("that day is yet to come", param_hint="--start")
    if first < moment_of(0):
        raise click.BadParameter("time is counted from 1970-01-01 on", param_hint="--start")
    mark = Mark(seed, vehicles, days, first, all_faults, first)
    if truth:
        _print_truth(mark)
        return
    with interrupted_by_sigterm():
        try:
            run(
                mark,
                now,
                port=None if no_live else port,
                any_start=start is None,
                opens=opens,
            )
        except KeyboardInterrupt:
            click.echo("\nstopped; the database stays, and the same command goes on")
        except (
            database.NotOurs,
            EmbeddedError,
            MigrationError,
            posting.Refused,
            live.Failed,
        ) as error:
            raise click.ClickException(str(error)) from error
        except psycopg.Error as error:
            # where it waits for the server, its last words have a code; else only a text
            if "terminating connection" in str(error):
                told = "the database was removed, or its server stopped, while this was at work"
            else:
                told = f"the demonstration failed: {reason(error)}"
            raise click.ClickException(told) from error


def _destroy() -> None:
    try:
        there = database.destroy()
    except (database.NotOurs, EmbeddedError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"removed {database.NAME}" if there else f"there is no {database.NAME}")


def _print_truth(mark: Mark) -> None:
    simulation = Simulation(mark.plan())
    simulation.run()
    for name in failing.left_out(simulation.plan) if mark.all_faults else ():
        click.echo(json.dumps({"truth": "left_out", "name": name, "why": "too few chargers"}))
    try:
        for line in simulation.truth.lines():
            click.echo(json.dumps(line))
    except BrokenPipeError:
        # whoever reads has enough
        raise
    except OSError as error:
        raise click.ClickException(f"the truth cannot be written: {error.strerror}") from error
