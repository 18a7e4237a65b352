"""`wattledger db`: the embedded database."""

import os
import sys

import click
import psycopg
from psycopg.conninfo import conninfo_to_dict

from service import settings
from service.cli import standby as standby_commands
from service.database.conninfo import completed, reason
from service.embedded import (
    Cluster,
    EmbeddedError,
    Standby,
    default_directory,
    start_both,
    stop_both,
)

# libpq's variables that are not named after their keyword
_VARIABLES = {
    "dbname": "PGDATABASE",
    "application_name": "PGAPPNAME",
    "connect_timeout": "PGCONNECT_TIMEOUT",
}


class _Group(click.Group):
    """A group whose commands report the embedded database's errors as one message."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except EmbeddedError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group)
def db() -> None:
    """The embedded database: a private TimescaleDB in a directory of yours.

    DATABASE_URL in the environment means that database instead: then nothing is started here.
    `standby` gives it a second server that answers reads, and `promote` lets that one take over.
    """


db.add_command(standby_commands.standby)
db.add_command(standby_commands.promote)


def _refuse_if_given(what: str) -> None:
    if settings.database_url():
        raise click.ClickException(
            f"DATABASE_URL is set, and that database is not ours to {what}: unset it first"
        )


@db.command()
def start() -> None:
    """Start it and its standby, if it has one; fetch and make it where that was not done yet."""
    if settings.database_url():
        click.echo("DATABASE_URL is set: that database is used, none is started")
        return
    cluster = Cluster(default_directory())
    standby = start_both(cluster)
    click.echo(f"the embedded database runs on port {cluster.status().port}")
    if standby is not None:
        click.echo(f"its standby runs on port {standby.cluster.status().port}")


@db.command()
def stop() -> None:
    """Stop it, and its standby; their data stays."""
    _refuse_if_given("stop")
    stop_both(Cluster(default_directory()))
    click.echo("the embedded database is stopped")


@db.command()
def status() -> None:
    """Say whether it runs, and how its standby follows; exit with 3 if it does not run."""
    if url := settings.database_url():
        _report(url)
        return
    directory = default_directory()
    cluster = Cluster(directory)
    found = cluster.status()
    if found.running:
        click.echo(f"running: port {found.port}, process {found.pid}, data in {directory}")
    else:
        made = "stopped: data in" if found.exists else "not made yet:"
        click.echo(f"{made} {directory}")
    standby_commands.tell(Standby(cluster))
    if not found.running:
        sys.exit(3)


# -h is psql's own option for a host
@db.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> None:
    """Open psql on it as superuser; arguments go to psql."""
    if url := settings.database_url():
        command, variables = ["psql"], _variables(url)
    else:
        command, variables = Cluster(default_directory()).psql_command()
    try:
        os.execvpe(command[0], [*command, *arguments], {**os.environ, **variables})  # noqa: S606
    except FileNotFoundError as error:
        raise click.ClickException("psql is not installed here") from error


@db.command()
@click.option("--role", help="Whose login to print; postgres, the superuser, unless told.")
@click.option("--standby", is_flag=True, help="Print the standby's, which can only be read.")
def url(role: str | None, standby: bool) -> None:
    """Print the URL to connect with, password included."""
    if standby:
        _refuse_if_given("look for a standby of")
        click.echo(Standby(Cluster(default_directory())).cluster.url(role or "postgres"))
        return
    if given := settings.database_url():
        if role:
            raise click.ClickException(
                "DATABASE_URL is set, and only the login in it is known: leave out --role"
            )
        click.echo(given)
        return
    click.echo(Cluster(default_directory()).url(role or "postgres"))


@db.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def destroy(yes: bool) -> None:
    """Stop it and remove all its data, its standby's too."""
    _refuse_if_given("destroy")
    directory = default_directory()
    if not yes:
        click.confirm(f"Remove {directory} and every reading in it?", abort=True)
    cluster = Cluster(directory)
    Standby(cluster).destroy()
    cluster.destroy()
    click.echo(f"removed {directory}")


def _variables(url: str) -> dict[str, str]:
    """libpq's variables for a URL: arguments would be seen by every user of the machine."""
    try:
        parameters = conninfo_to_dict(completed(url))
    except psycopg.Error as error:
        raise click.ClickException(f"DATABASE_URL cannot be read: {error}") from error
    return {
        _VARIABLES.get(keyword, f"PG{keyword.upper()}"): str(value)
        for keyword, value in parameters.items()
    }


def _report(url: str) -> None:
    """Say whether the database at DATABASE_URL answers; exit with 3 if it does not."""
    try:
        with psycopg.connect(completed(url), connect_timeout=5) as connection:
            info = connection.info
            version = info.parameter_status("server_version")
            click.echo(
                f"running: DATABASE_URL, {info.dbname} at {info.host}:{info.port},"
                f" PostgreSQL {version}"
            )
    except psycopg.Error as error:
        click.echo(f"stopped: the database at DATABASE_URL does not answer: {reason(error)}")
        sys.exit(3)
