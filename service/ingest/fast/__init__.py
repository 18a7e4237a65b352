"""Fast lane: the usual request to ingest readings, answered below ASGI."""
