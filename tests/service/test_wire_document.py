"""Readings that docs/wire.md shows are taken, and a service settles registers by itself."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from tests.support.documents import DOCS
from tests.support.http import milliseconds, wait_for
from tests.support.readings import NOW, Connection

WIRE = (DOCS / "wire.md").read_text(encoding="utf-8")
BLOCKS = [
    json.loads(block)
    for block in re.findall(r"^```json\n(.*?)^```", WIRE, re.MULTILINE | re.DOTALL)
]


def test_the_document_shows_a_reading_of_each_kind() -> None:
    shown = {name for block in BLOCKS for reading in block for name in reading}
    assert {"kwhTotalAc", "kwhSessionAc", "session", "kwhDeliveredDc", "from"} <= shown


@pytest.mark.parametrize("block", BLOCKS)
def test_what_the_document_shows_is_taken(
    post: Any, connection: Connection, block: list[dict[str, Any]]
) -> None:
    # as they stand, they grow older than history is kept
    now = {"timestamp": milliseconds(NOW), "from": milliseconds(NOW) - 60_000}
    sent = [reading | {name: now[name] for name in now if name in reading} for reading in block]
    assert post(sent).json() == {"accepted": len(sent), "duplicates": 0}
    assert post(sent).json() == {"accepted": 0, "duplicates": len(sent)}
    assert connection.execute("SELECT count(*) FROM telemetry.quarantine").fetchone() == (0,)


def test_registers_are_in_the_hours_in_which_their_energy_flowed_whatever_was_lost_or_repeated(
    client: Any, post: Any
) -> None:
    start = NOW.replace(minute=0) - timedelta(hours=4)
    levels = [
        {
            "meterId": "M-1",
            "kwhTotalAc": 100 + minutes / 60,
            "timestamp": milliseconds(start + timedelta(minutes=minutes)),
        }
        for minutes in range(0, 181, 15)
    ]
    # two messages are lost, about a full hour; the others come twice, the later ones first
    arrived = [level for place, level in enumerate(levels) if place not in (4, 5)]
    client.put("/v1/links/V-1", json={"meterId": "M-1"})
    for level in reversed(arrived):
        assert post([level, level]).json() == {"accepted": 1, "duplicates": 1}
    window = {"from": start.isoformat(), "to": (start + timedelta(hours=3)).isoformat()}

    def energies() -> list[float]:
        found = client.get("/v1/analytics/performance/V-1/hourly", params=window).json()
        return [hour["kwhConsumedAc"] for hour in found["hours"]]

    wait_for(lambda: energies() == [1, 1, 1])
