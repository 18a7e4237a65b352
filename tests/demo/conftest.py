"""Databases on both editions for a simulated fleet."""

from __future__ import annotations

from tests.editions.conftest import community_url, db, engine, shared_path, url, where
from tests.embedded.conftest import directory

__all__ = ["community_url", "db", "directory", "engine", "shared_path", "url", "where"]
