"""The page in a real browser, on a service of its own with a fleet of a week."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

from service.app import create_app, logged
from service.cli.serve import PROTOCOL
from service.settings import Settings
from tests.browser import fleet
from tests.support.chromium import chromium
from tests.support.http import wait_until_ready
from tests.support.in_process import listening
from tests.support.keys import bearer, the_key
from tests.support.server import Server, as_service

SETTINGS = Settings(max_body_bytes=1 << 20, key_cache_seconds=0.5)
# how long the page may take for anything: far longer than it takes, on a machine that is busy
PATIENCE = 20_000
ZONE = "Europe/Berlin"
# where pictures go; a run of CI may keep them
PICTURES = Path(__file__).parent / "out"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium for a module's tests: as long as it is there no other event loop can run."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def module_url(database_server: Server) -> Iterator[str]:
    """A database with the fleet, for a module's tests."""
    with database_server.clone_filled(fleet.fill) as url:
        yield url


@pytest.fixture(scope="module")
def service(module_url: str) -> Iterator[str]:
    """The service's address."""
    app = logged(create_app(as_service(module_url), SETTINGS), SETTINGS, io.StringIO())
    with listening(app, PROTOCOL) as port:
        address = f"http://127.0.0.1:{port}"
        wait_until_ready(lambda: httpx.get(f"{address}/health/ready").status_code)
        yield address


@pytest.fixture(scope="module")
def api(service: str) -> Iterator[httpx.Client]:
    """A client of the same service, with a key for everything."""
    with httpx.Client(base_url=service, headers=bearer(), timeout=60) as opened:
        yield opened


Opened = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser, service: str) -> Iterator[Opened]:
    """Open a view, signed in unless told; what the page complains of fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def told(message: ConsoleMessage) -> None:
        # answers that are refused are told there too, and tests expect some
        if message.type == "error" and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    def open_view(
        view: str = "/fleet", key: str | None = None, *, sign_in: bool = True, **options: Any
    ) -> Page:
        context = browser.new_context(
            **{"timezone_id": ZONE, "viewport": {"width": 1440, "height": 900}, **options}
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("console", told)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{service}/#{view}")
        if sign_in:
            page.get_by_label("API key").fill(key or the_key())
            page.get_by_role("button", name="Sign in").click()
            settled(page)
        return page

    yield open_view
    for context in contexts:
        context.close()
    assert complaints == []


def settled(page: Page) -> None:
    """Wait until a view has what it asked for."""
    page.locator("body.signed-in main:not([aria-busy]) h1").first.wait_for(
        state="attached", timeout=PATIENCE
    )


def go(page: Page, view: str) -> None:
    """Go to a view by its address."""
    page.evaluate("view => { location.hash = view }", view)
    path = re.escape("#" + view.split("?")[0])
    page.wait_for_url(re.compile(path), timeout=PATIENCE)
    settled(page)
