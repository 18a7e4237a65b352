"""Requests to receivers that are good, slow, down, redirecting, lying, or not who they say."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from service.settings import Settings
from service.webhooks import posting
from service.webhooks.network import Resolve
from service.webhooks.posting import Delivery, Outcome, Poster
from tests.support.process import free_port
from tests.support.receiver import (
    Answer,
    Receiver,
    answers,
    certified,
    drips,
    receiving,
    says,
)

OPEN = {"webhook_private": "127.0.0.0/8,::1", "webhook_http": "on"}
SECRET_PATH = "s3cret-path"


def delivery(url: str, **fields: Any) -> Delivery:
    whole = {
        "webhook_id": "pager",
        "change_id": 7,
        "attempt": 1,
        "message_id": "alert_change_7",
        "signed_at": 1_795_816_034,
        "signatures": "v1,c2ln v1,b2xk",
        "body": '{"id": "alert_change_7", "data": {"cause": "Ärger"}}',
    }
    return Delivery(url=url, **{**whole, **fields})


def post(url: str, resolve: Resolve | None = None, **settings: str) -> Outcome:
    """Make one request."""
    poster = Poster(Settings(**{**OPEN, **settings}), resolve)  # pyright: ignore[reportArgumentType]
    try:
        return asyncio.run(poster.post(delivery(url)))
    finally:
        poster.close()


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> float:
    """All requests have half a second."""
    monkeypatch.setattr(posting, "TOTAL_SECONDS", 0.5)
    return 0.5


def test_a_request_carries_body_and_signature_as_they_were_claimed(receiver: Receiver) -> None:
    assert post(f"{receiver.url}?to=me") == Outcome(204, None)
    (request,) = receiver.received
    assert request.line == "POST /hook?to=me HTTP/1.1"
    assert request.body.decode() == delivery("").body
    assert request.headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "content-type": "application/json",
        "user-agent": "wattledger",
        "webhook-id": "alert_change_7",
        "webhook-timestamp": "1795816034",
        "webhook-signature": "v1,c2ln v1,b2xk",
        "content-length": str(len(request.body)),
    }


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (answers(200, b"ok"), Outcome(200, None)),
        (answers(202), Outcome(202, None)),
        # its word counts, however it goes on
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx"), Outcome(200, None)),
        (says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz"), Outcome(200, None)),
        (answers(200, b"x" * 10_000_000), Outcome(200, None)),
        (answers(500), Outcome(500, "status 500")),
        (
            answers(400, b"no\r\n such \x00\x1b[31m hook"),
            Outcome(400, "status 400: no such [31m hook"),
        ),
        (answers(404, b"y" * 10_000_000), Outcome(404, "status 404: " + "y" * 200)),
        (
            says(b"HTTP/1.1 500 X\r\nTransfer-Encoding: chunked\r\n\r\nzz"),
            Outcome(500, "status 500"),
        ),
        (answers(503, b"", "Retry-After: 120"), Outcome(503, "status 503", 120.0)),
        (answers(503, b"", "Retry-After: soon"), Outcome(503, "status 503")),
        (answers(410), Outcome(410, "status 410")),
        (
            says(b""),
            Outcome(
                None, "the answer is not HTTP: Server disconnected without sending a response."
            ),
        ),
    ],
)
def test_the_status_decides(receiver: Receiver, answer: Answer, outcome: Outcome) -> None:
    receiver.answer = answer
    assert post(receiver.url) == outcome


@pytest.mark.parametrize(
    "junk", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\x00" * 99]
)
def test_what_is_not_http_is_a_failure_told_in_one_short_line(
    receiver: Receiver, junk: bytes
) -> None:
    receiver.answer = says(junk)
    status, error, _ = post(receiver.url)
    assert status is None
    assert error is not None
    assert error.startswith("the answer is not HTTP")
    assert len(error) <= posting.MOST_CHARACTERS
    assert error.isprintable()


def test_a_head_without_end_is_a_failure(receiver: Receiver) -> None:
    receiver.answer = says(b"HTTP/1.1 200 OK\r\n" + b"X: yyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 20_000)
    status, error, _ = post(receiver.url)
    assert (status, error is not None) == (None, True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    with receiving() as other:
        receiver.answer = answers(status, b"", f"Location: {other.url}")
        told = post(receiver.url)
        assert told == Outcome(status, f"status {status}, and redirects are not followed")
        assert other.connections == 0
    assert len(receiver.received) == 1


def test_a_receiver_that_says_nothing_costs_no_more_than_its_time(
    receiver: Receiver, quickly: float
) -> None:
    receiver.answer = lambda _request, _peer: time.sleep(5)
    began = time.monotonic()
    assert post(receiver.url).status is None
    assert quickly <= time.monotonic() - began < quickly + 2


@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 "])
def test_bytes_that_drip_do_not_buy_time(receiver: Receiver, quickly: float, head: bytes) -> None:
    receiver.answer = drips(head, 0.05)
    began = time.monotonic()
    assert post(receiver.url).status is None
    assert time.monotonic() - began < quickly + 2


def test_a_failure_whose_body_drips_is_that_failure(receiver: Receiver, quickly: float) -> None:
    receiver.answer = drips(b"HTTP/1.1 500 X\r\n\r\n", 0.05)
    status, error, _ = post(receiver.url)
    assert status == 500
    assert error is not None
    assert error.startswith("status 500")


def test_a_receiver_that_is_down_is_told_so() -> None:
    assert post(f"http://127.0.0.1:{free_port()}/") == Outcome(
        None, "no connection: Connection refused"
    )


def test_a_receiver_that_hangs_up_is_told_so(receiver: Receiver) -> None:
    def reset(_: object, peer: socket.socket) -> None:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        peer.close()

    receiver.answer = reset
    status, error, _ = post(receiver.url)
    assert (status, bool(error)) == (None, True)


def test_http_is_refused_unless_a_setting_allows_it(receiver: Receiver) -> None:
    told = post(receiver.url, webhook_http="off")
    assert told.error == "the address is not https: WATTLEDGER_WEBHOOK_HTTP does not allow it"
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0"],
)
def test_no_spelling_of_a_private_address_is_connected_to(receiver: Receiver, host: str) -> None:
    told = post(f"http://{host}:{receiver.port}/", webhook_private="")
    assert told.status is None
    assert receiver.connections == 0


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "169.254.169.254", "10.0.0.5", "::1", "::ffff:127.0.0.1"]
)
def test_a_name_of_a_private_address_is_refused(address: str) -> None:
    # one that is public beside it changes nothing
    told = post("https://hooks.example/", lambda *_: ["93.184.215.14", address], webhook_private="")
    assert told.error == (
        f"the receiver's address {address} is not public: WATTLEDGER_WEBHOOK_PRIVATE does not"
        " allow it"
    )


def test_a_name_is_resolved_once_and_what_was_checked_is_connected_to(receiver: Receiver) -> None:
    asked: list[tuple[str, int]] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append((host, port))
        # whoever asked again would be sent to where nobody listens
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    assert post(f"http://hooks.example:{receiver.port}/x", rebinding).status == 204
    assert asked == [("hooks.example", receiver.port)]
    assert receiver.received[0].headers["host"] == f"hooks.example:{receiver.port}"


def test_the_next_address_is_tried_where_one_does_not_answer(receiver: Receiver) -> None:
    url = f"http://hooks.example:{receiver.port}/"
    assert post(url, lambda *_: ["127.0.0.9", "127.0.0.1"]).status == 204


def test_a_name_without_an_address_is_told_so() -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    told = post("https://nowhere.example/", unknown)
    assert told == Outcome(None, "the name has no address: Name or service not known")
    assert post("https://nowhere.example/", lambda *_: []).error == (
        "no connection: the name has no address"
    )


def test_a_name_server_that_does_not_answer_costs_no_more_than_the_time(quickly: float) -> None:
    ended = threading.Event()

    def never(_host: str, _port: int) -> list[str]:
        ended.wait(20)
        return []

    poster = Poster(Settings(), never)
    began = time.monotonic()
    told = asyncio.run(poster.post(delivery("https://slow.example/")))
    assert time.monotonic() - began < quickly + 5
    ended.set()
    assert told.error is not None
    assert told.error.startswith("no answer within")
    poster.close()


def test_proxies_of_the_environment_are_not_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert post(receiver.url).status == 204


@pytest.fixture(scope="module")
def by_name(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, Path]:
    return certified(tmp_path_factory.mktemp("receiver"), "DNS:hooks.example")


def test_a_certificate_of_an_authority_that_is_trusted_is_good(
    by_name: tuple[ssl.SSLContext, Path],
) -> None:
    context, trusted = by_name
    with receiving(context) as receiver:
        url = f"https://hooks.example:{receiver.port}/"
        told = post(url, lambda *_: ["127.0.0.1"], webhook_ca_file=str(trusted))
        assert told == Outcome(204, None)


def test_a_certificate_of_nobody_that_is_trusted_is_refused(
    by_name: tuple[ssl.SSLContext, Path],
) -> None:
    with receiving(by_name[0]) as receiver:
        told = post(f"https://hooks.example:{receiver.port}/", lambda *_: ["127.0.0.1"])
        assert told.error == "the certificate is not good: self-signed certificate"
        assert receiver.received == []


def test_a_certificate_of_another_name_is_refused(by_name: tuple[ssl.SSLContext, Path]) -> None:
    context, trusted = by_name
    with receiving(context) as receiver:
        url = f"https://other.example:{receiver.port}/"
        told = post(url, lambda *_: ["127.0.0.1"], webhook_ca_file=str(trusted))
        assert told.error is not None
        assert told.error.startswith("the certificate is not good: Hostname mismatch")
        assert receiver.received == []


def test_a_receiver_without_tls_is_told_so(receiver: Receiver) -> None:
    told = post(receiver.url.replace("http:", "https:"))
    assert told.error is not None
    assert told.error.startswith("no TLS")


def test_a_delivery_is_shown_without_its_address_and_body() -> None:
    shown = repr(delivery(f"https://hooks.example/{SECRET_PATH}"))
    assert shown == "<attempt 1 of alert_change_7 to pager>"


def test_an_error_never_has_the_address(receiver: Receiver) -> None:
    for url in (
        f"https://hooks.invalid/{SECRET_PATH}",
        f"http://127.0.0.1:{free_port()}/{SECRET_PATH}",
        f"http://127.0.0.1:99999/{SECRET_PATH}",
    ):
        told = post(url)
        assert told.status is None
        assert SECRET_PATH not in str(told.error)


@pytest.mark.parametrize(
    "target", [f"/{SECRET_PATH}/in", f"/a?to=me&key={SECRET_PATH}", "/a%2Dlong%2Dsecret"]
)
def test_an_answer_that_repeats_the_address_is_told_without_it(
    receiver: Receiver, target: str
) -> None:
    # as frameworks do for what they do not know
    told = f"Cannot POST {target}, nor {target.replace('%2D', '-')}"
    url = receiver.url.replace("/hook", target)
    for answer in (answers(404, told.encode()), says(f"HTTP/1.1 {told}\r\n\r\n".encode())):
        receiver.answer = answer
        error = str(post(url).error)
        assert "POST" in error
        for secret in (SECRET_PATH, "a%2Dlong", "a-long"):
            assert secret not in error
