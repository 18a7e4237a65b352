"""Ten thousand vehicles in a browser: the list answers, scrolls and finds."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from service.app import create_app, logged
from service.cli.serve import PROTOCOL
from tests.browser.conftest import PATIENCE, SETTINGS, settled
from tests.support.http import wait_until_ready
from tests.support.in_process import listening
from tests.support.keys import bearer, the_key
from tests.support.readings import Connection
from tests.support.server import Server, as_service

pytestmark = pytest.mark.slow

MANY = 10_000


def fill(connection: Connection) -> None:
    """Vehicles that charged at a charger each for three hours of each of eight days."""
    connection.execute(
        "SELECT ops.set_tariff(currency => 'EUR', zone => 'UTC', first_day => '2020-01-01',"
        " prices => to_jsonb(0.3), why => 'for tests')"
    )
    connection.execute(
        "INSERT INTO telemetry.charging_part (meter_id, hour, since, until, vehicle_id, ac_mwh,"
        " ac_matched_mwh, dc_mwh, dc_matched_mwh, active_us, matched_us, meter_samples,"
        " vehicle_samples)"
        " SELECT 'M-' || lpad(n::text, 5, '0'), h, h, h + INTERVAL '1 hour',"
        " 'V-' || lpad(n::text, 5, '0'), 7000000, 7000000, e, e, 3600000000, 3600000000, 60, 60"
        " FROM generate_series(1, %s) AS n"
        " CROSS JOIN LATERAL (SELECT 5600000 + (n * 7919 %% 1000) * 1000) AS f (e)"
        " CROSS JOIN generate_series(0, 7) AS d"
        " CROSS JOIN generate_series(3, 5) AS k"
        " CROSS JOIN LATERAL (SELECT telemetry.floor_hour(now())"
        " - make_interval(hours => d * 24 + k)) AS t (h)",
        [MANY],
    )
    connection.execute(
        "INSERT INTO telemetry.charging_day (day, vehicle_id, meter_id, ac_mwh, ac_matched_mwh,"
        " dc_mwh, dc_matched_mwh, active_us, matched_us, meter_samples, vehicle_samples)"
        " SELECT telemetry.utc_day(p.hour), p.vehicle_id, p.meter_id, sum(p.ac_mwh),"
        " sum(p.ac_matched_mwh), sum(p.dc_mwh), sum(p.dc_matched_mwh), sum(p.active_us),"
        " sum(p.matched_us), sum(p.meter_samples), sum(p.vehicle_samples)"
        " FROM telemetry.charging_part AS p GROUP BY 1, 2, 3"
    )
    connection.execute(
        "INSERT INTO telemetry.charging_link (vehicle_id, meter_id, during)"
        " SELECT 'V-' || lpad(n::text, 5, '0'), 'M-' || lpad(n::text, 5, '0'),"
        " tstzrange(now() - INTERVAL '240 hours', NULL) FROM generate_series(1, %s) AS n",
        [MANY],
    )
    connection.execute(
        "ANALYZE telemetry.charging_part, telemetry.charging_day, telemetry.charging_link"
    )


@pytest.fixture(scope="module")
def large(database_server: Server) -> Iterator[str]:
    """The address of a service with all of them."""
    with database_server.clone_filled(fill) as url:
        app = logged(create_app(as_service(url), SETTINGS), SETTINGS, io.StringIO())
        with listening(app, PROTOCOL) as port:
            address = f"http://127.0.0.1:{port}"
            wait_until_ready(lambda: httpx.get(f"{address}/health/ready").status_code)
            yield address


@pytest.fixture
def page(browser: Browser, large: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.goto(f"{large}/#/fleet?period=24h&zone=UTC")
    page.get_by_label("API key").fill(the_key())
    page.keyboard.press("Enter")
    settled(page)
    yield page
    context.close()


def test_list_holds_what_is_in_sight_and_goes_on(page: Page, large: str) -> None:
    panel = page.locator("section[aria-label=Vehicles]")
    expect(panel).to_contain_text("10,000 vehicles")
    assert panel.locator("tbody tr").count() < 60
    box = panel.locator(".tall")
    started = time.perf_counter()
    reached = 0
    # as fast as anybody can turn a wheel
    while reached < 2000:
        box.evaluate("node => node.scrollBy(0, 2000)")
        page.wait_for_timeout(16)
        last = panel.locator("tbody tr[aria-rowindex]").last
        reached = int(last.get_attribute("aria-rowindex") or 0)
        assert panel.locator("tbody tr").count() < 80
        assert time.perf_counter() - started < 120
    frames = page.evaluate(
        """async () => {
            const box = document.querySelector("section[aria-label=Vehicles] .tall");
            const spent = [];
            let before = performance.now();
            for (let step = 0; step < 120; step += 1) {
                box.scrollBy(0, -120);
                await new Promise((done) => requestAnimationFrame(done));
                spent.push(performance.now() - before);
                before = performance.now();
            }
            return spent.sort((a, b) => a - b);
        }"""
    )
    print(
        f"\n2,000 rows in {time.perf_counter() - started:.1f} s; a frame of scrolling takes"
        f" {frames[60]:.0f} ms in the middle, {frames[114]:.0f} ms at the 95th percentile"
    )


def test_an_id_is_found_among_all(page: Page) -> None:
    started = time.perf_counter()
    page.get_by_label("Find a vehicle or charger by its id").fill("-07777")
    panel = page.locator("section[aria-label=Vehicles]")
    expect(panel.get_by_role("link", name="V-07777")).to_be_visible(timeout=60_000)
    charger = page.locator("section[aria-label=Chargers]").get_by_role("link", name="M-07777")
    expect(charger).to_be_visible(timeout=60_000)
    print(f"\nfound among {MANY:,} in {time.perf_counter() - started:.1f} s")


@pytest.mark.parametrize("path", ["/v1/analytics/fleet", "/v1/analytics/fleet/meters"])
def test_first_page_of_a_list_is_there_at_once(large: str, path: str) -> None:
    spent: list[float] = []
    with httpx.Client(base_url=large, headers=bearer(), timeout=60) as client:
        for _ in range(7):
            started = time.perf_counter()
            answer = client.get(path, params={"limit": 100})
            spent.append(time.perf_counter() - started)
            assert answer.status_code == 200
    print(f"\n{path} of {MANY:,}: {sorted(spent)[3] * 1000:.0f} ms in the middle of seven")
