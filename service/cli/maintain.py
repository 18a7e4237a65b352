"""`wattledger maintain`: do what is due to keep history in shape."""

import click
import psycopg

from service.cli.databases import connect_as_admin
from service.database.conninfo import reason


@click.command()
def maintain() -> None:
    """Settle what is due; drop expired chunks, or run jobs that are overdue or failed.

    Works on DATABASE_URL or the embedded database, as a superuser or wattledger_dba. The service
    and TimescaleDB do this by themselves; this is for cron, and for looking at what happens.
    """
    try:
        with connect_as_admin() as connection:
            connection.add_notice_handler(
                lambda notice: (
                    click.echo(notice.message_primary)
                    if notice.severity_nonlocalized in ("NOTICE", "WARNING")
                    else None
                )
            )
            connection.execute("CALL ops.maintain()")
    except psycopg.Error as error:
        raise click.ClickException(f"the maintenance failed: {reason(error)}") from error
    click.echo("history is in shape")
