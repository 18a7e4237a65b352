"""Signing in: the cookie carries a key sealed, reads as the key does, and changes little."""

from __future__ import annotations

import re
import time
from http.cookies import Morsel, SimpleCookie
from typing import Any

import httpx
import psycopg
import pytest

from service.app import create_app, logged
from service.cli.serve import PROTOCOL
from service.keys.cookie import CSRF_HEADER, NAME
from service.settings import Settings
from tests.support.http import meter
from tests.support.in_process import listening
from tests.support.keys import bearer, key_id, make_key, the_key
from tests.support.readings import Connection

SESSION = "/session"


def sign_in(browser: httpx.Client, key: str, **headers: str) -> httpx.Response:
    """Sign in, with no cookie of before."""
    browser.cookies.clear()
    return browser.post(SESSION, json={"key": key}, headers=headers)


def session_of(browser: httpx.Client, key: str) -> dict[str, Any]:
    """What a browser is told that has just signed in."""
    assert sign_in(browser, key).status_code == 204
    return browser.get(SESSION).json()


def cookie_of(answer: httpx.Response) -> Morsel[str]:
    return SimpleCookie(answer.headers["set-cookie"])[NAME]


@pytest.fixture
def key(module_url: str) -> str:
    """A key that may read alone."""
    return make_key(module_url, "read", note="the screen in the hall")


def test_who_signs_in_is_told_what_the_key_is_for(browser: httpx.Client, key: str) -> None:
    assert sign_in(browser, key).status_code == 204
    session = browser.get(SESSION).json()
    assert (session["keyId"], session["note"]) == (key_id(key), "the screen in the hall")
    assert (session["scopes"], session["everyDevice"]) == (["read"], True)


def test_cookie_is_for_our_own_pages_alone_and_for_no_script(
    browser: httpx.Client, key: str
) -> None:
    cookie = cookie_of(sign_in(browser, key))
    assert cookie["httponly"]
    assert cookie["samesite"].lower() == "strict"
    assert (cookie["path"], cookie["domain"]) == ("/", "")
    assert int(cookie["max-age"]) == 12 * 3600
    # as one without TLS would send it back nowhere
    assert not cookie["secure"]


def test_cookie_does_not_tell_the_key(browser: httpx.Client, key: str) -> None:
    values = {cookie_of(sign_in(browser, key)).value for _ in range(3)}
    assert len(values) == 3
    for value in values:
        assert re.fullmatch("[A-Za-z0-9_=-]{136}", value)
        assert key.split("_")[2][:8] not in value


def test_what_is_read_is_answered_to_the_cookie(browser: httpx.Client, key: str) -> None:
    assert sign_in(browser, key).status_code == 204
    for path in ("/v1/meters", "/v1/analytics/fleet", "/v1/alerts"):
        assert browser.get(path).status_code == 200
        assert browser.head(path).status_code == 200


def test_header_goes_before_the_cookie(browser: httpx.Client, key: str) -> None:
    sign_in(browser, key)
    bad = bearer("wl_" + "0" * 12 + "_" + "0" * 64)
    assert browser.get("/v1/meters", headers=bad).status_code == 401


@pytest.mark.parametrize(
    ("given", "detail"),
    [
        ("", "this is no API key: one is of the form wl_<id>_<secret>"),
        ("secret", "this is no API key: one is of the form wl_<id>_<secret>"),
        ("wl_0123456789ab_" + "0" * 64, "the API key is not known"),
    ],
)
def test_wrong_key_is_told_so_and_sets_no_cookie(
    browser: httpx.Client, given: str, detail: str
) -> None:
    answer = sign_in(browser, given)
    assert (answer.status_code, answer.json()["detail"]) == (401, detail)
    assert answer.json()["hint"]
    assert "set-cookie" not in answer.headers
    assert browser.get(SESSION).status_code == 401


def test_key_without_the_scope_read_signs_nobody_in(browser: httpx.Client, module_url: str) -> None:
    answer = sign_in(browser, make_key(module_url, "ingest"))
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_other_sites_sign_nobody_in_or_out(browser: httpx.Client, key: str, site: str) -> None:
    assert sign_in(browser, key, **{"Sec-Fetch-Site": site}).status_code == 403
    assert sign_in(browser, key, **{"Sec-Fetch-Site": "same-origin"}).status_code == 204
    assert browser.delete(SESSION, headers={"Sec-Fetch-Site": site}).status_code == 403


def test_form_of_another_site_is_no_sign_in(browser: httpx.Client, key: str) -> None:
    assert browser.post(SESSION, data={"key": key}).status_code == 415


def test_signing_out_forgets_the_cookie(browser: httpx.Client, key: str) -> None:
    sign_in(browser, key)
    answer = browser.delete(SESSION)
    assert answer.status_code == 204
    assert (cookie_of(answer).value, cookie_of(answer)["max-age"]) == ("", "0")
    assert browser.get("/v1/meters").status_code == 401


def test_revoked_key_signs_out_within_the_stated_time(
    browser: httpx.Client, module_url: str, key: str
) -> None:
    sign_in(browser, key)
    with psycopg.connect(module_url, autocommit=True) as connection:
        connection.execute("SELECT ops.revoke_key(%s)", [key_id(key)])
    deadline = time.monotonic() + Settings().key_cache_seconds + 1
    while (answer := browser.get("/v1/meters")).status_code == 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert (answer.status_code, answer.json()["detail"]) == (401, "the API key was revoked")


def test_no_reading_is_taken_by_a_cookie(browser: httpx.Client) -> None:
    session = session_of(browser, the_key())
    headers = {CSRF_HEADER: session["csrfToken"]}
    assert browser.post("/v1/ingest", json=meter(), headers=headers).status_code == 401


