"""Rules, alerts and dashboard, judged by the real promtool."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.documents import DOCS
from tests.support.monitoring import (
    DASHBOARD,
    FOLDER,
    RULES,
    TESTS,
    alerts,
    dashboard_expressions,
    metrics,
    recorded,
    rules,
    runbooks,
    variables,
)
from tests.support.prometheus import promtool

CONFIG = FOLDER / "prometheus.yml"
NAMES = sorted({alert["alert"] for alert in alerts()})
KEY_FILE = "/etc/prometheus/wattledger.key"


def test_promtool_finds_the_rules_right() -> None:
    assert f"SUCCESS: {len(rules())} rules found" in promtool("check", "rules", RULES)


@pytest.mark.slow
def test_each_alert_rings_when_it_should_and_not_when_it_should_not() -> None:
    promtool("test", "rules", *TESTS)
    cases = [
        case
        for file in TESTS
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]
        for case in group["alert_rule_test"]
    ]
    quiet = {case["alertname"] for case in cases if not case.get("exp_alerts")}
    # by severity too, where an alert has two forms
    ringing = {
        (case["alertname"], expected["exp_labels"]["severity"])
        for case in cases
        for expected in case.get("exp_alerts", [])
    }
    assert quiet == set(NAMES)
    assert ringing == {(alert["alert"], alert["labels"]["severity"]) for alert in alerts()}


def test_promtool_finds_the_configuration_right(tmp_path: Path) -> None:
    text = CONFIG.read_text(encoding="utf-8")
    assert KEY_FILE in text
    (tmp_path / "key").write_text("wl_x_y")
    (tmp_path / RULES.name).symlink_to(RULES)
    config = tmp_path / "prometheus.yml"
    config.write_text(text.replace(KEY_FILE, str(tmp_path / "key")))
    assert "SUCCESS" in promtool("check", "config", config)


def test_promtool_reads_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    expressions = dashboard_expressions()
    assert len(expressions) > 40
    made: dict[str, Any] = {
        "groups": [
            {
                "name": "dashboard",
                "rules": [
                    {"record": f"dashboard:{number}", "expr": expression}
                    for number, expression in enumerate(expressions)
                ],
            }
        ]
    }
    file = tmp_path / "dashboard.yml"
    file.write_text(yaml.safe_dump(made))
    promtool("check", "rules", file)


@pytest.mark.parametrize("name", NAMES)
def test_an_alert_says_how_urgent_it_is_what_is_the_matter_and_what_to_do(name: str) -> None:
    for alert in alerts():
        if alert["alert"] != name:
            continue
        assert alert["labels"]["severity"] in ("page", "ticket")
        told = alert["annotations"]
        assert set(told) == {"summary", "description", "runbook_url"}
        assert "{{" in told["description"]
        assert told["runbook_url"] == f"docs/runbooks.md#{name.lower()}"
        # from the top of the repository
        path = told["runbook_url"].partition("#")[0]
        assert (DOCS.parent / path).is_file()


def test_each_alert_has_its_runbook_and_each_runbook_its_alert() -> None:
    assert sorted(runbooks()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_has_all_its_parts(name: str) -> None:
    runbook = runbooks()[name]
    parts = re.findall(r"^\*\*(.*?)\.\*\*", runbook, re.MULTILINE)
    assert parts == ["Meaning", "Urgency", "Look first", "Do", "Over when"]


def test_recorded_series_are_recorded_and_used() -> None:
    made = {rule["record"] for rule in rules() if "record" in rule}
    expressions = [*(alert["expr"] for alert in alerts()), *dashboard_expressions()]
    used = set[str]().union(*(recorded(expression) for expression in expressions))
    assert used == made


def test_the_dashboard_shows_every_metric_that_an_alert_is_of() -> None:
    told = metrics("\n".join(rule["expr"] for rule in rules()))
    shown = metrics("\n".join([*dashboard_expressions(), *variables()]))
    assert told - shown == set()


def test_the_panels_of_the_dashboard_have_places_of_their_own() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [
        (place["x"] + dx, place["y"] + dy)
        for place in (panel["gridPos"] for panel in panels)
        for dx in range(place["w"])
        for dy in range(place["h"])
    ]
    assert len(set(taken)) == len(taken)
    # Grafana has 24 columns
    assert max(x for x, _ in taken) == 23
