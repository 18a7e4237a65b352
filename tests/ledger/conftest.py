"""Ledgers on both editions, and the devices that they are of."""

from __future__ import annotations

import pytest

from tests.editions.conftest import community_url, db, engine, shared_path, url, where
from tests.support.ledger import Device, new_device

__all__ = ["community_url", "db", "engine", "shared_path", "url", "where"]


@pytest.fixture(params=["meter", "vehicle"])
def device(request: pytest.FixtureRequest) -> Device:
    """A meter and a vehicle in turn."""
    return new_device(request.param)
