"""The access log: one line a request, whatever the request."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from litestar.testing import TestClient

from service.app import create_app, logged
from service.settings import Settings
from tests.support.http import meter, wait_until_ready
from tests.support.keys import bearer, key_id, the_key


@pytest.fixture
def requested(service_url: str) -> Any:
    """Do some requests on an application with a log; return its lines and the answers."""

    def do(requests: list[tuple[str, str, dict[str, Any]]], **options: Any) -> Any:
        stream = io.StringIO()
        app = logged(create_app(service_url), Settings(**options), stream)
        with TestClient(app) as client:
            client.headers.update(bearer())
            wait_until_ready(lambda: client.get("/health/ready").status_code)
            answers = [client.request(method, path, **more) for method, path, more in requests]
        lines = [line for line in stream.getvalue().splitlines() if "/health/ready" not in line]
        return lines, answers

    return do


INGEST = ("POST", "/v1/ingest", {"json": [meter(), meter(), meter("M-2", kwhConsumedAc=-1)]})


def test_a_request_is_one_line_with_status_duration_counts_and_id(requested: Any) -> None:
    (line,), (answer,) = requested([INGEST])
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z POST /v1/ingest 207 \d+\.\dms"
        rf" key={key_id(the_key())} accepted=1 duplicates=1 rejected=1 id=\S+",
        line,
    )
    assert line.endswith(f"id={answer.headers['x-request-id']}")


@pytest.mark.shares_a_service
@pytest.mark.parametrize("prefix", ["", "/wattledger"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/health/live", "/docs", "/docs/swagger-ui.css", "/nothing"])
def test_a_path_is_the_one_below_the_prefix_as_it_came(
    requested: Any, method: str, path: str, prefix: str
) -> None:
    requests = [(method, start + path, {}) for start in {"", prefix}]
    lines, _ = requested(requests, root_path=prefix)
    assert [line.split()[1:3] for line in lines] == [[method, path]] * len(requests)


def test_lines_are_json_when_asked(requested: Any) -> None:
    (line,), _ = requested([INGEST], log_format="json")
    document = json.loads(line)
    assert (document["status"], document["accepted"], document["slow"]) == (207, 1, False)


def test_a_request_slower_than_the_setting_is_flagged(requested: Any) -> None:
    (line,), _ = requested([INGEST], slow_milliseconds=0.0001)
    assert line.endswith(" slow")


def test_the_clients_request_id_is_kept_if_it_is_harmless(requested: Any) -> None:
    ids = ["trace-17", "bad id\u00e9"]
    lines, answers = requested(
        [("GET", "/health/live", {"headers": {"X-Request-Id": i.encode()}}) for i in ids]
    )
    assert answers[0].headers["x-request-id"] == "trace-17"
    assert lines[0].endswith("id=trace-17")
    assert answers[1].headers["x-request-id"] != ids[1]


def test_a_path_cannot_forge_a_line(requested: Any) -> None:
    lines, _ = requested([("GET", "/v1/meters/x%0AGET%20/forged%20200", {})])
    assert len(lines) == 1


def test_every_id_is_new(requested: Any) -> None:
    _, answers = requested([("GET", "/health/live", {})] * 20)
    assert len({answer.headers["x-request-id"] for answer in answers}) == 20


def test_a_request_to_another_route_has_its_line_too(requested: Any) -> None:
    (line,), (answer,) = requested([("GET", "/v1/meters/nobody", {})])
    assert " GET /v1/meters/nobody 404 " in line
    assert line.endswith(f"id={answer.headers['x-request-id']}")


def test_without_a_log_requests_still_have_an_id(requested: Any) -> None:
    lines, (answer,) = requested([INGEST], access_log=False)
    assert lines == []
    assert answer.headers["x-request-id"]
