"""Times in a browser: in the zone that is chosen, with days of 23 and 25 hours."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Opened, settled

pytestmark = pytest.mark.slow

# calls a function of the module for times, in the page
CALL = """async ([name, given]) => {
    const script = document.querySelector("script[type=module]").src;
    const module = await import(script.replace(/[^/]*$/, "time.js"));
    return module[name](...given);
}"""


def call(page: Page, name: str, *given: Any) -> Any:
    return page.evaluate(CALL, [name, list(given)])


def iso(page: Page, milliseconds: float) -> str:
    return page.evaluate("ms => new Date(ms).toISOString()", milliseconds)


@pytest.mark.parametrize(
    ("zone", "day", "start", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00.000Z", 23),
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00.000Z", 25),
        ("Europe/Berlin", "2026-07-01", "2026-06-30T22:00:00.000Z", 24),
        ("UTC", "2026-03-29", "2026-03-29T00:00:00.000Z", 24),
        # by half an hour
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00:00.000Z", 24.5),
        ("Asia/Kolkata", "2026-01-01", "2025-12-31T18:30:00.000Z", 24),
        # a midnight that is left out, and one that comes twice
        ("America/Santiago", "2026-09-06", "2026-09-06T04:00:00.000Z", 23),
        ("America/Havana", "2026-11-01", "2026-11-01T04:00:00.000Z", 25),
        # a day that is left out wholly: the one before ends with the one after
        ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00:00.000Z", 24),
    ],
)
def test_days_are_as_long_as_they_are(
    opened: Opened, zone: str, day: str, start: str, hours: float
) -> None:
    page = opened(sign_in=False)
    found = call(page, "dayNamed", day, zone)
    assert iso(page, found) == start
    assert (call(page, "daysLater", found, 1, zone) - found) / 3_600_000 == hours
    assert call(page, "dayStart", found + 1, zone) == found
    assert call(page, "dayName", found, zone) == day


def test_an_hour_that_comes_twice_is_told_apart(opened: Opened) -> None:
    page = opened(
        "/hour/meters/B-SOUND?hour=2026-10-25T00:00:00Z&zone=Europe/Berlin", sign_in=False
    )
    hours = [call(page, "hour", f"2026-10-25T0{hour}:00:00Z", "Europe/Berlin") for hour in range(3)]
    assert hours == [
        "Sun 25 Oct, 02:00 CEST",
        "Sun 25 Oct, 02:00 CET",
        "Sun 25 Oct, 03:00 CET",
    ]


def test_the_zone_is_the_browsers_until_another_one_is_chosen(opened: Opened) -> None:
    page = opened("/alerts", timezone_id="America/New_York")
    assert "zone=America%2FNew_York" in page.url
    times = page.locator("article time").first
    before = times.inner_text()
    page.locator("summary", has_text="America/New York").click()
    page.get_by_label("Times in", exact=True).select_option("Asia/Tokyo")
    settled(page)
    assert "zone=Asia%2FTokyo" in page.url
    expect(times).not_to_have_text(before)
    # the next visit has it too
    page.goto(page.url.split("#")[0])
    settled(page)
    assert "zone=Asia%2FTokyo" in page.url


def test_a_link_has_the_zone_of_who_sent_it(opened: Opened) -> None:
    page = opened("/alerts?zone=Asia/Kolkata", timezone_id="America/New_York")
    expect(page.locator("summary").first).to_have_text("Asia/Kolkata")
