"""Header that says which database answered a read, where there is a replica for reads."""

from __future__ import annotations

from service.database.replica import Source
from service.http.access_log import Note

# a token and its parameter, as structured fields have them (RFC 9651)
READ_FROM = "Wattledger-Read-From"
READ_FROM_PATTERN = r"^(primary|standby; lag=[0-9]+\.[0-9])$"


def tell(note: Note, source: Source, lag_seconds: float | None) -> None:
    """Say by which database a request was answered, and by how many seconds a standby lags."""
    value: str = source if lag_seconds is None else f"{source}; lag={lag_seconds:.1f}"
    note.headers = ((READ_FROM.lower().encode(), value.encode()),)
    note.facts["read_from"] = source
