"""Faults of `just chaos --buffer`, once: each acknowledged reading is stored, once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.chaos.buffer_faults import BUFFER_ONLY
from loadtests.chaos.buffered import BufferedInstallation
from loadtests.chaos.faults import Fault
from tests.faults.test_chaos import DISK_BYTES, WELL_AGAIN_SECONDS, Arena

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BufferedInstallation]:
    log: Path = tmp_path_factory.mktemp("chaos") / "service.log"
    with BufferedInstallation(3, DISK_BYTES, log, away_seconds=5) as started:
        yield started


@pytest.fixture(scope="module")
def arena(installation: BufferedInstallation) -> Iterator[Arena]:
    with asyncio.Runner() as runner:
        started = Arena(installation, runner)
        yield started
        started.stop()


@pytest.mark.parametrize(
    "fault", BUFFER_ONLY, ids=[fault.name.replace(" ", "-") for fault in BUFFER_ONLY]
)
def test_with_a_buffer_nothing_acknowledged_is_lost_or_stored_twice(
    installation: BufferedInstallation, arena: Arena, fault: Fault
) -> None:
    ended = installation.broker_restarts
    arena.cause(fault)
    event = arena.run.events[-1]
    assert event.recovered_seconds is not None, "not well again"
    assert event.recovered_seconds < WELL_AGAIN_SECONDS
    finding = event.finding
    assert finding is not None
    assert finding.is_good, arena.lines[-1]
    assert finding.differences == 0
    if fault.name == "broker's disk full":
        assert installation.broker_restarts > ended, "its disk was not full"
