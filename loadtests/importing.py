"""Rate of `wattledger import` beside that of `POST /v1/ingest` with batches of the same file.

Imports files of minute readings, NDJSON and CSV, and posts the lines of the first in batches to a
service, in turns, each with devices of its own on one embedded database. Prints readings per
second, the command's start included, with their ratios to those posted. Ends with 1 where an import
has less than 0.8 of that rate.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from loadtests.support import keys, stack
from loadtests.support.options import command_line

_METERS = 500
_LEAST = 0.8
_COMMAND = Path(sys.executable).with_name("wattledger")
POSTED, LINES, TABLE = "POST /v1/ingest", "import NDJSON", "import CSV"


def main() -> None:
    """Measure in turns, print, and exit with 1 where the bound is not kept."""
    parser = command_line("just measure importing", __doc__)
    parser.add_argument("--readings", type=int, default=200_000, help="in each file")
    parser.add_argument("--batch", type=int, default=5_000, help="readings per request")
    parser.add_argument("--clients", type=int, default=4, help="how many post side by side")
    parser.add_argument("--rounds", type=int, default=3, help="turns that each takes")
    given = parser.parse_args()
    rates: dict[str, list[float]] = {POSTED: [], LINES: [], TABLE: []}
    with (
        stack.database() as cluster,
        tempfile.TemporaryDirectory() as folder,
        stack.wattledger(
            cluster.url("wattledger_service"), stack.OUT / "service.log", "--workers", "1"
        ) as service,
    ):
        for turn in range(given.rounds):
            for name, taken in rates.items():
                path = Path(folder) / f"readings.{'csv' if name == TABLE else 'ndjson'}"
                _write(path, given.readings, f"{turn}-{len(name)}")
                began = time.monotonic()
                if name == POSTED:
                    _post(service, path, given.batch, given.clients)
                else:
                    _run(path, cluster.url("wattledger_service"))
                seconds = time.monotonic() - began
                taken.append(given.readings / seconds)
    _show(rates)
    if min(median(rates[name]) for name in (LINES, TABLE)) < _LEAST * median(rates[POSTED]):
        sys.exit(1)


def _write(path: Path, readings: int, prefix: str) -> None:
    first = (datetime.now(UTC) - timedelta(days=2)).replace(second=0, microsecond=0)
    with path.open("w") as file:
        if path.suffix == ".csv":
            file.write("meterId,kwhConsumedAc,voltage,timestamp\n")
        for number in range(readings):
            at = (first + timedelta(minutes=number // _METERS)).isoformat()
            meter, kwh = f"M-{prefix}-{number % _METERS}", number % 97 / 1000
            if path.suffix == ".csv":
                file.write(f"{meter},{kwh},231.2,{at}\n")
            else:
                file.write(
                    f'{{"meterId":"{meter}","kwhConsumedAc":{kwh},"voltage":231.2,'
                    f'"timestamp":"{at}"}}\n'
                )


def _post(service: stack.Server, path: Path, batch: int, clients: int) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    bodies = [b"".join(lines[start : start + batch]) for start in range(0, len(lines), batch)]

    def post(body: bytes) -> int:
        request = urllib.request.Request(  # noqa: S310  our own URL
            service.url + stack.INGEST_PATH,
            body,
            {"Content-Type": "application/x-ndjson", **keys.headers()},
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            return answer.status

    with ThreadPoolExecutor(clients) as pool:
        assert set(pool.map(post, bodies)) == {201}


def _run(path: Path, url: str) -> None:
    subprocess.run(
        [_COMMAND, "import", "--no-settle", path],
        env={**os.environ, "DATABASE_URL": url},
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _show(rates: dict[str, list[float]]) -> None:
    console = Console(width=max(100, Console().width))
    table = Table("what", "readings/s", "lowest", "highest", "ratio", box=None)
    posted = median(rates[POSTED])
    for name, taken in rates.items():
        middle = median(taken)
        table.add_row(
            name,
            f"{middle:,.0f}",
            f"{min(taken):,.0f}",
            f"{max(taken):,.0f}",
            f"{middle / posted:.2f}",
        )
    console.print(table)


if __name__ == "__main__":
    main()
