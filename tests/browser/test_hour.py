"""An hour explained in a browser: its figures and sentences are the API's."""

from __future__ import annotations

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser import fleet
from tests.browser.conftest import Opened, settled

pytestmark = pytest.mark.slow


def test_why_an_hour_has_its_energy_can_be_read(opened: Opened, api: httpx.Client) -> None:
    hour = fleet.charges()[-1].strftime("%Y-%m-%dT%H:00:00Z")
    page = opened(f"/hour/meters/{fleet.BROKEN}?hour={hour}&zone=UTC")
    told = api.get(f"/v1/explain/meters/{fleet.BROKEN}", params={"hour": hour}).json()
    expect(page.locator(".explained .headline")).to_contain_text(f"{told['energyKwh']:g}")
    expect(page.locator(".explained .lead")).to_have_text(told["sentence"])
    readings = page.get_by_role("region", name="Readings").last.locator("tbody tr")
    expect(readings).to_have_count(len(told["readings"]))
    expect(readings.last).to_contain_text(told["readings"][-1]["sentence"])
    before = page.locator(".explained h2").first.inner_text()
    page.get_by_role("button", name="Hour before").click()
    settled(page)
    expect(page.locator(".explained h2").first).not_to_have_text(before)


def test_an_hour_is_asked_for_by_id_day_and_hour(opened: Opened) -> None:
    page = opened("/hour?zone=UTC")
    expect(page.get_by_text("Name a charger or a vehicle, and an hour.")).to_be_visible()
    start = fleet.charges()[-1]
    page.get_by_label("Side").select_option("Vehicle")
    page.get_by_label("Id", exact=True).fill(fleet.VEHICLES[fleet.STANDING])
    page.get_by_label("Day").fill(f"{start:%Y-%m-%d}")
    page.get_by_label("Hour", exact=True).select_option(f"{start:%H}:00 UTC")
    page.get_by_role("button", name="Explain").click()
    expect(page.locator(".explained h2").first).to_contain_text(f"{start:%H}:00 UTC")
    expect(page.get_by_role("region", name="Entries of the ledger").last).to_contain_text(
        "reported"
    )


def test_a_day_with_25_hours_offers_25(opened: Opened) -> None:
    page = opened("/hour?zone=Europe/Berlin")
    page.get_by_label("Day").fill("2025-10-26")
    hours = page.get_by_label("Hour", exact=True).locator("option").all_inner_texts()
    assert len(hours) == 25
    assert hours[2:4] == ["02:00 CEST", "02:00 CET"]
    page.get_by_label("Day").fill("2026-03-29")
    hours = page.get_by_label("Hour", exact=True).locator("option").all_inner_texts()
    assert len(hours) == 23
    assert "02:00 CET" not in hours


def test_a_device_that_nobody_knows_is_told(opened: Opened) -> None:
    page = opened("/hour/meters/NOBODY?zone=UTC")
    expect(page.get_by_role("alert")).to_contain_text('"NOBODY"')
