"""`wattledger up`: the quick start, from nothing to a running service."""

import os

import click

from service import serving, settings
from service.cli.serve import address_options, apply_address
from service.cli.target import migrate_database, service_url
from service.embedded import Cluster, EmbeddedError, default_directory

_WELCOME = """
Wattledger listens on {base}

  post a reading   curl {base}/v1/ingest -H 'Content-Type: application/json' \\
                     -d '{{"meterId":"M-1","kwhConsumedAc":0.42,"timestamp":'$(date +%s)000'}}'
  see its state    curl {base}/v1/meters/M-1
  all routes       {base}/docs

Ctrl-C stops it.
"""


@click.command()
@address_options
def up(host: str | None, port: int | None, workers: int | None) -> None:
    """Start a database, migrate it, and serve: all that a first look needs.

    The database is the one at DATABASE_URL, else an embedded TimescaleDB that is fetched at the
    first start and keeps its data. It stops together with the service, unless it ran before.
    """
    loaded = apply_address(host=host, port=port, workers=workers)
    if settings.database_url():
        _migrate_and_serve(loaded)
        return
    cluster = Cluster(default_directory())
    try:
        ran_before = cluster.status().running
        cluster.start()
        try:
            _migrate_and_serve(loaded)
        finally:
            if not ran_before:
                cluster.stop()
    except EmbeddedError as error:
        raise click.ClickException(str(error)) from error


def _migrate_and_serve(loaded: settings.Settings) -> None:
    migrate_database(click.echo)
    os.environ["DATABASE_URL"] = service_url()
    click.echo(_WELCOME.format(base=f"http://{loaded.host}:{loaded.port}"))
    serving.run(loaded)
