"""Report of a run: what requests took, what answers counted, and which objectives were kept."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_COLUMNS = ("Request Count", "Failure Count", "Requests/s", "50%", "95%", "99%")
# of the old system, beside the two scenarios that it had
_OLD = {"dual-stream", "vehicle-ingestion"}
_CLAIMED = "claimed for the old system: about 3,000 requests/s, 0 %, average 78 ms, p95 160 ms"
_NAMES = {
    "sent": "readings posted",
    "accepted": "accepted",
    "duplicates": "duplicates",
    "refused": "refused as future",
    "twice": "posted twice on purpose",
    "put_off": "posted again, since they were put off or not answered",
    "late": "bodies posted a second or more after they were due",
}


class Files:
    """Where the results of a run are."""

    def __init__(self, folder: Path, scenario: str) -> None:
        self.scenario = scenario
        self.csv = folder / scenario
        self.html = folder / f"{scenario}.html"
        self.stats = folder / f"{scenario}_stats.csv"
        self.failures = folder / f"{scenario}_failures.csv"
        self.verdict = folder / f"{scenario}_verdict.json"

    def remove(self) -> None:
        """Remove those of a run before."""
        for path in (self.html, self.stats, self.failures, self.verdict):
            path.unlink(missing_ok=True)


def show(files: Files, cores: dict[str, float], log: str, console: Console) -> bool:
    """Print the figures of a run; return whether there are any."""
    rows = list(csv.DictReader(files.stats.open())) if files.stats.exists() else []
    total = next((row for row in rows if row["Name"] == "Aggregated"), None)
    if total is None or not int(total["Request Count"]):
        return False
    console.print(_requests(files.scenario, rows))
    if files.scenario in _OLD:
        average = float(total["Average Response Time"])
        console.print(f"average {average:,.0f} ms; {_CLAIMED}", highlight=False)
    for line in csv.DictReader(files.failures.open()):
        console.print(f"{line['Occurrences']} times: {line['Error']}", markup=False)
    if files.verdict.exists():
        _verdict(json.loads(files.verdict.read_text(encoding="utf-8")), console)
    used = ", ".join(f"{name} {value:.2f}" for name, value in cores.items())
    console.print(f"cores in use on average: {used} (generator: locust)")
    served = cores.get("service", 0.0) + cores.get("database", 0.0)
    if "CPU usage" in log or (served and cores["generator"] > served):
        console.print(
            "Locust itself is the limit: it took more of the processor than what it measured."
            " `just bench` has the service's own limits."
        )
    return True


def _requests(scenario: str, rows: list[dict[str, str]]) -> Table:
    table = Table(title=scenario)
    table.add_column("request")
    for column in ("requests", "failures", "per second", "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(column, justify="right")
    for row in rows:
        name = "all" if row["Name"] == "Aggregated" else row["Name"]
        figures = [float(row[column]) if row[column] != "N/A" else 0.0 for column in _COLUMNS]
        count, failed, rate, *times = figures
        table.add_row(
            name,
            f"{count:,.0f}",
            f"{failed:,.0f}",
            f"{rate:,.1f}",
            *(f"{one:,.0f}" for one in times),
        )
    return table


def _verdict(told: dict[str, Any], console: Console) -> None:
    counts = told["readings"]
    if counts.get("sent"):
        said = (f"{counts.get(name, 0):,} {words}" for name, words in _NAMES.items())
        console.print("; ".join(said), highlight=False)
    for one in told["objectives"]:
        console.print(one["said"], markup=False, highlight=False)
