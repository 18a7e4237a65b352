"""Keys in SQL: made, matched, rotated and revoked there, whoever calls."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.keys import key_id, make_key
from tests.support.readings import Connection


def authenticate(connection: Connection, *keys: str) -> list[tuple[Any, ...]]:
    """Place, refusal and scopes of each."""
    ids = [key_id(key) for key in keys]
    hashes = [hashlib.sha256(key.split("_")[2].encode()).digest() for key in keys]
    return connection.execute(
        "SELECT a.place, a.refusal, a.scopes FROM api.authenticate(%s::text[], %s::bytea[]) AS a",
        [ids, hashes],
    ).fetchall()


def test_a_key_is_stored_as_a_hash_alone(connection: Connection, database_url: str) -> None:
    key = make_key(database_url, "ingest")
    assert re.fullmatch(r"wl_[0-9a-f]{12}_[0-9a-f]{64}", key)
    secret = key.split("_")[2]
    rows = connection.execute(
        "SELECT to_jsonb(k)::text, k.secret_sha256 FROM telemetry.api_key AS k"
    ).fetchall()
    assert secret not in str(rows)
    assert hashlib.sha256(secret.encode()).digest() in {row[1] for row in rows}


def test_keys_are_authenticated_many_at_once_each_at_its_place(
    connection: Connection, database_url: str
) -> None:
    good, reader, gone = (make_key(database_url, scope) for scope in ("admin", "read", "ingest"))
    connection.execute("SELECT ops.revoke_key(%s)", [key_id(gone)])
    unknown = "wl_000000000000_" + "0" * 64
    wrong = f"wl_{key_id(good)}_{'0' * 64}"
    assert authenticate(connection, unknown, good, wrong, gone, reader, good) == [
        (0, "unknown", None),
        (1, None, ["ingest", "read", "metrics", "admin"]),
        (2, "unknown", ["ingest", "read", "metrics", "admin"]),
        (3, "revoked", ["ingest"]),
        (4, None, ["read"]),
        (5, None, ["ingest", "read", "metrics", "admin"]),
    ]
    assert authenticate(connection) == []


def test_use_is_noted_by_the_hour_and_only_of_good_keys(
    connection: Connection, database_url: str
) -> None:
    key = make_key(database_url)

    def last_used() -> datetime | None:
        row = connection.execute(
            "SELECT last_used_at FROM ops.keys WHERE key_id = %s", [key_id(key)]
        ).fetchone()
        return row[0] if row else None

    authenticate(connection, f"wl_{key_id(key)}_{'0' * 64}")
    assert last_used() is None
    authenticate(connection, key)
    first = last_used()
    assert first is not None
    authenticate(connection, key)
    assert last_used() == first
    connection.execute("UPDATE telemetry.api_key SET last_used_at = now() - INTERVAL '61 minutes'")
    authenticate(connection, key)
    assert (last_used() or first) > first


def test_a_rotated_key_works_on_beside_the_new_one_until_the_overlap_ends(
    connection: Connection, database_url: str
) -> None:
    old = make_key(database_url, "ingest", devices=["M-*"], note="a gateway")
    row = connection.execute(
        "SELECT new_key, old_expires_at - now() FROM ops.rotate_key(%s, '2 hours')", [key_id(old)]
    ).fetchone()
    assert row is not None
    new, left = row
    assert timedelta(hours=1.9) < left <= timedelta(hours=2)
    assert [refusal for _, refusal, _ in authenticate(connection, old, new)] == [None, None]
    rows = connection.execute(
        "SELECT scopes, devices, note, rotated_from FROM ops.keys WHERE key_id = %s", [key_id(new)]
    ).fetchall()
    assert rows == [(["ingest"], ["M-*"], "a gateway", key_id(old))]
    connection.execute("UPDATE telemetry.api_key SET expires_at = now() WHERE note = 'a gateway'")
    connection.execute(
        "UPDATE telemetry.api_key SET expires_at = NULL WHERE key_id = %s", [key_id(new)]
    )
    assert [refusal for _, refusal, _ in authenticate(connection, old, new)] == ["expired", None]


def test_rotating_without_overlap_ends_the_old_key_at_once(
    connection: Connection, database_url: str
) -> None:
    old = make_key(database_url)
    connection.execute("SELECT ops.rotate_key(%s, '0')", [key_id(old)])
    assert authenticate(connection, old)[0][1] == "expired"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("scopes => ARRAY[]::text[]", "a scope is one of"),
        ("scopes => ARRAY['write']", "a scope is one of"),
        ("scopes => NULL", "a scope is one of"),
        ("scopes => ARRAY['read'], devices => ARRAY[]::text[]", "a device is an id"),
        ("scopes => ARRAY['read'], devices => ARRAY['']", "a device is an id"),
        ("scopes => ARRAY['read'], devices => ARRAY['M', NULL]", "a device is an id"),
        ("scopes => ARRAY['read'], fleet => 'nowhere'", "ops.set_fleet"),
        ("scopes => ARRAY['read'], expires_at => now()", "expired already"),
        ("scopes => ARRAY['read'], readings_per_second => 0", "a rate is more than 0"),
        ("scopes => ARRAY['read'], burst_readings => 5", "a burst needs a rate"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(
    connection: Connection, arguments: str, says: str
) -> None:
    with pytest.raises(psycopg.Error, match=says) as caught:
        connection.execute(f"SELECT ops.create_key({arguments})")
    assert caught.value.sqlstate == "WL030"


@pytest.mark.parametrize("call", ["ops.revoke_key('x')", "ops.rotate_key('x')"])
def test_a_key_that_is_not_there_can_be_neither_revoked_nor_rotated(
    connection: Connection, call: str
) -> None:
    with pytest.raises(psycopg.Error) as caught:
        connection.execute(f"SELECT {call}")
    assert caught.value.sqlstate == "WL031"


TEXT = st.text(st.sampled_from("ab%_\\*-ä"), max_size=8)


@given(device_id=TEXT, pattern=TEXT)
def test_a_pattern_matches_as_a_glob_whose_only_wildcard_is_the_star(
    shared_database_url: str, device_id: str, pattern: str
) -> None:
    with psycopg.connect(shared_database_url) as connection:
        row = connection.execute(
            "SELECT telemetry.matches_pattern(%s, %s)", [device_id, pattern]
        ).fetchone()
    assert row == (fnmatchcase(device_id, pattern),)
