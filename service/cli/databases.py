"""Database that a command works on: DATABASE_URL, else the embedded one."""

from collections.abc import Callable

import click
import psycopg

from service import migrate as schema
from service import settings
from service.database.conninfo import completed
from service.embedded import Cluster, EmbeddedError, default_directory
from service.migrate.patience import WAIT_SECONDS

_SERVICE = "wattledger_service"


def admin_url() -> str:
    """Where to migrate: DATABASE_URL, or the embedded database's superuser.

    Raises click.ClickException where neither is there.
    """
    return settings.database_url() or _embedded_url("postgres")


def connect_as_admin() -> psycopg.Connection[tuple[object, ...]]:
    """A connection to it, in autocommit mode. Raises click.ClickException, psycopg.Error."""
    return psycopg.connect(completed(admin_url()), autocommit=True, connect_timeout=10)


def service_url() -> str:
    """Where to serve from: DATABASE_URL, or the embedded database's service role.

    Raises click.ClickException where neither is there.
    """
    return settings.database_url() or _embedded_url(_SERVICE)


def migrate_database(
    report: Callable[[str], None],
    *,
    to_community: bool = False,
    wait_seconds: float = WAIT_SECONDS,
) -> None:
    """Migrate it; the embedded one also gets the login that `service_url` names.

    Raises click.ClickException.
    """
    url = admin_url()
    embedded = settings.database_url() is None
    try:
        passwords = (
            {_SERVICE: Cluster(default_directory()).password_of(_SERVICE)} if embedded else {}
        )
        schema.migrate(url, report, passwords, to_community=to_community, wait_seconds=wait_seconds)
    except (schema.MigrationError, EmbeddedError) as error:
        raise click.ClickException(str(error)) from error


def _embedded_url(role: str) -> str:
    cluster = Cluster(default_directory())
    try:
        if cluster.status().running:
            return cluster.url(role)
    except EmbeddedError as error:
        raise click.ClickException(str(error)) from error
    raise click.ClickException(
        "no database: set DATABASE_URL, or start the embedded one with `wattledger db start`"
    )
