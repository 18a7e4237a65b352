"""Imports keep to the rules of the rooms, which pyproject.toml has, and each rule can be broken."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.packaging.places import ROOT, SERVICE

PROJECT = ROOT / "pyproject.toml"

# one or more for each rule: a module, and what it must not import
BREACHES = {
    "no import runs upward": [
        ("service.http.body", "service.keys.grant"),
        ("service.http.proxy", "service.database.errors"),
        ("service.traces.tracing", "service.http.front"),
        ("service.database.pool", "service.http.problem"),
        ("service.wire.batch", "service.settings"),
        ("service.routes.links", "service.ingest.answers"),
        ("service.ingest.writer", "service.routes.paging"),
        ("service.ingest.destination", "service.buffer.faults"),
        ("service.keys.keyring", "service.ingest.intake"),
        ("service.webhooks.sender", "service.vitals"),
        ("service.openapi.common", "service.app"),
    ],
    "http is of bytes and ASGI": [
        ("service.http.front", "litestar"),
        ("service.http.access_log", "service.recent"),
    ],
    "database is of PostgreSQL alone": [
        ("service.database.pool", "service.wire"),
        ("service.database.errors", "service.concurrency"),
        ("service.migrate.runner", "service.http.problem"),
    ],
    "wire is of bytes and rows": [("service.wire.bodies", "psycopg")],
    "the intake does without the framework": [("service.ingest.intake", "litestar")],
    "traces alone know of OpenTelemetry": [
        ("service.ingest.line", "opentelemetry"),
        ("service.http.access_log", "opentelemetry"),
        ("service.traces.environment", "requests"),
    ],
    "the buffer alone knows of Kafka": [
        ("service.app", "confluent_kafka"),
        ("service.buffer.address", "confluent_kafka"),
    ],
    "webhooks alone call others over HTTP": [
        ("service.routes.links", "httpx"),
        ("service.webhooks.counts", "httpcore"),
    ],
    "webhooks know no request of ours": [
        ("service.webhooks.sender", "psycopg"),
        ("service.webhooks.posting", "service.http.problem"),
    ],
    "the fast lane can be taken out": [("service.ingest.endpoint", "service.ingest.fast.head")],
}


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    """The rules, checked on the package in a folder."""
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, PROJECT, "--no-cache"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_no_import_breaks_a_rule() -> None:
    found = checked(ROOT)
    assert found.returncode == 0, found.stdout + found.stderr


def test_every_rule_is_tried() -> None:
    rules = tomllib.loads(PROJECT.read_text())["tool"]["importlinter"]["contracts"]
    assert {rule["name"] for rule in rules} == set(BREACHES)


def test_an_import_that_breaks_a_rule_is_found(tmp_path: Path) -> None:
    folder = tmp_path / "service"
    shutil.copytree(SERVICE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for module, imported in (one for breaches in BREACHES.values() for one in breaches):
        with (tmp_path / (module.replace(".", "/") + ".py")).open("a") as file:
            file.write(f"\nimport {imported}\n")
    found = checked(tmp_path).stdout
    _, *parts = re.split(r"^(.+)\n-{3,}$", found, flags=re.MULTILINE)
    told = dict(zip(parts[::2], parts[1::2], strict=True))
    for rule, breaches in BREACHES.items():
        assert f"{rule} BROKEN" in found
        for module, imported in breaches:
            assert f"{module} -> {imported} " in told[rule], rule
