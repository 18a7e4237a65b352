"""The service below a path prefix, behind a real nginx and by what headers say."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from click.testing import CliRunner

from service.cli import main
from service.http.proxy import Proxies
from tests.support.http import meter
from tests.support.keys import bearer
from tests.support.nginx import location, proxying
from tests.support.process import Service, serving

PREFIX = "/wattledger"
CUT = location()
LEFT_ON = CUT.replace(":3000/;", ":3000;")
# as a proxy that nobody told of the headers
BARE_CUT = "location /wattledger/ { proxy_pass http://127.0.0.1:3000/; }"
BARE_LEFT_ON = "location /wattledger/ { proxy_pass http://127.0.0.1:3000; }"
ROOTED = {"WATTLEDGER_ROOT_PATH": PREFIX}
TRUSTING = {"WATTLEDGER_TRUSTED_PROXIES": "127.0.0.0/8"}


@pytest.fixture(
    name="setup",
    params=[
        (CUT, ROOTED),
        (LEFT_ON, ROOTED),
        (BARE_CUT, ROOTED),
        (BARE_LEFT_ON, ROOTED),
        (CUT, TRUSTING),
        (LEFT_ON, TRUSTING),
        (CUT, ROOTED | TRUSTING),
    ],
    ids=["cut", "left-on", "bare-cut", "bare-left-on", "named", "named-left-on", "both"],
)
def _setup(request: pytest.FixtureRequest) -> tuple[str, dict[str, str]]:
    """Each way of setting nginx and the service up."""
    return request.param


@pytest.fixture
def takes_large(setup: tuple[str, dict[str, str]]) -> bool:
    """Whether nginx was told how large a body may be."""
    return "client_max_body_size" in setup[0]


@pytest.fixture
def client(setup: tuple[str, dict[str, str]], service_url: str) -> Iterator[httpx.Client]:
    """A client of nginx."""
    text, environment = setup
    with (
        serving(service_url, "--workers", "1", **environment) as service,
        proxying(port(service), text) as url,
        httpx.Client(base_url=url, headers=bearer(), timeout=20) as opened,
    ):
        yield opened


def port(service: Service) -> int:
    found = urlsplit(service.url).port
    assert found is not None
    return found


def check_page(client: httpx.Client, prefix: str) -> None:
    """The page, its assets and its document work below a prefix, as a browser would use them."""
    page = client.get(f"{prefix}/docs")
    assert page.status_code == 200
    sources = [s for s in re.findall(r'(?:src|href)="([^"]+)"', page.text) if s[:5] != "data:"]
    assert len(sources) == 3
    for source in sources:
        assert source.startswith(f"{prefix}/docs/assets/")
        assert client.get(source).status_code == 200
    document = client.get(f"{prefix}/docs/openapi.json").json()
    server = prefix or "/"
    assert document["servers"] == [{"url": server}]
    assert re.findall(r'"servers":\s*(\[[^\]]*\])', page.text) == [f'[{{"url":"{server}"}}]']


def test_everything_works_below_the_prefix(client: httpx.Client, takes_large: bool) -> None:
    check_page(client, PREFIX)
    for _ in range(2):
        sent = client.post(f"{PREFIX}/v1/ingest", json=meter("M-1"))
        assert sent.status_code == 201
    assert sent.json() == {"accepted": 0, "duplicates": 1}
    assert client.post(f"{PREFIX}/v1/ingest", content=b"{").status_code == 400
    assert client.get(f"{PREFIX}/v1/ingest").status_code == 405
    assert client.get(f"{PREFIX}/v1/meters/M-1").status_code == 200
    # a name of a device may look like the prefix
    odd = meter("wattledger")
    assert client.post(f"{PREFIX}/v1/ingest", json=odd).status_code == 201
    assert client.get(f"{PREFIX}/v1/meters/wattledger").json()["meterId"] == "wattledger"
    assert client.get(f"{PREFIX}/v1/nothing").status_code == 404
    # more than nginx takes unless it is told of larger bodies
    large = json.dumps([meter("B-1")]).encode() + b" " * (1 << 20)
    many = client.post(f"{PREFIX}/v1/ingest", content=large)
    assert many.status_code == (201 if takes_large else 413)


def test_without_a_proxy_all_is_at_the_root_and_nobody_is_believed(service_url: str) -> None:
    headers = {"X-Forwarded-Prefix": "/evil", "X-Forwarded-For": "198.51.100.7"}
    with (
        serving(service_url, "--workers", "1") as service,
        httpx.Client(base_url=service.url, headers=headers | bearer(), timeout=20) as client,
    ):
        check_page(client, "")
        assert client.post("/v1/ingest", json=meter()).status_code == 201
        assert client.get("/evil/docs").status_code == 404


def test_a_prefix_that_would_change_the_page_is_not_believed_of_anybody(service_url: str) -> None:
    with (
        serving(service_url, "--workers", "1", **TRUSTING) as service,
        httpx.Client(base_url=service.url, headers=bearer(), timeout=20) as client,
    ):
        for prefix in ('/"><script>', "//evil.example", "https://evil.example", "/a b", "/x" * 99):
            client.headers["X-Forwarded-Prefix"] = prefix
            check_page(client, "")


def placed(
    headers: list[tuple[bytes, bytes]], peer: str = "10.1.2.3", trusted: str = "10.0.0.0/8, ::1"
) -> dict[str, Any]:
    """What an application is told of a request with these headers."""
    told: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        told.update(scope)

    scope = {
        "type": "http",
        "path": "/docs",
        "root_path": "",
        "scheme": "http",
        "client": (peer, 1234),
        "headers": headers,
    }
    proxies = Proxies(app, "", trusted)
    proxies.place(scope)
    asyncio.run(proxies(scope, None, None))
    return told


SAID = [
    (b"x-forwarded-for", b"203.0.113.9, 198.51.100.7, 10.9.9.9"),
    (b"x-forwarded-proto", b"https"),
    (b"x-forwarded-prefix", b"/theirs"),
    (b"x-forwarded-prefix", b"/wattledger/"),
]


@pytest.mark.parametrize("peer", ["10.1.2.3", "::1"])
def test_a_trusted_proxy_is_believed(peer: str) -> None:
    told = placed(SAID, peer)
    # the last that is no proxy of ours: what stands before it, a client may have made up
    assert told["client"][0] == "198.51.100.7"
    assert (told["scheme"], told["root_path"], told["path"]) == (
        "https",
        "/wattledger",
        "/wattledger/docs",
    )


@pytest.mark.parametrize(
    ("peer", "trusted"), [("192.0.2.1", "10.0.0.0/8"), ("10.1.2.3", ""), ("127.0.0.1", "")]
)
def test_anybody_else_is_not(peer: str, trusted: str) -> None:
    told = placed(SAID, peer, trusted)
    assert told["client"] == (peer, 1234)
    assert (told["scheme"], told["root_path"], told["path"]) == ("http", "", "/docs")


@pytest.mark.parametrize(
    ("name", "value", "cure"),
    [
        ("ROOT_PATH", "wattledger", "give it like /wattledger"),
        ("ROOT_PATH", "/wattledger/", "without a slash at its end"),
        ("TRUSTED_PROXIES", "10.0.0.1,proxy.example", "'proxy.example', which is no address"),
        ("TRUSTED_PROXIES", "*", "no address or network"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, cure: str
) -> None:
    monkeypatch.setenv(f"WATTLEDGER_{name}", value)
    monkeypatch.setenv("WATTLEDGER_PORT", "1024")
    done = CliRunner().invoke(main, ["serve"])
    assert done.exit_code == 1
    assert f"WATTLEDGER_{name}" in done.output
    assert cure in done.output
