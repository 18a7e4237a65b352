"""`wattledger serve`: the HTTP service alone."""

import logging
import os
from collections.abc import Callable
from typing import Any

import click

from service import settings
from service.cli.databases import service_url
from service.cli.environment import problems
from service.http.server import check_address
from service.http.server import serve as serve_http
from service.ingest.fast.lane import Lane

_log = logging.getLogger(__name__)

# what becomes of a connection's bytes; see service.ingest.fast for how to do without the lane
PROTOCOL = Lane


def address_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --host, --port and --workers, which stand for the settings of those names."""
    for name, kind, text in (
        ("workers", int, "How many processes answer requests. [default: one per core, 4 at most]"),
        ("port", int, "TCP port to listen on. [default: 3000]"),
        ("host", str, "Address to listen on. [default: 127.0.0.1]"),
    ):
        command = click.option(f"--{name}", type=kind, help=text)(command)
    return command


def apply_address(**given: object) -> settings.Settings:
    """Put options into the environment, where the workers find them, and return all settings.

    Raises click.ClickException where a setting cannot be used.
    """
    for name, value in given.items():
        if value is not None:
            os.environ[f"WATTLEDGER_{name.upper()}"] = str(value)
    if found := problems():
        raise click.ClickException("\n".join(found))
    loaded = settings.load()
    try:
        check_address(loaded)
    except settings.SettingsError as error:
        raise click.ClickException(str(error)) from error
    return loaded


def run(loaded: settings.Settings) -> None:
    """Serve until told to stop; DATABASE_URL comes from the environment."""
    if loaded.keys == "off":
        _log.warning(
            "NO KEYS: whoever can open a connection to port %d of this machine may post, read and"
            " change everything (WATTLEDGER_KEYS=off)",
            loaded.port,
        )
    serve_http(
        "service.app:create_served_app",
        PROTOCOL,
        host=loaded.host,
        port=loaded.port,
        workers=loaded.workers,
        metrics_address=loaded.metrics_address,
    )


@click.command()
@address_options
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Serve the HTTP API on the database at DATABASE_URL, or on the embedded one.

    The database must have been migrated; /health/ready says if it was not. Requests need a key:
    `wattledger key create` makes one.
    """
    loaded = apply_address(host=host, port=port, workers=workers)
    os.environ["DATABASE_URL"] = service_url()
    run(loaded)
