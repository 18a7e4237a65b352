"""The service as a whole: its application behind its HTTP server."""

from service.http.server import serve
from service.ingest.lane import Lane
from service.settings import Settings


def run(settings: Settings) -> None:
    """Serve until told to stop; DATABASE_URL and the settings come from the environment."""
    serve(
        "service.app:create_served_app",
        Lane,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
    )
