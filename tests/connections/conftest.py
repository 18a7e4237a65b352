"""Databases that are reached as in production: over the network, encrypted, through others."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from service.embedded import Cluster
from service.migrate import migrate
from tests.connections.serving import serving, wait_for_source
from tests.support.http import wait_until_ready
from tests.support.keys import put_the_key
from tests.support.packages import command
from tests.support.standby import Follower

_SMALL = {"shared_buffers": "64MB", "max_wal_size": "256MB"}


@contextmanager
def migrated(parent: Path, **settings: str) -> Iterator[Cluster]:
    """A migrated embedded database in a directory, with the durable settings that users get."""
    made = Cluster(parent / "cluster", port=0, settings={**_SMALL, **settings})
    made.start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("WATTLEDGER_SERVICE_PASSWORD", made.password_of("wattledger_service"))
            migrate(made.url(), lambda _: None)
        put_the_key(made.url())
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory that other users may enter, as whom servers run where we are root."""
    made = Path(tempfile.mkdtemp(prefix="wattledger-connections-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster(place: Path) -> Iterator[Cluster]:
    """A migrated database of this module's own."""
    with migrated(place) as made:
        yield made


@pytest.fixture(scope="module")
def standby(place: Path, cluster: Cluster) -> Iterator[Follower]:
    """A standby of the module's database."""
    made = Follower(cluster, place / "standby")
    yield made
    made.stop()


@pytest.fixture
def client(cluster: Cluster, standby: Follower) -> Iterator[httpx.Client]:
    """A client of the service with the standby for reads."""
    with serving(cluster, standby.cluster) as (_, opened):
        wait_until_ready(lambda: opened.get("/health/ready").status_code)
        wait_for_source(opened, "standby")
        yield opened


@pytest.fixture(scope="session")
def own_address() -> str:
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
            found = probe.getsockname()[0]
        except OSError:
            found = "127.0.0.1"
    if found.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    return found


@pytest.fixture(scope="module")
def certificate(place: Path, own_address: str) -> tuple[Path, Path]:
    """A certificate for this machine's own address, and its key."""
    config, key, made = place / "openssl.cnf", place / "server.key", place / "server.crt"
    config.write_text("[req]\ndistinguished_name = name\n[name]\n")
    subprocess.run(
        [
            *command("openssl", "usr/bin/openssl"),
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "2", "-subj", "/CN=wattledger test"),
            *("-addext", f"subjectAltName=IP:{own_address}"),
            *("-keyout", key, "-out", made),
        ],
        env={**os.environ, "OPENSSL_CONF": str(config)},
        check=True,
        capture_output=True,
    )
    return made, key
