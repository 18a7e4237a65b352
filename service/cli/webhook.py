"""`wattledger webhook`: say who is told of alerts over HTTP, look what arrived, and deliver."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from typing import Any, get_args

import click

from service import settings
from service.cli.databases import service_url
from service.cli.dba import as_dba, echo_table
from service.wire.alerts import Change, Kind, Severity

_LIST_COLUMNS = (
    "webhook",
    "status",
    "url",
    "kinds",
    "severities",
    "changes",
    "waiting",
    "dead",
    "delivered_at",
)
# for the service to look, and a receiver to answer
_TEST_SECONDS = 20.0

_cursor = as_dba("webhooks are set")


@click.group()
def webhook() -> None:
    """Tell others of alerts over HTTP: who is told, what arrived, and what did not.

    Each change of an alert is posted as JSON to each webhook that asks for it, signed as
    standardwebhooks.com has it, and tried again for three days until the receiver answers with 2xx.
    The service does that, unless WATTLEDGER_WEBHOOKS is off and `wattledger webhook deliver` runs.

    \b
    wattledger webhook set pager https://alerts.example.org/in --severity critical
    wattledger webhook test pager
    wattledger webhook list

    A receiver must be public and speak HTTPS: WATTLEDGER_WEBHOOK_PRIVATE names networks that may be
    reached too, WATTLEDGER_WEBHOOK_HTTP allows http. All but deliver works on DATABASE_URL or the
    embedded database as a superuser or wattledger_dba. docs/webhooks.md says how a receiver
    verifies a signature.
    """


@webhook.command(name="set")
@click.argument("name")
@click.argument("url")
@click.option(
    "--kind",
    "kinds",
    type=click.Choice(get_args(Kind)),
    multiple=True,
    help="May be repeated. [all]",
)
@click.option(
    "--severity",
    "severities",
    type=click.Choice(get_args(Severity)),
    multiple=True,
    help="May be repeated. [all]",
)
@click.option(
    "--change",
    "changes",
    type=click.Choice(get_args(Change)),
    multiple=True,
    help="What happened to the alert. May be repeated. [all]",
)
@click.option("--disabled", is_flag=True, help="Tell it nothing for now; what waits is kept.")
@click.option("--new-secret", is_flag=True, help="Make a new secret in place of the one it has.")
@click.option(
    "--overlap",
    metavar="INTERVAL",
    help="How long the old secret signs too, where a new one is made. [default: a day]",
)
def set_webhook(
    name: str,
    url: str,
    kinds: tuple[str, ...],
    severities: tuple[str, ...],
    changes: tuple[str, ...],
    disabled: bool,
    new_secret: bool,
    overlap: str | None,
) -> None:
    """Make a webhook, or say anew where and of what NAME is told, in place of what was said before.

    A new webhook's secret is printed, this once: it goes to the receiver, to verify signatures by.
    The secret alone goes to standard output. One that is changed keeps its secret, unless
    --new-secret is given. It is told of what happens from now on.
    """
    if url.startswith("http:") and settings.load().webhook_http == "off":
        raise click.ClickException(
            "the address is not https; set WATTLEDGER_WEBHOOK_HTTP=on, here and where the service"
            " runs, only where the network between is private"
        )
    with _cursor() as cursor:
        row = cursor.execute(
            "SELECT ops.set_webhook(webhook => %s::text, url => %s::text, kinds => %s::text[],"
            " severities => %s::text[], changes => %s::text[], enabled => %s::boolean,"
            " new_secret => %s::boolean, overlap => %s::interval) AS secret",
            [
                *(name, url, list(kinds) or None, list(severities) or None, list(changes) or None),
                *(not disabled, new_secret, overlap),
            ],
        ).fetchone()
    assert row is not None  # noqa: S101  the function returns one row
    if row["secret"] is None:
        click.echo(f"webhook {name} is changed, and keeps its secret", err=True)
        return
    click.echo(f"the secret of webhook {name}; it is not shown again:", err=True)
    click.echo(row["secret"])


@webhook.command(name="list")
@click.option("--dead", is_flag=True, help="Show what could not be delivered instead.")
def list_webhooks(dead: bool) -> None:
    """Show every webhook but its secret: what it is told of, what waits, and what was given up."""
    with _cursor() as cursor:
        if dead:
            rows = cursor.execute(
                "SELECT webhook, change_id, kind, change, attempts, ended_at, last_error"
                " FROM bi.webhook_dead_letter ORDER BY webhook, change_id"
            ).fetchall()
            columns = ("webhook", "change_id", "kind", "change", "attempts", "ended_at")
            echo_table((*columns, "last_error"), rows)
            return
        rows = cursor.execute("SELECT * FROM ops.webhooks ORDER BY webhook").fetchall()
    for row in rows:
        row["status"] = "enabled" if row["enabled"] else row["disabled_because"] or "disabled"
    echo_table(_LIST_COLUMNS, rows)


@webhook.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove a webhook with its secret, what it was told, and what it was still to be told."""
    with _cursor() as cursor:
        cursor.execute("SELECT ops.remove_webhook(%s::text)", [name])
    click.echo(f"webhook {name} is removed")


