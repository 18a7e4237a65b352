"""Databases on both editions to export from, and the command."""

from __future__ import annotations

from tests.editions.conftest import (
    community_url,
    db,
    engine,
    shared_path,
    url,
    url_filled_by,
    where,
)

__all__ = ["community_url", "db", "engine", "shared_path", "url", "url_filled_by", "where"]
