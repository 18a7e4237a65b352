"""docs/monitoring/docker-compose.yml: Grafana and Prometheus beside the rest."""

import re
from typing import Any

import pytest
import yaml

from service.settings import Settings
from tests.packaging.places import ROOT
from tests.packaging.test_compose import SERVICES as ALONE

FILE = ROOT / "docs" / "monitoring" / "docker-compose.yml"
TEXT = FILE.read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ADDED = sorted(SERVICES.keys() - ALONE.keys())
GRAFANA = "docs/monitoring/grafana/"


def test_it_adds_two_to_the_rest():
    assert ADDED == ["grafana", "prometheus"]


@pytest.mark.parametrize("name", ADDED)
def test_container_is_pinned_and_can_gain_nothing(name: str):
    service = SERVICES[name]
    assert re.fullmatch(r"v?\d+\.\d+\.\d+", service["image"].partition(":")[2])
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "healthcheck" in service
    assert all(volume.split(":")[0] in COMPOSE["volumes"] for volume in service["volumes"])
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_what_must_be_set_says_so():
    found = re.findall(r"\$\{(\w+)([^}]*)\}", TEXT)
    for variable, rest in found:
        assert rest.startswith((":-", f":?set {variable}, ")), variable
        assert ("PASSWORD" in variable) == rest.startswith(":?")
    assert re.findall(r"\$[^{]", TEXT) == []


def test_every_dashboard_and_source_is_mounted_where_grafana_looks_for_it():
    files = {name: made["file"] for name, made in COMPOSE["configs"].items() if "file" in made}
    mounted = {files[one["source"]]: one["target"] for one in SERVICES["grafana"]["configs"]}
    found = {str(path.relative_to(ROOT)) for path in (ROOT / GRAFANA).rglob("*.*")}
    assert mounted.keys() == found
    [provider] = yaml.safe_load(
        (ROOT / GRAFANA / "provisioning/dashboards/wattledger.yml").read_text(encoding="utf-8")
    )["providers"]
    for file, target in mounted.items():
        folder = provider["options"]["path"] if file.endswith(".json") else "/etc/grafana"
        assert target.startswith(f"{folder}/"), file


def test_grafana_has_what_its_sources_ask_for():
    text = (ROOT / GRAFANA / "provisioning/datasources/wattledger.yml").read_text(encoding="utf-8")
    asked = set(re.findall(r"\$__env\{(\w+)\}", text))
    assert asked <= SERVICES["grafana"]["environment"].keys()
    given = SERVICES["grafana"]["environment"]["WATTLEDGER_BI_PASSWORD"]
    assert given == SERVICES["migrate"]["environment"]["WATTLEDGER_BI_PASSWORD"]


def test_prometheus_asks_where_the_service_answers_without_a_key():
    address = SERVICES["service"]["environment"]["WATTLEDGER_METRICS_ADDRESS"]
    assert Settings(metrics_address=address).metrics_address == address
    made = yaml.safe_load(COMPOSE["configs"]["prometheus"]["content"])
    [job] = made["scrape_configs"]
    # the rules and the dashboard know it by this name
    assert job["job_name"] == "wattledger"
    port = address.rpartition(":")[2]
    assert job["static_configs"] == [{"targets": [f"service:{port}"]}]
    [rules] = made["rule_files"]
    assert f"/etc/prometheus/{rules}" in [c["target"] for c in SERVICES["prometheus"]["configs"]]
