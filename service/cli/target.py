"""Which database a command works on: DATABASE_URL, else the embedded one."""

import click

from service import settings
from service.embedded import Cluster, EmbeddedError, default_directory


def admin_url() -> str:
    """Where to migrate: DATABASE_URL, or the embedded database's superuser.

    Raises click.ClickException where neither is there.
    """
    return settings.database_url() or _embedded_url("postgres")


def service_url() -> str:
    """Where to serve from: DATABASE_URL, or the embedded database's service role.

    Raises click.ClickException where neither is there.
    """
    return settings.database_url() or _embedded_url("wattledger_service")


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
