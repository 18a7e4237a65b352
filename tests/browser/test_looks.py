"""Every view as a picture: wide and narrow, light and dark, with nothing that axe finds serious."""

from __future__ import annotations

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser import fleet
from tests.browser.conftest import PATIENCE, PICTURES, Opened, settled

pytestmark = pytest.mark.slow

VIEWS = {
    "fleet": "/fleet?period=7d",
    "alerts": "/alerts",
    "alert": "/alert/1",
    "vehicle": f"/vehicle/{fleet.VEHICLES[fleet.BROKEN]}?period=7d",
    "vehicle-tables": f"/vehicle/{fleet.VEHICLES[fleet.BROKEN]}?period=30d&table=energy,efficiency",
    "charger": f"/charger/{fleet.BROKEN}?period=7d",
    "sessions": "/sessions?period=7d",
    "hour": f"/hour/meters/{fleet.BROKEN}?hour={fleet.charges()[-1]:%Y-%m-%dT%H:00:00Z}",
    "health": "/health?period=7d",
    "missing": "/alert/999999",
}
SERIOUS = ("serious", "critical")
Scheme = Literal["light", "dark"]


def serious(page: Page) -> list[str]:
    """What axe finds: each rule, what it says and where."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in SERIOUS
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_views_fit_and_are_for_everybody(opened: Opened, width: int, scheme: Scheme) -> None:
    page = opened(
        "/alerts",
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        has_touch=width < 1000,
        reduced_motion="reduce",
    )
    PICTURES.mkdir(exist_ok=True)
    found = {}
    for name, view in VIEWS.items():
        page.evaluate("view => { location.hash = view }", view)
        settled(page)
        # plots come a frame later
        expect(page.locator("main .loading")).to_have_count(0, timeout=PATIENCE)
        page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}.png", full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth")
        problems = serious(page) + ([f"{wide} pixels wide"] if wide > width else [])
        if problems:
            found[name] = problems
    assert found == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_signing_in_is_for_everybody(opened: Opened, scheme: Scheme) -> None:
    page = opened(sign_in=False, color_scheme=scheme)
    expect(page.get_by_label("API key")).to_be_focused()
    PICTURES.mkdir(exist_ok=True)
    page.screenshot(path=PICTURES / f"sign-in-1440-{scheme}.png")
    assert serious(page) == []


def test_colours_are_those_that_one_chooses(opened: Opened) -> None:
    page = opened("/alerts", color_scheme="light")
    colour = "getComputedStyle(document.documentElement).backgroundColor"
    before = page.evaluate(colour)
    page.locator("details.settings summary").click()
    page.get_by_label("Colours").select_option("dark")
    assert page.evaluate(colour) != before
    page.reload()
    settled(page)
    assert page.evaluate(colour) != before


def test_all_can_be_done_by_keys(opened: Opened) -> None:
    page = opened(f"/vehicle/{fleet.VEHICLES[fleet.BROKEN]}?period=7d")
    page.reload()
    settled(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    toggle = page.get_by_role("button", name="Show table: State of charge")
    for _ in range(60):
        page.keyboard.press("Tab")
        if toggle.evaluate("node => node === document.activeElement"):
            break
    outline = toggle.evaluate("node => getComputedStyle(node).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    expect(page.locator("[data-plot=soc] table")).to_be_visible()
    # the settings close by Escape, and give the focus back
    summary = page.locator("details.settings summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Times in", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_label("Times in", exact=True)).to_be_hidden()
    expect(summary).to_be_focused()
