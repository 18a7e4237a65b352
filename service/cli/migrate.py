"""`wattledger migrate`: bring the database up to date, or tell whether it is."""

import click

from service import migrate as schema
from service.cli.target import admin_url, migrate_database


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
def migrate(check: bool, to_community: bool) -> None:
    """Bring the database at DATABASE_URL (or the embedded one) to this version's schema.

    Needs a role that may create roles and extensions, such as the superuser. Repeating it is safe.
    WATTLEDGER_SERVICE_PASSWORD, _BI_PASSWORD and _DBA_PASSWORD, where set, let those roles log in.
    """
    if not check:
        migrate_database(click.echo, to_community=to_community)
        return
    try:
        found = schema.differences(admin_url())
    except schema.MigrationError as error:
        raise click.ClickException(str(error)) from error
    if found:
        raise click.ClickException("the database is not current:\n" + "\n".join(found))
    click.echo("the database is current")
