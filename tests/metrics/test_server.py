"""The metrics' own address: who reaches it reads them, and one that cannot be used is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from http import HTTPStatus

import httpx
import pytest

from service.http.metrics_server import MetricsServer
from service.http.server import check_address
from service.metrics.board import PrivateBoard, SharedBoard
from service.settings import Settings, SettingsError
from tests.metrics.test_board import FAMILIES
from tests.support.metrics import Scrape
from tests.support.process import free_port


@pytest.fixture(params=["127.0.0.1", "[::1]"])
def address(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where the metrics of a board are, by both families of addresses."""
    board = PrivateBoard()
    board.claim(FAMILIES)
    with closing(MetricsServer(f"{request.param}:{free_port()}", board)) as server:
        server.start()
        yield f"http://{request.param}:{server.port}"


def test_whoever_reaches_it_reads_the_metrics(address: str) -> None:
    for target in ("/metrics", "/metrics?x=1"):
        answer = httpx.get(address + target)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert Scrape(answer.text).value("done_total", kind="a") == 0


def test_head_has_no_body_and_the_connection_goes_on(address: str) -> None:
    with httpx.Client(base_url=address) as client:
        for _ in range(2):
            answer = client.head("/metrics")
            assert (answer.status_code, answer.content) == (200, b"")
            assert int(answer.headers["content-length"]) > 0
        assert client.get("/metrics").status_code == 200


def test_nothing_else_is_there(address: str) -> None:
    for target in ("/", "/v1/meters", "/metrics/"):
        assert httpx.get(address + target).status_code == 404
    assert httpx.post(f"{address}/metrics").status_code == 501


def test_another_page_has_the_status_that_it_tells() -> None:
    def ready() -> tuple[HTTPStatus, bytes]:
        return HTTPStatus.SERVICE_UNAVAILABLE, b"{}"

    with closing(
        MetricsServer(f"127.0.0.1:{free_port()}", None, pages={"/health/ready": ready})
    ) as server:
        server.start()
        answer = httpx.get(f"http://127.0.0.1:{server.port}/health/ready")
        assert (answer.status_code, answer.content) == (503, b"{}")
        assert answer.headers["content-type"] == "application/json"
        assert httpx.get(f"http://127.0.0.1:{server.port}/health").status_code == 404


def test_metrics_that_cannot_be_read_are_503(tmp_path_factory: pytest.TempPathFactory) -> None:
    gone = SharedBoard(tmp_path_factory.mktemp("board") / "gone")
    with closing(MetricsServer(f"127.0.0.1:{free_port()}", gone)) as server:
        server.start()
        answer = httpx.get(f"http://127.0.0.1:{server.port}/metrics")
        assert answer.status_code == 503


@pytest.mark.parametrize(
    "address", ["9464", "localhost", "localhost:", "localhost:0", "localhost:x", "localhost:65536"]
)
def test_an_address_that_cannot_be_used_is_refused_by_its_name(address: str) -> None:
    with pytest.raises(SettingsError, match=r"WATTLEDGER_METRICS_ADDRESS.*host:port"):
        check_address(Settings(port=free_port(), metrics_address=address))


def test_an_address_in_use_is_refused() -> None:
    with closing(MetricsServer(f"127.0.0.1:{free_port()}", None)) as server:
        taken = f"127.0.0.1:{server.port}"
        with pytest.raises(SettingsError, match=f"WATTLEDGER_METRICS_ADDRESS={taken}"):
            check_address(Settings(port=free_port(), metrics_address=taken))


def test_the_address_must_not_be_that_of_the_service() -> None:
    port = free_port()
    with pytest.raises(SettingsError, match="cannot listen"):
        check_address(Settings(port=port, metrics_address=f"127.0.0.1:{port}"))
    check_address(Settings(port=port, metrics_address=f"127.0.0.1:{free_port()}"))
