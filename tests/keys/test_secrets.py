"""A key's secret is nowhere but with its holder: not in logs, tables, or files of the database."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from service.app import create_app, logged
from service.cli.serve import PROTOCOL
from service.embedded import Cluster
from service.migrate import migrate
from service.settings import Settings
from tests.support.http import meter, wait_until_ready
from tests.support.in_process import listening
from tests.support.keys import bearer, key_id, make_key


@pytest.fixture
def talkative() -> Iterator[Cluster]:
    """A migrated database that writes every statement into its log, with its parameters."""
    parent = Path(tempfile.mkdtemp(prefix="wattledger-secrets-"))
    parent.chmod(0o755)
    made = Cluster(
        parent / "cluster",
        port=0,
        settings={
            "log_statement": "all",
            "log_min_duration_statement": "0",
            "log_parameter_max_length": "-1",
            "log_parameter_max_length_on_error": "-1",
        },
    )
    made.start()
    migrate(
        made.url(), lambda _: None, {"wattledger_service": made.password_of("wattledger_service")}
    )
    yield made
    made.stop()
    shutil.rmtree(parent, ignore_errors=True)


def test_neither_logs_nor_answers_nor_any_file_of_the_database_hold_a_secret(
    talkative: Cluster, capfd: pytest.CaptureFixture[str]
) -> None:
    options = Settings()
    log = io.StringIO()
    key = make_key(talkative.url(), "ingest read")
    with psycopg.connect(talkative.url(), autocommit=True) as connection:
        row = connection.execute("SELECT new_key FROM ops.rotate_key(%s)", [key_id(key)]).fetchone()
    assert row is not None
    keys = [key, row[0]]
    answers: list[str] = []
    app = logged(create_app(talkative.url("wattledger_service"), options), options, log)
    with (
        listening(app, PROTOCOL) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}") as client,
    ):
        wait_until_ready(lambda: client.get("/health/ready").status_code)
        for given in (*keys, keys[0][:-1] + ("0" if keys[0][-1] != "0" else "1")):
            for request in (
                client.build_request("POST", "/v1/ingest", json=meter(), headers=bearer(given)),
                client.build_request("POST", "/v1/ingest", content=b"{", headers=bearer(given)),
                client.build_request("GET", "/v1/meters/M-9", headers=bearer(given)),
                client.build_request("DELETE", "/v1/links/V-1", headers=bearer(given)),
            ):
                answer = client.send(request)
                answers.append(f"{answer.status_code} {answer.headers} {answer.text}")
    with psycopg.connect(talkative.url(), autocommit=True) as connection:
        # all that is in memory goes to disk
        connection.execute("CHECKPOINT")
    files = [path for path in talkative.directory.rglob("*") if path.is_file()]
    told = capfd.readouterr()
    seen = b"".join(path.read_bytes() for path in files)
    assert b"api.authenticate" in seen  # the log is among them
    assert key_id(key).encode() in seen
    for one in keys:
        secret = one.split("_")[2]
        assert secret not in "".join([*answers, log.getvalue(), told.out, told.err])
        assert secret.encode() not in seen
