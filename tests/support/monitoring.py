"""Rules, alerts and the dashboard of docs/monitoring/, and what their expressions name."""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

from tests.support.documents import DOCS

FOLDER = DOCS / "monitoring"
DASHBOARD = FOLDER / "grafana" / "dashboards" / "service.json"
RULES = FOLDER / "wattledger.rules.yml"
TESTS = sorted(FOLDER.glob("*.test.yml"))
RUNBOOKS = DOCS / "runbooks.md"

# what there is only with READ_DATABASE_URL
STANDBY = {"standby_up", "standby_lag_seconds", "reads_total"}
# and only with WATTLEDGER_BUFFER
BUFFER = "buffer_"

_METRIC = re.compile(r"(?<![\w:])wattledger_([a-z_]+)(?![\w:])")
_RECORDED = re.compile(r"\bjob:\w+:\w+\b")
_SELECTOR = re.compile(r"(?<![\w:])wattledger_([a-z_]+)(?:\{[^}]*\})?(?![\w:])")


def rules() -> list[dict[str, Any]]:
    """Every rule, recording or alert, in order."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """Every alert, in order; some have the same name and other labels."""
    return [rule for rule in rules() if "alert" in rule]


def dashboard_expressions() -> list[str]:
    """Every expression of the dashboard, its variables replaced."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    queries = [
        *(target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])),
        *(entry["expr"] for entry in dashboard["annotations"]["list"]),
    ]
    replaced = {"$job": "wattledger", "$instance": ".*", "$__rate_interval": "1m"}
    for name, value in replaced.items():
        queries = [query.replace(name, value) for query in queries]
    assert not any("$" in query for query in queries)
    return queries


def variables() -> list[str]:
    """The queries of the dashboard's variables."""
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [
        entry["definition"] for entry in dashboard["templating"]["list"] if entry["type"] == "query"
    ]


def runbooks() -> dict[str, str]:
    """The runbooks of alerts, by the alert's name."""
    text = RUNBOOKS.read_text(encoding="utf-8")
    parts = re.split(r"^## (\w+)\n", text, flags=re.MULTILINE)
    return {
        name: re.split(r"^## ", body, flags=re.MULTILINE)[0]
        for name, body in zip(parts[1::2], parts[2::2], strict=True)
        if name.startswith("Wattledger")
    }


def metrics(text: str) -> set[str]:
    """Names of our metrics in a text, without their prefix."""
    return set(_METRIC.findall(text))


def recorded(text: str) -> set[str]:
    """Names of recorded series in an expression."""
    return set(_RECORDED.findall(text))


def selectors(expression: str) -> set[tuple[str, str]]:
    """Selectors of our metrics: the name without its prefix, and the whole as it stands."""
    return {(found[1], found[0]) for found in _SELECTOR.finditer(expression)}


def grouped_labels(expression: str) -> set[str]:
    """Labels that an expression adds up by."""
    groups = re.findall(r"\bby \(([^)]*)\)", expression)
    return {label.strip() for group in groups for label in group.split(",")}
