"""The service as a whole: its application behind its HTTP server."""

import logging

from service.http.server import serve
from service.ingest.lane import Lane
from service.settings import Settings

_log = logging.getLogger(__name__)


def run(settings: Settings) -> None:
    """Serve until told to stop; DATABASE_URL and the settings come from the environment."""
    if settings.keys == "off":
        _log.warning(
            "NO KEYS: whoever can open a connection to port %d of this machine may post, read and"
            " change everything (WATTLEDGER_KEYS=off)",
            settings.port,
        )
    serve(
        "service.app:create_served_app",
        Lane,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
    )
