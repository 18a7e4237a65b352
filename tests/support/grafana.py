"""Grafana's dashboards over the database, and their queries as Grafana sends them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.monitoring import DASHBOARD

FOLDER = DASHBOARD.parents[1]
# what asks the database; the one of the service asks Prometheus
DASHBOARDS = sorted(DASHBOARD.parent.glob("*.json"))
POSTGRESQL = "grafana-postgresql-datasource"


class Query(NamedTuple):
    """What a panel asks: `format` is time_series or table."""

    dashboard: str
    panel: str
    format: str
    sql: str


def load(path: Path) -> dict[str, Any]:
    """A dashboard as it stands."""
    dashboard: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return dashboard


def queries() -> Iterator[Query]:
    """Each query of each panel that asks the database."""
    for path in DASHBOARDS:
        for panel in load(path)["panels"]:
            for target in panel.get("targets", []):
                if "rawSql" in target:
                    yield Query(path.stem, panel["title"], target["format"], target["rawSql"])


def variables(path: Path) -> dict[str, str]:
    """The queries of a dashboard's variables, by name."""
    return {
        entry["name"]: entry["query"]
        for entry in load(path)["templating"]["list"]
        if entry["type"] == "query" and entry["datasource"]["type"] == POSTGRESQL
    }


def sent(sql: str, since: datetime, until: datetime, chosen: Mapping[str, str]) -> str:
    """A query as Grafana's PostgreSQL data source sends it; `chosen` are the variables' values."""
    start, end = (f"'{moment:%Y-%m-%dT%H:%M:%SZ}'" for moment in (since, until))
    sql = re.sub(r"\$__timeFilter\(([^)]+)\)", rf"\1 BETWEEN {start} AND {end}", sql)
    sql = sql.replace("$__timeFrom()", start).replace("$__timeTo()", end)
    for name, value in chosen.items():
        quoted = value.replace("'", "''")
        sql = sql.replace(f"${{{name}:sqlstring}}", f"'{quoted}'")
    assert "$" not in sql, sql
    return sql
