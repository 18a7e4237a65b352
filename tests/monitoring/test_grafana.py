"""Grafana's dashboards: each query gives rows of a demo fleet, in types that Grafana plots."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
import yaml

from service.demo import failing, posting
from service.demo.plan import Plan
from tests import score
from tests.support import grafana
from tests.support.ledger import settle
from tests.support.readings import Connection, VehicleReading, ingest_vehicles
from tests.support.server import Server, as_role

pytestmark = pytest.mark.slow

SINCE = datetime(2026, 1, 12, tzinfo=UTC)
DAYS = 8
PLOTTED = {"timestamptz", "float8", "int8", "int4", "text", "bool"}
ALL = list(grafana.queries())


def fill(url: str) -> None:
    """A week of a fleet with all faults, a tariff, and what was refused."""
    score.ask(url, failing.with_all(Plan(SINCE, seed=6, vehicles=12, days=DAYS)))
    with posting.connect(url) as connection:
        connection.execute("SELECT ops.set_tariff('EUR', 'UTC', '2020-01-01', '0.3', 'a test')")
        # the fleet's vehicles have no odd registers
        levels = [(SINCE + timedelta(minutes=i), n) for i, n in enumerate([90.0, 90.5, 40.0, 41.5])]
        kind = "lifetime_register"
        ingest_vehicles(connection, [VehicleReading("V-X", ts, n, kind=kind) for ts, n in levels])
        settle(connection)
        connection.execute(
            "INSERT INTO telemetry.quarantine"
            " (received_at, reason, detail, content_type, raw, dataset, device_id)"
            " VALUES (%s, 'too_old', '?', 'text/plain', '', 'meter_reading', 'M-1')",
            [SINCE + timedelta(days=1)],
        )


@pytest.fixture(scope="module")
def analyst(database_server: Server) -> Iterator[Connection]:
    with database_server.clone() as url:
        fill(url)
        with psycopg.connect(as_role(url, "wattledger_bi"), autocommit=True) as connection:
            yield connection


def ask(analyst: Connection, query: str, chosen: dict[str, str]) -> psycopg.Cursor[Any]:
    until = SINCE + timedelta(days=DAYS)
    return analyst.execute(grafana.sent(query, SINCE, until, chosen).encode())


def devices(analyst: Connection, dashboard: str) -> list[dict[str, str]]:
    """The values among which a reader chooses, each of which a query may be asked for."""
    [path] = [path for path in grafana.DASHBOARDS if path.stem == dashboard]
    variables = grafana.variables(path)
    if not variables:
        return [{}]
    [(name, query)] = variables.items()
    return [{name: value} for (value,) in ask(analyst, query, {}).fetchall()]


@pytest.mark.parametrize("query", ALL, ids=[f"{q.dashboard}: {q.panel}" for q in ALL])
def test_a_panel_shows_rows_in_types_that_grafana_plots(analyst: Connection, query: grafana.Query):
    found = 0
    for chosen in devices(analyst, query.dashboard):
        cursor = ask(analyst, query.sql, chosen)
        rows = cursor.fetchall()
        found += len(rows)
        assert cursor.description is not None
        types = {
            column.name: analyst.adapters.types[column.type_code].name
            for column in cursor.description
        }
        assert set(types.values()) <= PLOTTED, types
        if query.format == "time_series":
            assert types["time"] == "timestamptz"
            # a text beside the time names the line, and nothing else may be one
            assert [name for name, kind in types.items() if kind == "text"] in ([], ["metric"])
            times = [row[0] for row in rows]
            assert times == sorted(times)
    assert found, "no row for any device"


def test_a_device_of_any_name_is_asked_for_as_text(analyst: Connection):
    for query in ALL:
        name = {"vehicle": "vehicle", "charger": "meter"}.get(query.dashboard)
        if name and query.format == "table":
            assert ask(analyst, query.sql, {name: "it's; DROP"}).fetchall() == []


def test_dashboards_lead_to_one_another_by_their_names():
    dashboards = {path.stem: grafana.load(path) for path in grafana.DASHBOARDS}
    assert set(dashboards) == {"charger", "data-health", "fleet", "service", "vehicle"}
    uids = {dashboard["uid"] for dashboard in dashboards.values()}
    assert len(uids) == len(dashboards)
    for dashboard in dashboards.values():
        text = str(dashboard)
        for part in text.split("/d/")[1:]:
            assert part.partition("?")[0] in uids
        places = {(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]}
        assert len(places) == len(dashboard["panels"])
        if dashboard["uid"] != dashboards["service"]["uid"]:
            assert all(panel["description"] for panel in dashboard["panels"])


def test_what_grafana_is_provisioned_with_is_the_role_for_bi_tools_and_prometheus():
    folder = grafana.FOLDER / "provisioning"
    made = yaml.safe_load((folder / "datasources" / "wattledger.yml").read_text(encoding="utf-8"))
    database, prometheus = made["datasources"]
    assert (database["type"], database["user"]) == (grafana.POSTGRESQL, "wattledger_bi")
    assert database["secureJsonData"] == {"password": "$__env{WATTLEDGER_BI_PASSWORD}"}
    assert prometheus["type"] == "prometheus"
