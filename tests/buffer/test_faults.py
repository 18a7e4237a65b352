"""Faults of the buffered path on real processes: each acknowledged reading is stored, once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from loadtests.buffered.faults import post_through_faults
from loadtests.buffered.installation import Installation
from loadtests.buffered.load import Load, account
from loadtests.buffered.spike import spike
from tests.support.http import meter, wait_for
from tests.support.keys import bearer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """All of the buffered path, in processes of its own."""
    with ExitStack() as stacked:
        logs: Path = tmp_path_factory.mktemp("buffered")
        yield Installation(stacked, logs, partitions=6, workers=2)


def test_whatever_is_killed_each_acknowledged_reading_is_stored_once(
    installation: Installation,
) -> None:
    told: list[str] = []
    load = Load(installation.service.port, installation.key, clients=20, rate=200)
    result = asyncio.run(post_through_faults(installation, load, 36, told.append))
    assert result.holds, "\n".join(told)
    assert result.acknowledged > 1_000, "\n".join(told)
    # what it says would be said of readings that are lost, doubled, or of nobody
    some = sorted(load.acknowledged)[:5]
    load.acknowledged.difference_update(some)
    load.acknowledged.add(("M-lost", some[0][1]))
    load.statuses[500] += 1
    result = account(installation.database.url(), load)
    assert (result.lost, result.strange, result.unexpected) == (1, 5, [500])
    load.unknown.update(some)
    result = account(installation.database.url(), load)
    assert (result.strange, result.holds) == (0, False)


def test_ten_times_what_is_stored_gets_503_directly_and_202_with_a_buffer(
    installation: Installation,
) -> None:
    told: list[str] = []
    found, holds = spike(installation, 4, 0.03, told.append)
    assert holds, "\n".join([*told, found])


def test_nothing_acknowledged_is_no_success(installation: Installation) -> None:
    load = Load(installation.service.port, installation.key, clients=1, rate=1)
    assert not account(installation.database.url(), load).holds


def test_without_two_brokers_nothing_is_acknowledged_and_all_comes_back(
    installation: Installation,
) -> None:
    def post(meter_id: str) -> httpx.Response:
        return httpx.post(
            f"{installation.service.url}/v1/ingest",
            json=meter(meter_id),
            headers=bearer(installation.key),
            timeout=40,
        )

    def ready() -> int:
        return httpx.get(f"{installation.service.url}/health/ready", timeout=10).status_code

    assert post("before").status_code == 202
    for broker in installation.brokers.each[:2]:
        broker.stop()
    # what is under way is tried for as long as a commit may take
    answer = post("away")
    assert (answer.status_code, answer.headers["retry-after"].isdecimal()) == (503, True)
    began = time.monotonic()
    answer = post("away")
    assert (answer.status_code, answer.headers["retry-after"].isdecimal()) == (503, True)
    assert time.monotonic() - began < 2
    assert ready() == 503
    installation.brokers.start()
    wait_for(lambda: ready() == 200, 60)
    assert post("after").status_code == 202
    wait_for(lambda: installation.buffer.lag() == 0, 60)
