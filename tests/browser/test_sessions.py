"""Sessions in a browser: the table, its filter, and the download."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser import fleet
from tests.browser.conftest import Opened, settled

pytestmark = pytest.mark.slow


def test_download_has_what_the_table_shows(
    opened: Opened, api: httpx.Client, tmp_path: Path
) -> None:
    page = opened(f"/sessions?period=30d&meter={fleet.BROKEN}&zone=UTC")
    expect(page.locator("tbody tr")).to_have_count(fleet.DAYS)
    with page.expect_download() as started:
        page.get_by_role("button", name="Download CSV").click()
    file = tmp_path / "sessions.csv"
    started.value.save_as(file)
    assert re.fullmatch(
        r"sessions-\d{4}-\d\d-\d\d-\d{4}-\d\d-\d\d\.csv", started.value.suggested_filename
    )
    with file.open(encoding="utf-8", newline="") as opened_file:
        rows = list(csv.DictReader(opened_file))
    told = api.get("/v1/sessions", params={"meter": fleet.BROKEN}).json()["sessions"]
    assert [row["from"] for row in rows] == [one["from"] for one in told]
    assert [float(row["kwhConsumedAc"]) for row in rows] == [one["kwhConsumedAc"] for one in told]
    first = page.locator("tbody tr").first
    expect(first).to_contain_text(f"{told[0]['kwhConsumedAc']:.3f}")
    expect(first).to_contain_text(f"€{told[0]['cost']:.2f}")


def test_filter_is_in_the_address(opened: Opened) -> None:
    page = opened("/sessions?period=30d")
    expect(page.locator("tbody tr")).to_have_count(3 * fleet.DAYS)
    page.get_by_label("Charger").fill(fleet.SOUND)
    page.get_by_role("button", name="Show", exact=True).last.click()
    expect(page.locator("tbody tr")).to_have_count(fleet.DAYS)
    assert f"meter={fleet.SOUND}" in page.url
    page.reload()
    settled(page)
    expect(page.locator("tbody tr")).to_have_count(fleet.DAYS)
    page.get_by_label("Charger").fill("NOBODY")
    page.keyboard.press("Enter")
    expect(page.get_by_text("No charge started in this period.")).to_be_visible()


def test_chosen_days_are_days_of_the_zone(opened: Opened, api: httpx.Client) -> None:
    page = opened("/sessions?period=30d&zone=Pacific/Kiritimati")
    page.locator("summary", has_text="Days").click()
    # of a zone that is 14 hours ahead, the day in which the newest charge starts
    told = api.get("/v1/sessions", params={"meter": fleet.SOUND}).json()["sessions"][-1]
    day = page.evaluate(
        "at => new Intl.DateTimeFormat('sv-SE', { timeZone: 'Pacific/Kiritimati' })"
        ".format(Date.parse(at))",
        told["from"],
    )
    page.locator("#from").fill(day)
    page.locator("#to").fill(day)
    page.locator(".dates").get_by_role("button", name="Show").click()
    expect(page.locator("tbody tr")).to_have_count(3)
    assert f"from={day}&to={day}" in page.url.replace("period=&", "")
