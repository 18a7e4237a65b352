"""Signing in and out in a browser."""

from __future__ import annotations

import psycopg
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Opened, settled
from tests.support.keys import key_id, make_key, the_key

pytestmark = pytest.mark.slow


def test_a_wrong_key_is_told_and_another_one_may_be_tried(opened: Opened) -> None:
    page = opened(sign_in=False)
    expect(page.get_by_role("heading", name="Wattledger")).to_be_visible()
    page.get_by_label("API key").fill("wl_000000000000_" + "0" * 64)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).not_to_be_empty()
    assert page.get_by_role("navigation").count() == 0
    page.get_by_label("API key").fill(the_key())
    page.keyboard.press("Enter")
    settled(page)
    expect(page.get_by_role("navigation", name="Views")).to_be_visible()


def test_the_address_that_one_came_by_is_shown_after_signing_in(opened: Opened) -> None:
    page = opened("/alerts?state=all&zone=UTC")
    expect(page.get_by_role("heading", name="Alerts", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="All", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )


def test_who_signs_out_is_signed_out_everywhere_in_the_browser(opened: Opened) -> None:
    page = opened()
    page.locator("summary", has_text="Europe/Berlin").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("API key")).to_be_focused()
    page.reload()
    expect(page.get_by_label("API key")).to_be_visible()


def test_a_key_that_is_revoked_ends_what_it_showed(opened: Opened, module_url: str) -> None:
    key = make_key(module_url, "read", note="for a colleague")
    page = opened(key=key)
    with psycopg.connect(module_url, autocommit=True) as connection:
        connection.execute("SELECT ops.revoke_key(%s)", [key_id(key)])
    expect(page.get_by_label("API key")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("alert")).to_contain_text("signed out")
