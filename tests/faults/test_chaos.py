"""Every fault of `just chaos`, once: nothing is lost, all agrees, and the service is well again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.chaos.faults import ALL, Fault
from loadtests.chaos.fleet import Fleet
from loadtests.chaos.installation import Installation
from loadtests.chaos.run import Run
from tests.support.keys import make_key

# of a machine that does much else at the same time; `just chaos` says how long it really takes
WELL_AGAIN_SECONDS = 60
DISK_BYTES = 2 << 30


class Arena:
    """An installation under load, in an event loop that runs while a test does."""

    def __init__(self, installation: Installation, runner: asyncio.Runner) -> None:
        self._runner = runner
        key = make_key(installation.admin_url)
        self._fleet = Fleet(installation.port, key, devices=300, clients=20)
        self._fleet.rate = 400
        self.lines: list[str] = []
        self.run = Run(installation, self._fleet, self.lines.append)
        runner.run(self._start())

    async def _start(self) -> None:
        self._fleet.start()
        await asyncio.sleep(1)

    def cause(self, fault: Fault) -> None:
        """Cause a fault once the load goes on, and look at what became of it."""
        self._runner.run(self._load_goes_on())
        self._runner.run(self.run.cause([fault], 0))

    async def _load_goes_on(self) -> None:
        last = self.run.events[-1].finding if self.run.events else None
        least = (last.acknowledged if last else 0) + 100
        deadline = time.monotonic() + 60
        while self._fleet.readings <= least:
            assert time.monotonic() < deadline, "the load does not go on"
            await asyncio.sleep(0.05)

    def stop(self) -> None:
        self._runner.run(self._fleet.stop())


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    log: Path = tmp_path_factory.mktemp("chaos") / "service.log"
    with Installation(3, DISK_BYTES, log) as installation, asyncio.Runner() as runner:
        started = Arena(installation, runner)
        yield started
        started.stop()


@pytest.mark.slow
@pytest.mark.parametrize("fault", ALL, ids=[fault.name.replace(" ", "-") for fault in ALL])
def test_nothing_acknowledged_is_lost_or_stored_twice_and_all_agrees(
    arena: Arena, fault: Fault
) -> None:
    before = arena.run.events[-1].finding if arena.run.events else None
    arena.cause(fault)
    event = arena.run.events[-1]
    if event.unavailable is not None:
        pytest.skip(event.unavailable)
    assert event.recovered_seconds is not None, "not well again"
    assert event.recovered_seconds < WELL_AGAIN_SECONDS
    finding = event.finding
    assert finding is not None
    assert finding.is_good, arena.lines[-1]
    assert finding.differences == 0
    assert finding.ledgers_off == 0
    # the load was there, before the fault and after it
    assert finding.acknowledged > (before.acknowledged if before else 0) + 100
