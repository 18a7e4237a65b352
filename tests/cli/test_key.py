"""`wattledger key`, as a user meets it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import psycopg
import pytest

from tests.cli.test_commands import run
from tests.support.keys import key_id
from tests.support.process import serving


def made(database_url: str, *arguments: str) -> str:
    answer = run("key", "create", *arguments, DATABASE_URL=database_url)
    assert (answer.returncode, answer.stderr.count("\n")) == (0, 1)
    assert re.fullmatch(r"wl_[0-9a-f]{12}_[0-9a-f]{64}\n", answer.stdout)
    return answer.stdout.strip()


def test_a_key_is_made_with_all_that_was_asked_for(database_url: str) -> None:
    key = made(
        database_url,
        *("--scope", "ingest", "--scope", "read", "--device", "M-*", "--device", "V-1"),
        *("--expires", "90 days", "--rate", "5", "--note", "a gateway"),
    )
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT scopes, devices, readings_per_second, burst_readings, note, expires_at - now()"
            " FROM ops.keys WHERE key_id = %s",
            [key_id(key)],
        ).fetchone()
    assert row is not None
    assert row[:5] == (["ingest", "read"], ["M-*", "V-1"], 5.0, 300.0, "a gateway")
    assert timedelta(days=89.9) < row[5] <= timedelta(days=90)


def test_keys_are_listed_revoked_and_rotated(database_url: str) -> None:
    key = made(database_url, "--scope", "ingest", "--note", "site 7")
    rotated = run("key", "rotate", key_id(key), "--overlap", "1 hour", DATABASE_URL=database_url)
    assert rotated.returncode == 0
    new = rotated.stdout.strip()
    until = re.search(r"works until (\S+):", rotated.stderr)
    assert until is not None
    left = datetime.fromisoformat(until[1]) - datetime.now().astimezone()
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    assert run("key", "revoke", key_id(key), DATABASE_URL=database_url).returncode == 0
    listed = run("key", "list", DATABASE_URL=database_url).stdout
    assert re.search(rf"^{key_id(key)} +revoked +ingest .* site 7$", listed, re.MULTILINE)
    assert re.search(rf"^{key_id(new)} +valid +ingest .* site 7$", listed, re.MULTILINE)
    assert key.split("_")[2] not in listed


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["create"], "Missing option '--scope'"),
        (["create", "--scope", "write"], "'write' is not one of"),
        (["create", "--scope", "read", "--fleet", "nowhere"], "ops.set_fleet"),
        (["create", "--scope", "read", "--expires", "soon"], "invalid input syntax for type"),
        (["create", "--scope", "read", "--expires", "-1 day"], "expired already"),
        (["revoke", "000000000000"], "there is no key of that id"),
        (["revoke", "wl_000000000000_0"], "give the id alone"),
        (["rotate", "000000000000"], "no valid key of that id"),
    ],
)
def test_what_cannot_be_done_is_said_without_a_traceback(
    database_url: str, arguments: list[str], says: str
) -> None:
    answer = run("key", *arguments, DATABASE_URL=database_url)
    assert answer.returncode != 0
    assert says in answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_services_own_login_can_make_no_key(service_url: str) -> None:
    answer = run("key", "create", "--scope", "admin", DATABASE_URL=service_url)
    assert answer.returncode == 1
    assert "keys are made by a superuser or wattledger_dba" in answer.stderr


def test_without_keys_the_service_listens_on_this_machine_only_and_says_so(
    service_url: str,
) -> None:
    answer = run("serve", "--host", "::", DATABASE_URL=service_url, WATTLEDGER_KEYS="off")
    assert answer.returncode == 1
    assert "WATTLEDGER_KEYS=off lets everyone in" in answer.stderr
    proxied = run(
        "serve", DATABASE_URL=service_url, WATTLEDGER_KEYS="off", WATTLEDGER_ROOT_PATH="/wattledger"
    )
    assert proxied.returncode == 1
    assert "reach the proxy" in proxied.stderr
    with serving(service_url, WATTLEDGER_KEYS="off") as service:
        assert service.status("/v1/meters") == 200
