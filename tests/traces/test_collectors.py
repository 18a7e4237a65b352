"""Collectors that are away, slow or talk nonsense, and settings that name none that could be."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import httpx
import pytest

from loadtests.support import processes
from service.settings import SettingsError
from service.traces import environment
from service.traces.seldom import Seldom
from tests.support.http import meter
from tests.support.keys import bearer
from tests.support.process import COMMAND, free_port, serving
from tests.traces.receiver import Answer, babble, be_no_http, receiving, refuse, sleep

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@contextmanager
def collector_that(answer: Answer | None) -> Iterator[str]:
    """The address of a collector that answers so, or of none."""
    with ExitStack() as stack:
        if answer is None:
            yield f"http://127.0.0.1:{free_port()}"
        else:
            yield stack.enter_context(receiving(answer)).url


@pytest.mark.slow
@pytest.mark.parametrize(
    "answer",
    [
        None,
        *(pytest.param(one, marks=pytest.mark.slow) for one in (sleep, refuse, babble, be_no_http)),
    ],
)
def test_a_collector_that_takes_nothing_is_one_line_and_holds_up_nobody(
    service_url: str, tmp_path: Path, answer: Answer | None
) -> None:
    output = tmp_path / "output"
    with (
        collector_that(answer) as url,
        serving(
            service_url,
            "--workers=1",
            output=output,
            **{
                ENDPOINT: url,
                # each span is sent at once, and each is lost
                "OTEL_BSP_SCHEDULE_DELAY": "20",
                "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1",
                "OTEL_BSP_MAX_QUEUE_SIZE": "10",
                "WATTLEDGER_SLOW_MILLISECONDS": "0.001",
                "WATTLEDGER_ACCESS_LOG": "false",
            },
        ) as service,
        httpx.Client(base_url=service.url, headers=bearer(), timeout=10) as client,
    ):
        for number in range(300):
            assert client.post("/v1/ingest", json=meter(f"M-{number}")).status_code == 201
        deadline = time.monotonic() + 30
        # a slow one is only missed when the queue is full, or after ten seconds
        while answer is not babble and "not all exported" not in output.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert processes.resident_bytes(service.workers()) < 300 << 20
        asked = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(20) == 0
        took = time.monotonic() - asked
    text = output.read_text()
    assert took < 8, text
    assert "Traceback" not in text
    assert "\x1b" not in text
    lines = [line for line in text.splitlines() if "export" in line]
    # one of the minute, and one at the end
    assert len(lines) <= 2, text


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said, each record as a line."""
    # whatever an earlier test's application has set
    monkeypatch.setattr(logging.getLogger("service"), "propagate", True)
    lines: list[str] = []
    monkeypatch.setattr(caplog.handler, "emit", lambda record: lines.append(record.getMessage()))
    return lines


def test_of_many_complaints_one_a_minute_is_told(
    heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("service.traces.seldom.monotonic", lambda: now[0])
    seldom = Seldom()

    def complain(text: str) -> None:
        seldom.handle(logging.makeLogRecord({"msg": text, "levelno": logging.ERROR}))

    for _ in range(1000):
        complain("away\n2026 forged \x1b[31m line: /v1/traces?key=secret " + "x" * 9000)
    now[0] += 61
    complain("away still")
    assert len(heard) == 2
    assert heard[0].startswith(
        r"traces are not all exported: away\n2026 forged \x1b[31m line: /v1/traces?... xx"
    )
    assert len(heard[0]) < 400
    assert heard[1].endswith("away still (and 999 more since the last such line)")


WRONG = [
    ({ENDPOINT: "collector:4317"}, f"{ENDPOINT} cannot be used"),
    ({ENDPOINT: "http://"}, f"{ENDPOINT} cannot be used"),
    ({ENDPOINT: "http://collector:port"}, f"{ENDPOINT} cannot be used"),
    ({ENDPOINT: "ftp://user:secret@collector"}, "give it like http://collector:4318"),
    (
        {ENDPOINT: "http://x", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "x"},
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT cannot be used",
    ),
    (
        {ENDPOINT: "http://x:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        "OTEL_EXPORTER_OTLP_PROTOCOL='grpc' cannot be used: spans are sent by http/protobuf",
    ),
    ({ENDPOINT: "http://x", "OTEL_BSP_SCHEDULE_DELAY": "0"}, "OTEL_BSP_SCHEDULE_DELAY='0'"),
    ({ENDPOINT: "http://x", "OTEL_BSP_MAX_QUEUE_SIZE": "many"}, "OTEL_BSP_MAX_QUEUE_SIZE='many'"),
    ({ENDPOINT: "http://x", "OTEL_BSP_MAX_QUEUE_SIZE": "100"}, "it is larger than"),
]


@pytest.mark.parametrize(("variables", "message"), WRONG)
def test_what_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=re.escape(message)) as raised:
        environment.check_traces()
    assert "secret" not in str(raised.value)
    # of no interest where nothing is exported
    monkeypatch.setenv("OTEL_SDK_DISABLED", "True")
    environment.check_traces()


def test_missing_packages_are_named_with_how_to_install_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(environment, "version", version)
    environment.check_traces()
    monkeypatch.setenv(ENDPOINT, "http://collector:4318")
    with pytest.raises(SettingsError, match=r"pip install 'wattledger\[traces\]'"):
        environment.tracing()


def test_the_service_does_not_start_with_a_collector_that_cannot_be_used() -> None:
    done = subprocess.run(
        [COMMAND, "serve", "--port", str(free_port())],
        env={**os.environ, "DATABASE_URL": "postgresql:///none", ENDPOINT: "collector"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert f"{ENDPOINT} cannot be used" in done.stderr
    assert "Traceback" not in done.stderr
