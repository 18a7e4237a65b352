"""A real Chromium: the host's own, or else Debian's package, for Playwright to drive."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.support.packages import unpacked

_PLACE = "usr/lib/chromium"
# beside the libraries of the tree, those that it keeps apart
_APART = ("", "nss", "pulseaudio")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start it without a screen; raises EmbeddedError where Debian's archive cannot be used."""
    own = shutil.which("chromium")
    # pages of ours alone, and who runs tests as root or in a container has no sandbox
    arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
    environment: dict[str, str | float | bool] = {**os.environ}
    if own is None:
        tree = unpacked("chromium")
        own = str(_starter(tree))
        # a process that Chromium starts anew starts like itself
        arguments += ["--no-zygote", f"--browser-subprocess-path={own}"]
        if not Path("/etc/fonts/fonts.conf").exists():
            environment["FONTCONFIG_SYSROOT"] = str(tree)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=own, args=arguments, env=environment, timeout=60_000
        )
        try:
            yield browser
        finally:
            browser.close()


def _starter(tree: Path) -> Path:
    """A script that starts it by its own loader, since the host's C library may be older."""
    start = tree / _PLACE / "start"
    loader = tree / _PLACE / "loader"
    libraries = next(path.parent for path in sorted(tree.glob("usr/lib/*/libc.so.6")))
    paths = ":".join(str(libraries / name) for name in _APART)
    text = (
        "#!/bin/sh\n"
        f"exec {loader} --argv0 {tree / _PLACE / 'chromium'} --library-path {paths}"
        f' {tree / _PLACE / "chromium"} "$@"\n'
    )
    if not start.exists() or start.read_text() != text:
        # it looks for its files beside the program that runs, which is the loader
        _put(next(tree.glob("usr/lib*/ld-linux-*.so.*")).read_bytes(), loader)
        _put(text.encode(), start)
    return start


def _put(content: bytes, path: Path) -> None:
    # whole or not at all: the workers of xdist come here at once
    new = path.with_name(f"{path.name}.{os.getpid()}")
    new.write_bytes(content)
    new.chmod(0o755)
    new.replace(path)
