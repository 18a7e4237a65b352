"""The HTTP server: granian with our application in each of its workers."""

import socket
from contextlib import closing

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops

from service.settings import Settings, SettingsError


def check_address(settings: Settings) -> None:
    """Raise SettingsError where the address cannot be listened on."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise SettingsError(
                f"cannot listen on {settings.host}:{settings.port}: {error.strerror};"
                " choose another with --host and --port"
            ) from error


def run(settings: Settings) -> None:
    """Serve until told to stop; DATABASE_URL and the settings come from the environment."""
    Granian(
        "service.app:create_served_app",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        loop=Loops.uvloop,
        workers=settings.workers,
        factory=True,
        # a worker that died is replaced at once, since its readings are safe in the database
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=30,
        # it counts connections, and idle keep-alive ones must not shut out the health check
        backpressure=10_000,
        backlog=2048,
    ).serve()
