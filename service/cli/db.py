"""`wattledger db`: the embedded database."""

import os
import sys

import click
from psycopg.conninfo import conninfo_to_dict

from service import settings
from service.embedded import Cluster, EmbeddedError, default_directory

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
    """


def _refuse_if_given(what: str) -> None:
    if settings.database_url():
        raise click.ClickException(
            f"DATABASE_URL is set, and that database is not ours to {what}: unset it first"
        )


def _url(role: str) -> str:
    return settings.database_url() or Cluster(default_directory()).url(role)


@db.command()
def start() -> None:
    """Start it, having fetched and made it where that was not done yet."""
    if settings.database_url():
        click.echo("DATABASE_URL is set: that database is used, none is started")
        return
    cluster = Cluster(default_directory())
    cluster.start()
    click.echo(f"the embedded database runs on port {cluster.status().port}")


@db.command()
def stop() -> None:
    """Stop it; its data stays."""
    _refuse_if_given("stop")
    Cluster(default_directory()).stop()
    click.echo("the embedded database is stopped")


@db.command()
def status() -> None:
    """Say whether it runs; exit with 3 if it does not."""
    if settings.database_url():
        click.echo("DATABASE_URL is set: that database is used")
        return
    directory = default_directory()
    found = Cluster(directory).status()
    if found.running:
        click.echo(f"running: port {found.port}, process {found.pid}, data in {directory}")
        return
    click.echo(f"stopped: data in {directory}" if found.exists else f"not made yet: {directory}")
    sys.exit(3)


@db.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def psql(arguments: tuple[str, ...]) -> None:
    """Open psql on it as superuser; arguments go to psql."""
    program = "psql"
    environment = dict(os.environ)
    if url := settings.database_url():
        # in the environment, since arguments are seen by every user of the machine
        for keyword, value in conninfo_to_dict(url).items():
            environment[_VARIABLES.get(keyword, f"PG{keyword.upper()}")] = str(value)
    else:
        cluster = Cluster(default_directory())
        found = cluster.status()
        if not found.running:
            raise EmbeddedError("it does not run: start it with `wattledger db start`")
        program = str(cluster.program("psql"))
        environment |= {
            "PGHOST": "127.0.0.1",
            "PGPORT": str(found.port),
            "PGUSER": "postgres",
            "PGPASSWORD": cluster.password_of("postgres"),
            "PGDATABASE": "wattledger",
        }
    try:
        os.execvpe(program, [program, *arguments], environment)  # noqa: S606  our own program
    except FileNotFoundError as error:
        raise click.ClickException("psql is not installed here") from error


@db.command()
@click.option("--role", default="postgres", show_default=True, help="Whose login to print.")
def url(role: str) -> None:
    """Print the URL to connect with, password included."""
    click.echo(_url(role))


@db.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
def destroy(yes: bool) -> None:
    """Stop it and remove all its data."""
    _refuse_if_given("destroy")
    directory = default_directory()
    if not yes:
        click.confirm(f"Remove {directory} and every reading in it?", abort=True)
    Cluster(directory).destroy()
    click.echo(f"removed {directory}")
