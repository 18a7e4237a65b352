"""Choice of where readings go: to the database, or to the buffer before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.buffer.address import Address
from service.ingest.counts import IngestCounts
from service.ingest.destination import Destination
from service.ingest.writer import Writer
from service.settings import Settings

if TYPE_CHECKING:
    from service.traces.tracing import Tracing


def destination(
    conninfo: str, settings: Settings, counts: IngestCounts, traces: Tracing | None
) -> Destination:
    """Where the settings have readings go. Raises SettingsError where they cannot be used."""
    if not settings.buffer:
        return Writer(conninfo, settings, counts, traces)
    address = Address(settings)
    # it needs what is installed for those alone who have a buffer
    from service.buffer.intake import Buffer

    return Buffer(address, conninfo, settings, counts)
