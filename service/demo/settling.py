"""What the service does to what was posted: settle it, and keep its charging."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg


def settle(connection: psycopg.Connection[Any], told: Callable[[int], None]) -> None:
    """Settle what is due, as the service does; `told` hears how many days of devices wait."""
    while True:
        row = connection.execute("SELECT s.settled, s.waiting FROM api.settle() AS s").fetchone()
        assert row is not None  # noqa: S101  the function has one row
        told(row[1])
        if row == (0, 0):
            return


def keep_charging(connection: psycopg.Connection[Any], told: Callable[[int], None]) -> None:
    """Keep charging of all devices, as the service does; `told` hears of how many it is kept."""
    kept = 0
    while True:
        row = connection.execute(
            "SELECT s.kept, s.waiting"
            " FROM api.settle_charging(kept_for => '0', patience => '1 s') AS s"
        ).fetchone()
        assert row is not None  # noqa: S101  the function has one row
        kept += row[0]
        told(kept)
        if row == (0, 0):
            return