@webhook.command()
@click.argument("name")
@click.argument("change_id", required=False, type=int)
def retry(name: str, change_id: int | None) -> None:
    """Try again what could not be delivered to NAME, all of it or one change of an alert.

    `wattledger webhook list --dead` shows the changes. What waits for its next attempt is tried at
    once where its change is named.
    """
    with _cursor() as cursor:
        row = cursor.execute(
            "SELECT ops.retry_webhook_delivery(%s::text, %s::bigint) AS count", [name, change_id]
        ).fetchone()
    assert row is not None  # noqa: S101  the function returns one row
    click.echo(f"{row['count']} delivered anew")


@webhook.command()
@click.argument("name")
def test(name: str) -> None:
    """Have a message of the type webhook.test delivered, and say what the receiver answered.

    It goes the way that all others go: the service sends it, from where it runs.
    """
    with _cursor() as cursor:
        row = cursor.execute("SELECT ops.test_webhook(%s::text) AS number", [name]).fetchone()
        assert row is not None  # noqa: S101  the function returns one row
        delivery = _outcome(cursor, name, row["number"])
    if delivery["state"] == "delivered":
        click.echo(f"delivered: status {delivery['last_status']}")
    elif delivery["last_error"] is not None:
        raise click.ClickException(f"not delivered: {delivery['last_error']}")
    elif delivery["attempts"]:
        raise click.ClickException("it is being sent still: `wattledger webhook list` tells more")
    else:
        raise click.ClickException(
            "nobody sends it: is the webhook enabled, and does a service or `wattledger webhook"
            " deliver` run?"
        )


def _outcome(cursor: Any, name: str, number: int) -> dict[str, Any]:
    deadline = time.monotonic() + _TEST_SECONDS
    while True:
        row = cursor.execute(
            "SELECT state, attempts, last_status, last_error FROM bi.webhook_delivery"
            " WHERE webhook = %s AND change_id = %s",
            [name, number],
        ).fetchone()
        if row is None:
            raise click.ClickException(f"webhook {name} was removed meanwhile")
        is_told = row["state"] != "pending" or row["last_error"] is not None
        if is_told or time.monotonic() > deadline:
            return row
        time.sleep(0.2)


@webhook.command()
@click.option("--once", is_flag=True, help="Deliver what is due now, and end.")
def deliver(once: bool) -> None:
    """Deliver until SIGTERM, in place of the service or beside it: both share what is due.

    Works on DATABASE_URL or the embedded database, as the service's login. For networks in which
    the service may not reach receivers: set WATTLEDGER_WEBHOOKS=off there, and run this where that
    is allowed.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # each attempt to connect, all through an outage that others have told
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    from service.database.errors import DatabaseError

    try:
        asyncio.run(_deliver(service_url(), settings.load(), once))
    except (settings.SettingsError, DatabaseError) as error:
        raise click.ClickException(str(error)) from error


async def _deliver(conninfo: str, loaded: settings.Settings, once: bool) -> None:
    from service.webhooks.sender import sending

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with sending(conninfo, loaded) as sender:
        if once:
            await sender.deliver_due()
            await sender.forget()
            return
        sender.start()
        await ended.wait()
