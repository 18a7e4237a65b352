"""Routes of HTTP but ingest: one module per subject, each handler one call of a SQL function."""
