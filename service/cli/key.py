"""`wattledger key`: make, list, revoke and rotate API keys."""

from __future__ import annotations

import click

from service.cli.dba import as_dba, echo_table

_LIST_COLUMNS = (
    "key_id",
    "status",
    "scopes",
    "devices",
    "fleet",
    "expires_at",
    "last_used_at",
    "note",
)


_cursor = as_dba("keys are made")


@click.group()
def key() -> None:
    """Make, list, revoke and rotate API keys.

    Works on DATABASE_URL or the embedded database, as a superuser or wattledger_dba. Every
    request to the service carries a key: `Authorization: Bearer wl_…`.
    """


@key.command()
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(["ingest", "read", "metrics", "admin"]),
    multiple=True,
    required=True,
    help="What it may do: post readings, read, scrape /metrics, or everything. May be repeated.",
)
@click.option(
    "--device",
    "devices",
    metavar="PATTERN",
    multiple=True,
    help="Id of a device that it may speak for, as meter:ID, vehicle:ID, or ID for both; * stands"
    " for any characters. May be repeated. [default: any device]",
)
@click.option("--fleet", help="Fleet that it may speak for, as ops.set_fleet has it.")
@click.option(
    "--expires",
    metavar="INTERVAL",
    help="How long it works, such as '90 days'. [default: until it is revoked]",
)
@click.option("--rate", type=float, help="Readings, or other requests, a second on average.")
@click.option("--burst", type=float, help="How many at once after a pause. [default: 60 x rate]")
@click.option("--note", default="", help="What it is for.")
def create(
    scopes: tuple[str, ...],
    devices: tuple[str, ...],
    fleet: str | None,
    expires: str | None,
    rate: float | None,
    burst: float | None,
    note: str,
) -> None:
    """Make a key and print it, this once: it is stored only as a hash.

    The key alone goes to standard output, so that KEY=$(wattledger key create --scope read) works.
    """
    with _cursor() as cursor:
        row = cursor.execute(
            "SELECT * FROM ops.create_key(scopes => %s::text[], devices => %s::text[],"
            " fleet => %s::text,"
            # in UTC: a day has 24 hours, whatever the session's time zone
            " expires_at => (now() AT TIME ZONE 'UTC' + %s::interval) AT TIME ZONE 'UTC',"
            " readings_per_second => %s::float8, burst_readings => %s::float8, note => %s::text)",
            [list(scopes), list(devices) or None, fleet, expires, rate, burst, note],
        ).fetchone()
    assert row is not None  # noqa: S101  the function returns one row
    click.echo(f"key {row['key_id']}; it is not shown again:", err=True)
    click.echo(row["key"])


@key.command(name="list")
def list_keys() -> None:
    """Show every key but its secret: whose, for what, until when, and when it was last used."""
    with _cursor() as cursor:
        rows = cursor.execute("SELECT * FROM ops.keys ORDER BY created_at").fetchall()
    echo_table(_LIST_COLUMNS, rows)


@key.command()
@click.argument("key_id")
def revoke(key_id: str) -> None:
    """Make a key useless for ever; KEY_ID is its middle part, as `key list` shows it."""
    with _cursor() as cursor:
        cursor.execute("SELECT ops.revoke_key(%s::text)", [_only_id(key_id)])
    click.echo("revoked; services that know the key notice within WATTLEDGER_KEY_CACHE_SECONDS")


@key.command()
@click.argument("key_id")
@click.option(
    "--overlap", default="1 day", show_default=True, help="How long the old key works on."
)
def rotate(key_id: str, overlap: str) -> None:
    """Make a key in place of another, and let that one expire; print the new one, this once."""
    with _cursor() as cursor:
        row = cursor.execute(
            "SELECT * FROM ops.rotate_key(%s::text, %s::interval)", [_only_id(key_id), overlap]
        ).fetchone()
    assert row is not None  # noqa: S101  the function returns one row
    until = row["old_expires_at"].isoformat(timespec="seconds")
    click.echo(
        f"key {row['new_key_id']}; it is not shown again. The old one works until {until}:",
        err=True,
    )
    click.echo(row["new_key"])


def _only_id(given: str) -> str:
    """The id; a whole key is refused, since it would end up in logs of commands."""
    if given.startswith("wl_"):
        raise click.ClickException("give the id alone: the middle part of the key, 12 characters")
    return given
