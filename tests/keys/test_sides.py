"""A pattern may say the side: the key of a meter is no key of the vehicle of the same id."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.support.http import meter, vehicle
from tests.support.keys import bearer, key_id, make_key
from tests.support.readings import Connection

IDS = ["X", "XY", "meter:X", "vehicle:X", "meter:meter:X"]


def covered(connection: Connection, key: str) -> set[tuple[str, str]]:
    return set(
        connection.execute(
            "SELECT * FROM api.permitted_devices(%s, %s, %s)", [key_id(key), IDS, IDS]
        ).fetchall()
    )


def both(*ids: str) -> set[tuple[str, str]]:
    return {(side, device_id) for side in ("meter", "vehicle") for device_id in ids}


@pytest.mark.parametrize(
    ("pattern", "covers"),
    [
        ("X", both("X")),
        ("X*", both("X", "XY")),
        ("meter:X", {("meter", "X")}),
        ("vehicle:X", {("vehicle", "X")}),
        ("meter:X*", {("meter", "X"), ("meter", "XY")}),
        ("vehicle:*", {("vehicle", device_id) for device_id in IDS}),
        # ids that start like a side are written behind it
        ("meter:meter:X", {("meter", "meter:X")}),
        ("vehicle:meter:X", {("vehicle", "meter:X")}),
        ("meter:vehicle:X", {("meter", "vehicle:X")}),
        # none of these is a side
        ("*:X", both("meter:X", "vehicle:X", "meter:meter:X")),
        ("Meter:X", set()),
        ("met*:X", both("meter:X", "meter:meter:X")),
    ],
)
@pytest.mark.parametrize("by_fleet", [False, True])
def test_a_pattern_covers_the_side_that_it_says_or_both(
    connection: Connection,
    database_url: str,
    pattern: str,
    covers: set[tuple[str, str]],
    by_fleet: bool,
) -> None:
    if by_fleet:
        connection.execute("SELECT ops.set_fleet('north', ARRAY[%s])", [pattern])
    options = {"fleet": "north"} if by_fleet else {"devices": [pattern]}
    assert covered(connection, make_key(database_url, "read", **options)) == covers


def test_both_limits_of_a_key_must_allow_the_side(
    connection: Connection, database_url: str
) -> None:
    connection.execute("SELECT ops.set_fleet('north', ARRAY['meter:*'])")
    key = make_key(database_url, "read", fleet="north", devices=["X", "vehicle:XY"])
    assert covered(connection, key) == {("meter", "X")}


def test_what_needs_no_pattern_is_known_at_once_by_its_side(
    connection: Connection, database_url: str
) -> None:
    key = make_key(database_url, "read", devices=["A", "meter:B", "vehicle:C", "meter:D*"])
    row = connection.execute(
        "SELECT a.meters, a.vehicles FROM api.authenticate(ARRAY[%s],"
        " ARRAY[sha256(convert_to(%s, 'UTF8'))]) AS a",
        key.split("_")[1:],
    ).fetchone()
    assert row == (["A", "B"], ["A", "C"])


@pytest.mark.parametrize("pattern", ["meter:", "vehicle:"])
def test_a_side_alone_is_no_pattern(connection: Connection, pattern: str) -> None:
    with pytest.raises(psycopg.Error) as raised:
        connection.execute("SELECT ops.create_key(ARRAY['read'], ARRAY[%s])", [pattern])
    assert raised.value.sqlstate == "WL030"
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("SELECT ops.set_fleet('north', ARRAY[%s])", [pattern])


def test_the_longest_id_fits_behind_its_side(connection: Connection, database_url: str) -> None:
    longest = "x" * 128
    connection.execute("SELECT ops.set_fleet('north', ARRAY[%s])", [f"vehicle:{longest}"])
    key = make_key(database_url, "read", fleet="north")
    row = connection.execute(
        "SELECT p.side FROM api.permitted_devices(%s, %s, %s) AS p",
        [key_id(key), [longest], [longest]],
    ).fetchone()
    assert row == ("vehicle",)


def test_a_meters_key_neither_posts_nor_reads_as_the_vehicle_of_the_same_id(
    client: Any, connection: Connection, database_url: str
) -> None:
    key = bearer(make_key(database_url, "admin", devices=["meter:X"]))
    for body, status in (
        ([meter("X")], 201),
        ([vehicle("X")], 403),
        ([meter("X"), vehicle("X")], 403),
    ):
        answer = client.post("/v1/ingest", json=body, headers=key)
        assert answer.status_code == status
    assert 'the vehicle "X"' in answer.json()["detail"]
    client.post("/v1/ingest", json=[vehicle("X")], headers=bearer())
    for path, status in (
        ("/v1/meters/X", 200),
        ("/v1/vehicles/X", 403),
        ("/v1/analytics/performance/X", 403),
        ("/v1/links?meterId=X", 200),
        ("/v1/links?vehicleId=X", 403),
    ):
        assert client.get(path, headers=key).status_code == status, path
    answer = client.put("/v1/links/X", json={"meterId": "X"}, headers=key)
    assert answer.status_code == 403