def test_metrics_are_not_for_cookies(browser: httpx.Client) -> None:
    sign_in(browser, the_key())
    assert browser.get("/metrics").status_code == 401


def test_change_by_cookie_needs_the_token_that_only_our_page_knows(browser: httpx.Client) -> None:
    token = session_of(browser, the_key())["csrfToken"]
    other = session_of(browser, the_key())["csrfToken"]
    assert token != other
    path = "/v1/alerts/1/acknowledge"
    for headers in ({}, {CSRF_HEADER: ""}, {CSRF_HEADER: token}, {CSRF_HEADER: "\u00e4"}):
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        answer = browser.post(path, headers=raw)
        assert answer.status_code == 403, headers
        assert "X-CSRF-Token" in answer.json()["detail"]
    # as far as the rights go: there is no such alert
    assert browser.post(path, headers={CSRF_HEADER: other}).status_code == 404
    cross = {CSRF_HEADER: other, "Sec-Fetch-Site": "cross-site"}
    assert browser.post(path, headers=cross).status_code == 403
    assert browser.post(path, headers={CSRF_HEADER: other, **bearer()}).status_code == 404


def test_change_by_cookie_needs_the_scope_too(browser: httpx.Client, key: str) -> None:
    token = session_of(browser, key)["csrfToken"]
    answer = browser.post("/v1/alerts/1/acknowledge", headers={CSRF_HEADER: token})
    assert (answer.status_code, answer.json()["detail"]) == (
        403,
        'this needs a key with the scope "admin"',
    )


def test_cookie_that_was_changed_is_none(browser: httpx.Client, key: str) -> None:
    value = cookie_of(sign_in(browser, key)).value
    browser.cookies.clear()
    for place in (0, 30, 45, 80, 130):
        letter = "A" if value[place] != "A" else "B"
        changed = value[:place] + letter + value[place + 1 :]
        answer = browser.get("/v1/meters", headers={"Cookie": f"{NAME}={changed}"})
        assert (answer.status_code, answer.json()["detail"]) == (
            401,
            "nobody is signed in any more",
        )
        assert answer.headers["www-authenticate"] == "Bearer"
    for broken in ("x", "\u00e4", value[:-4], value + "AAAA"):
        raw = [(b"cookie", f"{NAME}={broken}".encode("latin-1"))]
        assert browser.get("/v1/meters", headers=raw).status_code == 401
    given = f"a=b; {NAME}={value}; c"
    assert browser.get("/v1/meters", headers={"Cookie": given}).status_code == 200


def test_key_for_some_devices_is_told_which(browser: httpx.Client, module_url: str) -> None:
    some = make_key(module_url, "read", devices=["vehicle:V-1", "M-*"])
    session = session_of(browser, some)
    assert (session["everyDevice"], session["devices"]) == (False, ["vehicle:V-1", "M-*"])
    assert browser.get("/v1/analytics/performance/V-1").status_code == 200
    assert browser.get("/v1/analytics/performance/V-2").status_code == 403
    assert browser.get("/v1/vehicles").status_code == 403


def test_cookie_ends_by_itself_and_opens_at_other_services_of_the_database(
    service_url: str,
) -> None:
    key = the_key()
    long = Settings(access_log=False)
    short = Settings(access_log=False, sign_in_minutes=2 / 60)
    with (
        listening(logged(create_app(service_url, long), long), PROTOCOL) as one,
        listening(logged(create_app(service_url, short), short), PROTOCOL) as other,
    ):
        answer = httpx.post(f"http://127.0.0.1:{other}{SESSION}", json={"key": key})
        cookie = {"Cookie": f"{NAME}={cookie_of(answer).value}"}
        url = f"http://127.0.0.1:{one}/v1/meters"
        assert httpx.get(url, headers=cookie).status_code == 200
        time.sleep(2.1)
        assert httpx.get(url, headers=cookie).status_code == 401


def test_another_secret_of_the_database_signs_out(
    browser: httpx.Client, service_url: str, connection: Connection
) -> None:
    value = cookie_of(sign_in(browser, the_key())).value
    settings = Settings(access_log=False)
    connection.execute("UPDATE telemetry.cookie_secret SET secret = sha256('another')")
    with listening(logged(create_app(service_url, settings), settings), PROTOCOL) as port:
        url = f"http://127.0.0.1:{port}/v1/meters"
        assert httpx.get(url, headers={"Cookie": f"{NAME}={value}"}).status_code == 401


def test_cookie_is_secure_and_below_the_prefix_where_a_trusted_proxy_says_so(
    service_url: str,
) -> None:
    settings = Settings(access_log=False, trusted_proxies="127.0.0.1", root_path="/wattledger")
    with listening(logged(create_app(service_url, settings), settings), PROTOCOL) as port:
        answer = httpx.post(
            f"http://127.0.0.1:{port}/wattledger{SESSION}",
            json={"key": the_key()},
            headers={"X-Forwarded-Proto": "https"},
        )
    assert answer.status_code == 204
    assert cookie_of(answer)["secure"]
    assert cookie_of(answer)["path"] == "/wattledger"


def test_without_keys_everybody_is_told_so(service_url: str) -> None:
    settings = Settings(access_log=False, keys="off")
    with listening(logged(create_app(service_url, settings), settings), PROTOCOL) as port:
        session = httpx.get(f"http://127.0.0.1:{port}{SESSION}").json()
        again = httpx.post(f"http://127.0.0.1:{port}{SESSION}", json={"key": ""})
    assert (again.status_code, "set-cookie" in again.headers) == (204, False)
    assert session["keyId"] is session["csrfToken"] is None
    assert set(session["scopes"]) == {"ingest", "read", "metrics", "admin"}
