"""Tariff of the demonstration: what a kilowatt-hour costs by day and by night."""

from __future__ import annotations

from typing import Any

import psycopg

_SET = """
SELECT ops.set_tariff(
    currency => 'EUR',
    zone => 'Europe/Berlin',
    first_day => '2000-01-01',
    prices => '[
        {"price": 0.34, "from": "06:00", "until": "22:00"},
        {"price": 0.26, "from": "22:00"},
        {"price": 0.26, "until": "06:00"}
    ]',
    why => 'the demonstration'
)
WHERE NOT EXISTS (SELECT FROM ops.tariffs)
"""


def set_tariff(connection: psycopg.Connection[Any]) -> None:
    """Set one for all meters, unless there is any."""
    connection.execute(_SET)
