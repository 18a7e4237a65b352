"""A real Prometheus, and promtool, of Debian's package."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.support.packages import command
from tests.support.process import free_port


def promtool(*arguments: str | Path) -> str:
    """Run promtool, and return what it says; it must find nothing to complain of."""
    done = subprocess.run(
        [*command("prometheus", "usr/bin/promtool"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    return told


class Prometheus:
    """A running one, asked by its API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **parameters: Any) -> Any:
        """The data of an answer, which must be a success."""
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30)
        assert answer.status_code == 200, answer.text
        assert "warnings" not in answer.json(), answer.text
        return answer.json()["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """What an expression gives now: labels and value of each series."""
        return [
            (series["metric"], float(series["value"][1]))
            for series in self.get("query", query=expression)["result"]
        ]


@contextmanager
def scraping(directory: Path, config: str) -> Iterator[Prometheus]:
    """Start a Prometheus with a configuration and an empty store; stop it at the end."""
    file = directory / "prometheus.yml"
    file.write_text(config)
    url = f"http://127.0.0.1:{free_port()}"
    log = directory / "prometheus.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *command("prometheus", "usr/bin/prometheus"),
                f"--config.file={file}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address={url.removeprefix('http://')}",
            ],
            cwd=directory,
            stdout=output,
            stderr=output,
        )
    try:
        deadline = time.monotonic() + 60
        while not _is_ready(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield Prometheus(url)
    finally:
        process.terminate()
        process.wait(30)


def _is_ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
