"""`wattledger migrate`: bring the database up to date, or tell whether it is."""

import re

import click

from service import migrate as schema
from service.cli.databases import admin_url, migrate_database
from service.migrate.patience import WAIT_SECONDS


def _seconds(_: click.Context, __: click.Parameter, value: str) -> float:
    """A span of time, written like 90s, 5m or 1h, in seconds."""
    found = re.fullmatch(r"(\d{1,6})([smh])", value)
    if found is None:
        raise click.BadParameter(f"{value!r} is not a span of time such as 90s, 5m or 1h")
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


@click.command()
@click.option(
    "--check", is_flag=True, help="Change nothing; exit with 1 unless the database is current."
)
@click.option(
    "--to-community",
    is_flag=True,
    help="Turn the rollups of a database that began on the Apache edition of TimescaleDB into"
    " continuous aggregates; the server's licence must allow them by now.",
)
@click.option(
    "--wait",
    callback=_seconds,
    default=f"{WAIT_SECONDS / 60:.0f}m",
    show_default=True,
    metavar="SPAN",
    help="How long to wait, in all, for queries that are in the way; then the rest is left undone.",
)
def migrate(check: bool, to_community: bool, wait: float) -> None:
    """Bring the database at DATABASE_URL (or the embedded one) to this version's schema.

    Needs a role that may create roles and extensions, such as the superuser. Repeating it is safe.
    It waits for queries that use what it changes, in attempts of seconds, so that nobody waits
    behind it for longer; it says for whom, and gives up after --wait.
    WATTLEDGER_SERVICE_PASSWORD, _BI_PASSWORD and _DBA_PASSWORD, where set, let those roles log in.
    """
    if not check:
        migrate_database(click.echo, to_community=to_community, wait_seconds=wait)
        return
    try:
        found = schema.differences(admin_url())
    except schema.MigrationError as error:
        raise click.ClickException(str(error)) from error
    if found:
        raise click.ClickException("the database is not current:\n" + "\n".join(found))
    click.echo("the database is current")
