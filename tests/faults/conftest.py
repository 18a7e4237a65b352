"""A durable database cluster that a fault test may kill, and a service on it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded import Cluster
from service.migrate import migrate
from tests.support.keys import make_key
from tests.support.load import Load
from tests.support.process import Service, serving


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A migrated embedded database of its own, with the durable settings that users get."""
    parent = Path(tempfile.mkdtemp(prefix="wattledger-faults-"))
    parent.chmod(0o755)
    made = Cluster(parent / "cluster", port=0)
    made.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WATTLEDGER_SERVICE_PASSWORD", made.password_of("wattledger_service"))
        migrate(made.url(), lambda _: None)
    yield made
    made.stop()
    shutil.rmtree(parent, ignore_errors=True)


@pytest.fixture
def service(cluster: Cluster) -> Iterator[Service]:
    """A real service process on the cluster."""
    with serving(cluster.url("wattledger_service")) as started:
        yield started


@pytest.fixture
def load(cluster: Cluster, service: Service) -> Iterator[Load]:
    """Devices posting to the service from now on."""
    started = Load(service.url, make_key(cluster.url(), "ingest"))
    started.start()
    yield started
    started.stop()
