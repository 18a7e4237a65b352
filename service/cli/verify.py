"""`wattledger verify`: compare states, hours and days with the raw readings."""

import click
import psycopg

from service.cli.databases import connect_as_admin
from service.database.conninfo import reason

_MOST_SHOWN = 100


@click.command()
@click.option(
    "--since", default="1 day", show_default=True, help="How far back to look, or 'infinity'."
)
def verify(since: str) -> None:
    """Recompute every state, hour and day from the raw readings, and show what differs.

    Where raw readings were dropped, hours and days are compared with what was proven then; what
    was dropped without a proof is told as unchecked. Works on DATABASE_URL or the embedded
    database, as a superuser or wattledger_dba, while readings come. Exits with 1 where anything
    differs; `CALL ops.refresh(since, until, force => true)` then builds the hours and days anew.
    """
    query = (
        "SELECT v.dataset, v.device_id, v.bucket, v.stored, v.computed, v.verdict FROM ops.verify("
        # in UTC: a day has 24 hours, whatever the session's time zone
        "coalesce((now() AT TIME ZONE 'UTC' - nullif(%s, 'infinity')::interval) AT TIME ZONE 'UTC',"
        " '-infinity')) AS v"
    )
    try:
        with connect_as_admin() as connection:
            rows = connection.execute(query, [since]).fetchall()
    except psycopg.Error as error:
        raise click.ClickException(f"nothing was compared: {reason(error)}") from error
    differences = [row for row in rows if row[-1] == "differs"]
    for dataset, device_id, bucket, stored, computed, _ in differences[:_MOST_SHOWN]:
        whose = f" {device_id}" if device_id else ""
        when = f" {bucket:%Y-%m-%d %H:%M}" if bucket else ""
        click.echo(f"{dataset}{whose}{when}: is {stored}, should be {computed}")
    for dataset, _, bucket, stored, _, verdict in rows:
        if verdict == "unchecked":
            click.echo(f"{dataset} {bucket:%Y-%m-%d}: {stored} cannot be checked")
    if differences:
        raise click.ClickException(f"{len(differences)} differences")
    click.echo("all agrees" if not rows else "all that can be checked agrees")
