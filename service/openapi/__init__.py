"""The OpenAPI document: pages, shared parts, and the ingest route."""
