"""The page's files: what is sent, how small it is, how long it is kept, and what it may do."""

from __future__ import annotations

import gzip
import re
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from service.page import library
from service.page.files import FOLDER, Files

# of our own script and style together, as they are sent
MOST_BYTES = 60_000
INLINE = re.compile(r"\son\w+\s*=|\sstyle\s*=|javascript:", re.IGNORECASE)


class Tags(HTMLParser):
    """The tags of a page, each with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def needed(page: str) -> list[str]:
    """The paths of what a page loads."""
    tags = Tags(page).found
    given = [
        attributes.get("src") or attributes.get("href")
        for tag, attributes in tags
        if tag in ("script", "link", "img")
    ]
    return [path for path in given if path]


def test_page_is_for_whoever_asks(browser: httpx.Client) -> None:
    answer = browser.get("/", headers={"Accept": "*/*"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert "{{" not in answer.text


def test_page_and_files_may_do_nothing_but_what_the_page_needs(browser: httpx.Client) -> None:
    page = browser.get("/")
    for answer in (page, *(browser.get(path) for path in needed(page.text))):
        policy = dict(
            part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; ")
        )
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_page_has_nothing_inline_and_loads_nothing_from_elsewhere(browser: httpx.Client) -> None:
    page = browser.get("/").text
    assert not INLINE.search(page)
    assert all(path.startswith("/assets/") for path in needed(page))
    assert all(attributes.get("src") for tag, attributes in Tags(page).found if tag == "script")
    assert "<style" not in page


def test_scripts_set_no_inline_styles_or_markup_as_text() -> None:
    for path in FOLDER.rglob("*.js"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\.innerHTML\b|insertAdjacentHTML|document\.write|\beval\(", text), (
            path
        )
        assert not re.search(r"setAttribute\(\s*[\"']style", text), path


def test_files_are_kept_for_ever_and_known_by_their_tag(browser: httpx.Client) -> None:
    for path in needed(browser.get("/").text):
        answer = browser.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        again = browser.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == answer.headers["etag"]


def test_page_is_told_to_be_the_same_by_its_tag(browser: httpx.Client) -> None:
    tag = browser.get("/").headers["etag"]
    given = f'"other", W/{tag}'
    assert browser.get("/", headers={"If-None-Match": given}).status_code == 304
    assert browser.get("/", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("*", True),
        ("deflate, GZIP;q=1.0".lower(), True),
        ("gzip;q=0", False),
        ("gzip; q=0.000, br", False),
        ("identity", False),
        ("", False),
    ],
)
def test_files_are_packed_for_who_takes_that(
    browser: httpx.Client, accepted: str, is_packed: bool
) -> None:
    path = next(one for one in needed(browser.get("/").text) if one.endswith("app.js"))
    answer = browser.get(path, headers={"Accept-Encoding": accepted})
    assert (answer.headers.get("content-encoding") == "gzip") is is_packed
    assert answer.headers["vary"] == "Accept-Encoding"
    # httpx unpacks
    assert answer.content == (FOLDER / "app.js").read_bytes()


@pytest.mark.parametrize("path", ["/assets/0123456789abcdef/app.js", "/assets/x/../app.js"])
def test_file_of_another_version_is_not_there(browser: httpx.Client, path: str) -> None:
    assert browser.get(path).status_code == 404


@pytest.mark.parametrize("name", ["nothing.js", "index.html", "../files.py", "%2e%2e/files.py"])
def test_nothing_else_is_served(browser: httpx.Client, name: str) -> None:
    assert browser.get(f"/assets/{Files().hash}/{name}").status_code == 404


def test_own_script_and_style_are_small() -> None:
    sent = {
        path.relative_to(FOLDER).as_posix(): len(gzip.compress(path.read_bytes()))
        for path in FOLDER.rglob("*")
        if path.suffix in {".js", ".css", ".html"}
    }
    print(sum(sent.values()), sent)
    assert sum(sent.values()) < MOST_BYTES


def test_plots_are_drawn_by_what_its_author_released(browser: httpx.Client) -> None:
    path = next(one for one in needed(browser.get("/").text) if one.endswith("vendor/uPlot.js"))
    script = browser.get(path)
    assert f"uPlot (v{library.VERSION})" in script.text[:100]
    assert sha256(script.content).hexdigest() == library._FILES["uPlot.js"][1]
    assert len(gzip.compress(script.content)) < 25_000


def test_another_library_than_the_released_one_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor = tmp_path / "youplot" / "vendor"
    vendor.mkdir(parents=True)
    (vendor.parent / "__init__.py").touch()
    for name in ("uplot.iife.min.js", "uplot.min.css"):
        (vendor / name).write_text("changed")
    monkeypatch.syspath_prepend(str(tmp_path))
    files = Files()
    assert "vendor" not in files.index("").plain.decode()
    assert files.named("vendor/uPlot.js") is None


def test_page_works_below_a_prefix() -> None:
    files = Files()
    page = files.index("/wattledger").plain.decode()
    assert 'data-root="/wattledger"' in page
    assert all(path.startswith(f"/wattledger/assets/{files.hash}/") for path in needed(page))


def test_hash_is_of_all_files(tmp_path: Path) -> None:
    for name, text in (("index.html", "<html>"), ("app.js", "1")):
        (tmp_path / name).write_text(text)
    before = Files(tmp_path).hash
    assert Files(tmp_path).hash == before
    (tmp_path / "index.html").write_text("<html lang=en>")
    between = Files(tmp_path).hash
    (tmp_path / "app.js").write_text("2")
    assert len({before, between, Files(tmp_path).hash}) == 3
