"""`wattledger up`: the quick start, from nothing to a running service."""

import os

import click

from service import settings
from service.cli.databases import connect_as_admin, migrate_database, service_url
from service.cli.serve import address_options, apply_address, run
from service.embedded import Cluster, EmbeddedError, default_directory, start_both, stop_both

_WELCOME = """
Wattledger listens on {base}

{keys}
  post a reading   curl {base}/v1/ingest -H "Authorization: Bearer $KEY" \\
                     -H 'Content-Type: application/json' \\
                     -d '{{"meterId":"M-1","kwhConsumedAc":0.42,"timestamp":'$(date +%s)000'}}'
  see its state    curl {base}/v1/meters/M-1 -H "Authorization: Bearer $KEY"
  in a browser     {base}, signed in with a key
  all routes       {base}/docs

Ctrl-C stops it.
"""

_NEW_KEY = """  your key, shown this once; in the terminal that you post from:

                   export KEY={key}

  others           wattledger key create --scope ingest --device M-1
"""
_KEPT_KEYS = """  your keys        wattledger key list
  a new one        export KEY=$(wattledger key create --scope admin)
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
        start_both(cluster)
        try:
            _migrate_and_serve(loaded)
        finally:
            if not ran_before:
                stop_both(cluster)
    except EmbeddedError as error:
        raise click.ClickException(str(error)) from error


def _migrate_and_serve(loaded: settings.Settings) -> None:
    migrate_database(click.echo)
    keys = _keys() if loaded.keys == "required" else ""
    os.environ["DATABASE_URL"] = service_url()
    click.echo(_WELCOME.format(base=f"http://{loaded.host}:{loaded.port}", keys=keys))
    run(loaded)


def _keys() -> str:
    """What to say of keys, after making one that may do everything where there is none yet."""
    with connect_as_admin() as connection:
        if connection.execute(
            "SELECT FROM ops.keys AS k WHERE k.status = 'valid' AND 'admin' = ANY (k.scopes)"
        ).rowcount:
            return _KEPT_KEYS
        row = connection.execute(
            "SELECT c.key FROM ops.create_key(ARRAY['admin'], note => 'made by wattledger up') AS c"
        ).fetchone()
    assert row is not None  # noqa: S101  the function returns one row
    return _NEW_KEY.format(key=row[0])
