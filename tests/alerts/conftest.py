"""Databases on both editions whose alerts are looked at, a new one for each file."""

from __future__ import annotations

from tests.editions.conftest import engine, shared_path
from tests.ledger.conftest import db, url, where

__all__ = ["db", "engine", "shared_path", "url", "where"]
