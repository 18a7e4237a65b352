"""Real brokers, and a service and workers on a topic of theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support import kafka
from tests.support.kafka import Brokers
from tests.support.process import Service, serving, working

Environment = dict[str, str]


@pytest.fixture(scope="session")
def brokers() -> Iterator[Brokers]:
    """Three brokers, which a test may kill; all run again before the next one."""
    with kafka.brokers() as started:
        yield started


@pytest.fixture
def topic(brokers: Brokers) -> str:
    """A topic of the test's own, on brokers of which all run."""
    brokers.start()
    return brokers.topic()


@pytest.fixture
def environment(brokers: Brokers, topic: str) -> Environment:
    """The settings of a service and workers with the topic as their buffer."""
    return {"WATTLEDGER_BUFFER": brokers.url(topic)}


@pytest.fixture
def service(service_url: str, environment: Environment) -> Iterator[Service]:
    """A service that puts readings into the topic."""
    with serving(service_url, "--workers", "1", **environment) as started:
        yield started


Start = Callable[[], "Worker"]


class Worker:
    """A running worker, and what it said."""

    def __init__(self, url: str, log: Path, environment: Environment, stack: ExitStack) -> None:
        self._log = log
        self.process = stack.enter_context(working(url, log, **environment))

    def said(self) -> str:
        """All that it wrote."""
        return self._log.read_text()


@pytest.fixture
def start_worker(service_url: str, environment: Environment, tmp_path: Path) -> Iterator[Start]:
    """Starts workers on the test's database, which end with it."""
    with ExitStack() as stack:
        count = 0

        def start() -> Worker:
            nonlocal count
            count += 1
            return Worker(service_url, tmp_path / f"worker-{count}.log", environment, stack)

        yield start
