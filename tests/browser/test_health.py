"""Data health in a browser: what was refused and what was left out, in words."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Opened, go
from tests.support.http import meter, vehicle
from tests.support.readings import NOW

pytestmark = pytest.mark.slow


def test_what_was_refused_is_told_with_what_to_fix(opened: Opened, api: httpx.Client) -> None:
    page = opened("/health?period=24h&zone=UTC")
    refused = page.get_by_role("region", name="Refused readings, by reason").first
    expect(refused).to_contain_text("No reading was refused in this period.")
    api.post("/v1/ingest", json=[meter("H-1", ts=NOW, kwhConsumedAc=-3)])
    api.post("/v1/ingest", json=[vehicle("H-2", ts=NOW, soc=150)])
    page.reload()
    told = api.get("/v1/data-health").json()
    (row,) = [one for one in told["refused"] if one["exampleOf"] == "H-1"]
    expect(refused.locator("tbody")).to_contain_text("Out of range")
    expect(refused.locator("tbody")).to_contain_text(f"H-1: {row['example']}")
    tile = page.locator(".tile", has_text="Refused readings")
    expect(tile.locator(".figure")).to_have_text(str(sum(r["readings"] for r in told["refused"])))
    devices = sum(one["devices"] for one in told["devices"])
    expect(page.locator(".tile", has_text="Devices").first).to_contain_text(str(devices))


def test_a_late_device_is_a_link_to_its_page(opened: Opened, api: httpx.Client) -> None:
    page = opened("/alerts?zone=UTC")
    go(page, "/health?period=7d&zone=UTC")
    late = api.get("/v1/data-health").json()["late"]
    # of the fleet, which was stored at once
    assert late
    name = late[0]["id"]
    page.get_by_role("region", name="Late devices").get_by_role(
        "link", name=name, exact=True
    ).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
