"""The HTTP routes but ingest: one module a subject, each handler one call of a SQL function."""
