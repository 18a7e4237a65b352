"""Choice of where readings go: to the database, or to the buffer before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.buffer.address import Address
from service.buffer.counts import SenderCounts
from service.ingest.counts import IngestCounts
from service.ingest.destination import Destination
from service.ingest.writer import Writer
from service.metrics.slab import Slab
from service.settings import Settings

if TYPE_CHECKING:
    from service.buffer.lookout import Lookout
    from service.traces.tracing import Tracing


def destination(
    conninfo: str, settings: Settings, slab: Slab, traces: Tracing | None
) -> Destination:
    """Where the settings have readings go. Raises SettingsError where they cannot be used."""
    counts = IngestCounts(slab)
    if not settings.buffer:
        return Writer(conninfo, settings, counts, traces)
    address = Address(settings)
    # it needs what is installed for those alone who have a buffer
    from service.buffer.intake import Buffer

    return Buffer(address, conninfo, settings, counts, SenderCounts(slab))


def lookout(settings: Settings) -> Lookout | None:
    """What looks at a buffer for all processes of the service; None where there is no buffer."""
    if not settings.buffer:
        return None
    from service.buffer.lookout import Lookout

    return Lookout(Address(settings))
