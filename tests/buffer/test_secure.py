"""One broker that asks for TLS and a password, and keeps a single copy of what it takes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.support import kafka
from tests.support.http import meter, wait_for
from tests.support.kafka import PASSWORD, USER, Brokers
from tests.support.keys import bearer
from tests.support.packages import command
from tests.support.process import COMMAND, free_port, serving, working

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for this machine and, in another file, that and its key."""
    place = tmp_path_factory.mktemp("certificate")
    config, key, made = place / "openssl.cnf", place / "server.key", place / "ca.pem"
    config.write_text("[req]\ndistinguished_name = name\n[name]\n")
    subprocess.run(
        [
            *command("openssl", "usr/bin/openssl"),
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=broker", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", key, "-out", made),
        ],
        env={**os.environ, "OPENSSL_CONF": str(config)},
        check=True,
        capture_output=True,
    )
    (place / "broker.pem").write_bytes(key.read_bytes() + made.read_bytes())
    return made


@pytest.fixture(scope="module")
def broker(certificate: Path) -> Iterator[Brokers]:
    with kafka.brokers(1, certificate.with_name("broker.pem")) as started:
        yield started


@pytest.fixture
def environment(broker: Brokers, certificate: Path) -> dict[str, str]:
    topic = broker.topic(max_message_bytes="100000")
    return {
        "WATTLEDGER_BUFFER": f"kafka://{broker.each[0].secure_address}/{topic}",
        "WATTLEDGER_BUFFER_TLS": "on",
        "WATTLEDGER_BUFFER_CA_FILE": str(certificate),
        "WATTLEDGER_BUFFER_SASL": "PLAIN",
        "WATTLEDGER_BUFFER_USER": USER,
        "WATTLEDGER_BUFFER_PASSWORD": PASSWORD,
    }


def test_readings_go_by_tls_and_a_password_and_an_unsafe_topic_is_told_loudly(
    environment: dict[str, str],
    service_url: str,
    connection: psycopg.Connection[tuple[int]],
    tmp_path: Path,
) -> None:
    log, worker_log = tmp_path / "service.log", tmp_path / "worker.log"

    def stored() -> bool:
        row = connection.execute("SELECT count(*) FROM telemetry.meter_reading").fetchone()
        return row == (1,)

    with (
        serving(service_url, "--workers", "1", output=log, **environment) as service,
        working(service_url, worker_log, **environment),
    ):
        answer = httpx.post(f"{service.url}/v1/ingest", json=meter(), headers=bearer(), timeout=30)
        assert answer.status_code == 202
        wait_for(stored, 60)
    said = log.read_text() + worker_log.read_text()
    assert PASSWORD not in said
    assert "THE BUFFER IS NOT SAFE: the topic" in said
    assert "has 1 replica:" in said
    assert "min.insync.replicas=1" in said
    assert "max.message.bytes=100000" in said


def test_a_wrong_password_is_told_without_it(
    environment: dict[str, str], service_url: str, tmp_path: Path
) -> None:
    wrong = {**environment, "WATTLEDGER_BUFFER_PASSWORD": "a-wrong-one"}
    port, log = free_port(), tmp_path / "service.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [COMMAND, "serve", "--port", str(port), "--workers", "1"],
            env={**os.environ, "DATABASE_URL": service_url, **wrong},
            stdout=output,
            stderr=output,
        )
    try:

        def told() -> list[str]:
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=10)
            except httpx.TransportError:
                return []
            return answer.json().get("problems", [])

        wait_for(lambda: told() == ["the buffer takes no readings"], 60)
        answer = httpx.post(
            f"http://127.0.0.1:{port}/v1/ingest", json=meter(), headers=bearer(), timeout=30
        )
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
    finally:
        process.terminate()
        process.wait(60)
    said = log.read_text()
    assert "a-wrong-one" not in said
    assert "Authentication failed" in said
