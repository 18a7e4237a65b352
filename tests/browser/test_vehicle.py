"""A vehicle's page in a browser: its figures are the API's, and its plots are drawn."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import fleet
from tests.browser.conftest import PATIENCE, Opened
from tests.support.http import meter, vehicle
from tests.support.readings import NOW

pytestmark = pytest.mark.slow

BROKEN = fleet.VEHICLES[fleet.BROKEN]
# how many of a canvas's pixels are not those of what is below it
INK = """canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const colours = new Set();
    let drawn = 0;
    for (let at = 0; at < data.length; at += 4) {
        if (data[at + 3] > 0) { drawn += 1; colours.add(data.slice(at, at + 3).join()); }
    }
    return [drawn, colours.size];
}"""


def figure(page: Page, name: str) -> str:
    """The figure of a tile."""
    return page.locator(".tile", has_text=name).locator(".figure").inner_text()


def number(text: str) -> float:
    found = re.search(r"-?[\d,]+(?:\.\d+)?", text)
    assert found, text
    return float(found[0].replace(",", ""))


def column(table: Locator, name: str) -> list[str]:
    """The cells below a heading."""
    place = table.locator("thead th").all_inner_texts().index(name)
    return [
        row.locator("th, td").nth(place).inner_text() for row in table.locator("tbody tr").all()
    ]


def test_figures_are_those_of_the_api(opened: Opened, api: httpx.Client) -> None:
    since = (NOW - timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    ends = {"from": since, "to": NOW.strftime("%Y-%m-%dT%H:%M:%SZ")}
    page = opened(f"/vehicle/{BROKEN}?from={ends['from']}&to={ends['to']}&zone=UTC")
    told = api.get(f"/v1/analytics/performance/{BROKEN}", params=ends).json()
    assert number(figure(page, "Drawn from the grid")) == round(told["kwhConsumedAc"], 1)
    assert number(figure(page, "Delivered")) == round(told["kwhDeliveredDc"], 1)
    assert number(figure(page, "Lost")) == round(told["kwhLost"], 1)
    assert number(figure(page, "Efficiency")) == round(told["efficiency"] * 100, 1)
    state = api.get(f"/v1/vehicles/{BROKEN}").json()
    assert number(figure(page, "State of charge")) == round(state["soc"])
    assert page.locator(".tile", has_text="Drawn from the grid").inner_text().count("€") == 1


@pytest.mark.parametrize("days", ["24h", "7d", "30d"])
def test_plots_are_drawn_and_are_tables_where_one_wants(
    opened: Opened, api: httpx.Client, days: str
) -> None:
    page = opened(f"/vehicle/{BROKEN}?period={days}&zone=UTC")
    for name in ("energy", "efficiency", "soc", "temperature"):
        canvas = page.locator(f"[data-plot={name}] canvas")
        expect(canvas).to_be_visible(timeout=PATIENCE)
        drawn, colours = canvas.evaluate(INK)
        assert drawn > 1000, name
        assert colours > 3, name
    page.get_by_role("button", name=re.compile("Show table: Energy")).click()
    table = page.locator("[data-plot=energy] table")
    assert "table=energy" in page.url
    sums = [sum(map(number, column(table, side))) for side in ("AC, kWh", "DC, kWh")]
    charges = api.get("/v1/sessions", params={"vehicle": BROKEN}).json()["sessions"]
    shown = {"24h": 1}.get(days, fleet.DAYS)
    energies = [
        sum(one[side] for one in charges[-shown:]) for side in ("kwhConsumedAc", "kwhDeliveredDc")
    ]
    assert sums == pytest.approx(energies, abs=0.05)
    # a link has it
    page.reload()
    expect(page.locator("[data-plot=energy] table")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name=re.compile("Show plot: Energy")).click()
    expect(page.locator("[data-plot=energy] canvas")).to_be_visible()


def test_a_posted_reading_is_shown_by_itself(opened: Opened, api: httpx.Client) -> None:
    page = opened(f"/vehicle/{BROKEN}?period=24h")
    expect(page.locator(".live")).to_have_attribute("data-state", "live", timeout=PATIENCE)
    tile = page.locator(".tile", has_text="State of charge")
    expect(tile).not_to_contain_text("67")
    readings: list[dict[str, Any]] = [
        vehicle(BROKEN, ts=NOW, soc=67, batteryTemp=19.5, kwhDeliveredDc=0),
        meter(fleet.BROKEN, ts=NOW, kwhConsumedAc=0),
    ]
    assert api.post("/v1/ingest", json=readings).status_code == 201
    expect(tile.locator(".figure")).to_have_text(re.compile("^67"), timeout=PATIENCE)
    expect(tile).to_contain_text("19.5")


def test_an_id_is_text_whatever_it_looks_like(opened: Opened) -> None:
    name = fleet.VEHICLES[fleet.SOUND]
    page = opened(f"/vehicle/{quote(name, safe='')}?zone=UTC")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.get_by_role("link", name=fleet.SOUND).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(fleet.SOUND)
    page.get_by_role("link", name=name, exact=True).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.locator(".tile", has_text="Efficiency")).to_contain_text("91.0")


def test_a_vehicle_that_nobody_knows_has_nothing_to_show(opened: Opened) -> None:
    page = opened("/vehicle/NOBODY")
    expect(page.get_by_text("No reading of a vehicle of this name")).to_be_visible()
    expect(page.get_by_text("Nothing was charged in this period.")).to_be_visible()
    expect(page.get_by_text("It is linked to no charger.")).to_be_visible()


def test_a_charger_shows_since_when_it_loses_too_much(opened: Opened, api: httpx.Client) -> None:
    page = opened(f"/charger/{fleet.BROKEN}?period=7d&zone=UTC&table=charges")
    told = column(page.locator("[data-plot=charges] table"), "Efficiency")
    shares = [number(one) for one in told]
    assert shares == pytest.approx([91.0] * 3 + [76.0] * 3, abs=0.5)
    card = page.locator("article.alert")
    alert = api.get("/v1/alerts", params={"meter": fleet.BROKEN}).json()["alerts"][0]
    since = datetime.fromisoformat(alert["since"])
    expect(card).to_contain_text(f"{since.day} {since:%b}, {since:%H:%M}")
    expect(card).to_contain_text(f"€{alert['lostCost']:.2f}")
    expect(
        page.locator("section", has_text="Vehicles that charged here").locator("table")
    ).to_contain_text(BROKEN)
    expect(page.locator(".tile", has_text="Standby")).to_contain_text("kWh")
