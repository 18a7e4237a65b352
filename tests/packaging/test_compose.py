"""docker-compose.yml: what is pinned, what is secret, what waits for what."""

import os
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from psycopg.conninfo import conninfo_to_dict

from service.database.conninfo import completed
from service.migrate.preflight import POSTGRESQL_MINIMUM, TIMESCALEDB_MINIMUM
from service.migrate.runner import LOGIN_PASSWORDS
from service.routes.health import ready
from service.settings import Settings
from tests.packaging.places import ROOT

FILE = ROOT / "docker-compose.yml"
TEXT = FILE.read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

# what a user must set before the first start
REQUIRED = {"POSTGRES_PASSWORD", "WATTLEDGER_SERVICE_PASSWORD"}

# what the profile of the buffer is made of
BROKERS = ["kafka1", "kafka2", "kafka3"]

each_service = pytest.mark.parametrize("name", SERVICES)
each_broker = pytest.mark.parametrize("name", BROKERS)


def is_one_shot(name: str) -> bool:
    """Whether another service waits for its end, and nothing starts it again."""
    awaited = any(
        service.get("depends_on", {}).get(name, {}).get("condition")
        == "service_completed_successfully"
        for service in SERVICES.values()
    )
    return awaited and SERVICES[name].get("restart") == "no"


@each_service
def test_image_is_pinned_or_built_here(name: str):
    service = SERVICES[name]
    _, _, tag = service["image"].partition(":")
    if "build" in service:
        # so that no registry is asked for an image of that name
        assert service["pull_policy"] == "build"
    else:
        assert re.fullmatch(r"\d+\.\d+\.\d+(-pg\d+)?", tag)


def test_database_is_one_that_wattledger_supports():
    image, _, tag = SERVICES["database"]["image"].partition(":")
    version, _, major = tag.partition("-pg")
    parts = tuple(int(part) for part in version.split("."))
    # the Apache 2 edition's tags end in -oss
    assert image == "timescale/timescaledb"
    assert int(major) >= POSTGRESQL_MINIMUM
    assert parts[:2] >= TIMESCALEDB_MINIMUM
    assert parts != (2, 22, 0)


@each_service
def test_service_is_checked_for_health_unless_it_ends_by_itself(name: str):
    assert is_one_shot(name) != ("healthcheck" in SERVICES[name])


@each_service
def test_service_waits_for_what_the_other_can_reach(name: str):
    for target, dependency in SERVICES[name].get("depends_on", {}).items():
        wanted = "service_completed_successfully" if is_one_shot(target) else "service_healthy"
        assert dependency["condition"] == wanted


def test_every_variable_without_a_default_is_a_documented_one_and_says_what_to_set():
    found = re.findall(r"\$\{(\w+)([^}]*)\}", TEXT)
    # `:+` has something only where the variable is set
    defaults = (":-", ":+")
    assert {variable for variable, rest in found if not rest.startswith(defaults)} == REQUIRED
    for variable, rest in found:
        if variable in REQUIRED:
            assert rest.startswith(f":?set {variable}, ")


def test_no_variable_is_written_without_braces():
    assert re.findall(r"\$[^{]", TEXT) == []


@each_service
def test_secrets_come_from_the_environment_alone(name: str):
    for variable, value in SERVICES[name].get("environment", {}).items():
        if "PASSWORD" in variable:
            assert re.fullmatch(r"\$\{\w+:[?-][^}]*\}", value), variable
            assert ":-" not in value or value.endswith(":-}"), variable
        # a password in a URL would have to be escaped
        assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), variable


@each_service
def test_port_is_open_to_this_host_alone(name: str):
    assert [port for port in SERVICES[name].get("ports", []) if port[:10] != "127.0.0.1:"] == []


@each_service
def test_container_can_write_nothing_but_its_volumes_and_memory(name: str):
    service = SERVICES[name]
    assert service["read_only"] is True
    assert all(
        mount.startswith(("/tmp", "/var/run/", "/opt/kafka/config")) for mount in service["tmpfs"]
    )
    # a named volume of this file, never a directory of the host or Docker's socket
    for volume in service.get("volumes", []):
        assert volume.split(":")[0] in COMPOSE["volumes"]


@each_service
def test_container_can_gain_nothing(name: str):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    for much in ("privileged", "user", "pid", "ipc", "network_mode", "devices", "userns_mode"):
        assert much not in service, much


def test_database_alone_starts_as_root_with_what_becoming_its_user_takes():
    becoming = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]
    assert {
        name: service["cap_add"] for name, service in SERVICES.items() if "cap_add" in service
    } == {"database": becoming}


def test_database_keeps_acknowledged_readings():
    database = SERVICES["database"]
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert f"--{setting}=on" in database["command"]
    [volume] = database["volumes"]
    source, target = volume.split(":")
    assert source in COMPOSE["volumes"]
    assert target == "/var/lib/postgresql/data"


def test_migrate_is_told_the_password_of_every_login():
    assert set(LOGIN_PASSWORDS.values()) <= SERVICES["migrate"]["environment"].keys()


@pytest.mark.parametrize("name", ["service", "worker"])
def test_service_logs_in_with_the_password_that_migrate_gave_it(name: str):
    given = SERVICES["migrate"]["environment"][LOGIN_PASSWORDS["wattledger_service"]]
    environment = SERVICES[name]["environment"]
    assert environment["PGPASSWORD"] == given
    assert "//wattledger_service@database:" in environment["DATABASE_URL"]


@pytest.mark.parametrize("name", ["migrate", "service", "worker"])
def test_database_of_the_private_network_is_reached_without_the_tls_that_it_lacks(name: str):
    url = SERVICES[name]["environment"]["DATABASE_URL"]
    assert conninfo_to_dict(completed(url))["sslmode"] == "disable"


def test_service_is_healthy_when_it_is_ready():
    [path] = ready.paths
    port = Settings().port
    assert f"http://127.0.0.1:{port}{path}" in SERVICES["service"]["healthcheck"]["test"][-1]
    assert [published.rpartition(":")[2] for published in SERVICES["service"]["ports"]] == [
        str(port)
    ]


def has_compose() -> bool:
    """Whether the real thing is here; its `config` needs no engine."""
    docker = shutil.which("docker")
    asked = docker and subprocess.run([docker, "compose", "version"], capture_output=True)
    return bool(asked) and asked.returncode == 0


@pytest.mark.skipif(not has_compose(), reason="`docker compose` is not installed here")
def test_compose_itself_accepts_the_file():
    passwords = dict.fromkeys(REQUIRED, "it's/a:p@ss$word")
    checked = subprocess.run(
        ["docker", "compose", "--file", FILE, "config", "--quiet"],
        env={**os.environ, **passwords},
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
