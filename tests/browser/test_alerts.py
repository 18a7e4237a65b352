"""Alerts in a browser: told in sentences as they come, and taken on by whoever may."""

from __future__ import annotations

from datetime import datetime, timedelta

import httpx
import psycopg
import pytest
from playwright.sync_api import expect

from tests.browser import fleet
from tests.browser.conftest import PATIENCE, Opened
from tests.support.alerts import degraded, judge, keep
from tests.support.keys import make_key

pytestmark = pytest.mark.slow


def test_open_alerts_say_what_is_broken_since_when_and_what_it_cost(
    opened: Opened, api: httpx.Client
) -> None:
    page = opened("/alerts?zone=UTC")
    told = {one["meterId"]: one for one in api.get("/v1/alerts").json()["alerts"]}
    broken = page.locator("article", has_text=fleet.BROKEN)
    expect(broken.get_by_role("heading")).to_have_text(
        f"Charger {fleet.BROKEN} loses too much energy"
    )
    since = datetime.fromisoformat(told[fleet.BROKEN]["since"])
    assert abs(since - fleet.broken_since()) <= timedelta(minutes=1)
    expect(broken).to_contain_text(f"{since:%a} {since.day} {since:%b}, {since:%H:%M}")
    expect(broken).to_contain_text(f"€{told[fleet.BROKEN]['lostCost']:.2f}")
    expect(broken).to_contain_text("the charger: its losses rose")
    standing = page.locator("article", has_text=fleet.STANDING)
    expect(standing).to_contain_text("cannot be known while a counter stands still")
    # the urgent one first
    assert fleet.STANDING in page.locator("article").first.inner_text()


def test_an_alert_appears_by_itself_and_is_taken_on(
    opened: Opened, api: httpx.Client, module_url: str
) -> None:
    page = opened("/alerts?zone=UTC")
    expect(page.locator(".live")).to_have_attribute("data-state", "live", timeout=PATIENCE)
    expect(page.locator("article", has_text="B-NEW")).to_have_count(0)
    with psycopg.connect(module_url, autocommit=True) as connection:
        keep(
            connection,
            *(degraded("B-NEW", "V-NEW", 24 * 18 + 5 * number) for number in range(2)),
        )
        judge(connection)
    card = page.locator("article", has_text="B-NEW")
    expect(card).to_be_visible(timeout=PATIENCE)
    card.get_by_role("button", name="Take on").click()
    expect(card).to_contain_text("Taken on", timeout=PATIENCE)
    expect(card.get_by_role("button")).to_have_count(0)
    (told,) = [one for one in api.get("/v1/alerts").json()["alerts"] if one["meterId"] == "B-NEW"]
    assert told["acknowledgedAt"] is not None
    card.get_by_role("link", name="Details").click()
    expect(page.locator("ol.history")).to_contain_text("Taken on by the key")
    expect(page.locator("tbody tr")).to_have_count(2)


def test_a_key_that_may_only_read_is_offered_nothing_to_change(
    opened: Opened, module_url: str
) -> None:
    page = opened("/alerts", key=make_key(module_url, "read"))
    expect(page.locator("article", has_text=fleet.BROKEN)).to_be_visible()
    expect(page.get_by_role("button", name="Take on")).to_have_count(0)


def test_no_alert_is_said_in_words(opened: Opened) -> None:
    page = opened("/alerts?state=closed&kind=standby")
    expect(page.get_by_text("No such alert.")).to_be_visible()
    page.get_by_label("Kind").select_option("")
    expect(page.get_by_label("Kind")).to_have_value("")
    assert "kind=" not in page.url
