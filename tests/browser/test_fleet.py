"""The fleet in a browser: what is broken first, and figures that are the API's."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser import fleet
from tests.browser.conftest import PATIENCE, Opened, settled
from tests.support.keys import make_key

pytestmark = pytest.mark.slow


def test_who_never_heard_of_it_reads_what_is_broken_since_when_and_what_it_cost(
    opened: Opened, api: httpx.Client
) -> None:
    page = opened("/fleet?zone=UTC")
    told = {one["meterId"]: one for one in api.get("/v1/alerts").json()["alerts"]}
    cost = f"€{told[fleet.BROKEN]['lostCost']:.2f}"
    expect(page.locator(".headline")).to_have_text(
        f"2 chargers need attention. Lost so far, beyond what is normal: {cost}."
    )
    card = page.locator("article", has_text=fleet.BROKEN)
    expect(card.get_by_role("heading")).to_contain_text("loses too much energy")
    expect(card).to_contain_text(cost)
    # all of that without scrolling
    box = card.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < 900
    card.get_by_role("link", name=fleet.BROKEN).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(fleet.BROKEN)


def test_figures_are_those_of_the_api(opened: Opened) -> None:
    page = opened("/fleet?period=7d&zone=UTC")
    with page.expect_response(re.compile("/v1/analytics/fleet\\?")) as answered:
        page.reload()
    shown = answered.value.json()["total"]
    settled(page)

    def figures(name: str) -> list[float]:
        text = page.locator(".tile", has_text=name).inner_text()
        return [float(one.replace(",", "")) for one in re.findall(r"\d[\d,]*(?:\.\d+)?", text)]

    def rounded(value: float) -> Any:
        return pytest.approx(value, abs=0.051)

    assert figures("From the grid")[0] == rounded(shown["kwhConsumedAc"])
    assert figures("To the batteries")[0] == rounded(shown["kwhDeliveredDc"])
    assert figures("Lost on the way")[0] == rounded(shown["kwhLost"])
    assert figures("Lost on the way")[1] == shown["lossCost"]
    assert figures("Efficiency")[0] == rounded(shown["efficiency"] * 100)
    judged = [shown["judged"]["vehicles"], shown["vehicles"]]
    assert figures("Vehicles judged")[:2] == judged


def test_worst_are_first_and_anybody_is_found(opened: Opened) -> None:
    page = opened("/fleet?period=7d&zone=UTC")
    chargers = page.locator("section[aria-label=Chargers]")
    expect(chargers.locator("tbody tr[aria-rowindex] th").first).to_have_text(fleet.BROKEN)
    expect(chargers.locator("tbody tr[aria-rowindex]")).to_have_count(3)
    expect(chargers.locator("svg rect").first).to_be_attached(timeout=PATIENCE)
    find = page.get_by_label("Find a vehicle or charger by its id")
    find.fill("sound")
    expect(chargers.locator("tbody tr[aria-rowindex] th")).to_have_text([fleet.SOUND])
    expect(page.locator("section[aria-label=Vehicles]")).to_contain_text("No vehicle has")
    assert "find=sound" in page.url
    page.reload()
    settled(page)
    expect(chargers.locator("tbody tr[aria-rowindex] th")).to_have_text([fleet.SOUND])
    find.fill("")
    page.get_by_label("Order").select_option("By name")
    expect(chargers.locator("tbody tr[aria-rowindex] th")).to_have_text(
        sorted([fleet.SOUND, fleet.BROKEN, fleet.STANDING])
    )


def test_a_link_shows_a_colleague_the_same(opened: Opened) -> None:
    page = opened(
        "/fleet?period=7d&find=B-&order=loss", permissions=["clipboard-read", "clipboard-write"]
    )
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    for part in ("find=B-", "order=loss", "zone=Europe%2FBerlin", "from=20", "to=20"):
        assert part in copied
    assert "period=" not in copied
    other = opened(copied.split("#")[1], timezone_id="America/New_York")
    expect(other.get_by_label("Find a vehicle or charger by its id")).to_have_value("B-")
    expect(other.locator("details.settings summary")).to_have_text("Europe/Berlin")
    tiles = [shown.locator("dl.tiles").inner_text() for shown in (page, other)]
    assert tiles[0] == tiles[1]


def test_a_key_for_some_devices_is_shown_those(opened: Opened, module_url: str) -> None:
    key = make_key(module_url, "read", devices=["B-SOUND", "V-2"])
    page = opened("/charger/B-SOUND?period=7d", key=key)
    expect(page.get_by_role("heading", level=1)).to_have_text("B-SOUND")
    expect(page.locator(".live")).to_have_attribute("data-state", "live", timeout=PATIENCE)
    page.get_by_role("link", name="Fleet", exact=True).first.click()
    expect(page.get_by_role("heading", name="Your devices")).to_be_visible()
    page.get_by_label("Id", exact=True).fill("V-2")
    page.get_by_label("Side").select_option("Vehicle")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("V-2")
    page.get_by_role("link", name="Fleet", exact=True).first.click()
    page.get_by_label("Id", exact=True).fill("B-BROKEN")
    page.get_by_label("Side").select_option("Charger")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("alert")).to_be_visible()


def test_a_service_that_is_away_is_told_and_found_again(opened: Opened) -> None:
    page = opened("/fleet?period=7d")
    before = page.locator("dl.tiles").inner_text()
    page.context.set_offline(True)
    page.get_by_role("button", name="24 hours").click()
    expect(page.get_by_role("alert")).to_contain_text("does not answer", timeout=PATIENCE)
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    settled(page)
    expect(page.get_by_role("alert")).to_have_count(0, timeout=PATIENCE)
    page.get_by_role("button", name="7 days").click()
    settled(page)
    expect(page.locator("dl.tiles")).to_have_text(before, use_inner_text=True)
