"""Charging links: put, ended, listed, and never two at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from tests.support.readings import NOW, Connection, link

HOUR = timedelta(hours=1)


def links(connection: Connection, vehicle: str | None = None, meter: str | None = None) -> list:
    return connection.execute(
        "SELECT vehicle_id, meter_id, since, until"
        " FROM api.charging_links(%s, %s, NULL, NULL, 100)",
        [vehicle, meter],
    ).fetchall()


def end(connection: Connection, vehicle: str, at: datetime | None = None) -> tuple | None:
    return connection.execute(
        "SELECT meter_id, since, until FROM api.end_charging_link(%s, %s)", [vehicle, at]
    ).fetchone()


def test_a_link_without_ends_is_the_simple_mapping(connection: Connection) -> None:
    assert link(connection, "V-1", "M-1") is True
    assert links(connection) == [("V-1", "M-1", None, None)]


def test_the_same_link_again_is_not_new_and_moves_its_end(connection: Connection) -> None:
    link(connection, "V-1", "M-1", NOW)
    assert link(connection, "V-1", "M-1", NOW, NOW + HOUR) is False
    assert links(connection) == [("V-1", "M-1", NOW, NOW + HOUR)]


@pytest.mark.parametrize(("vehicle", "meter"), [("V-1", "M-2"), ("V-2", "M-1"), ("V-1", "M-1")])
def test_a_vehicle_or_meter_in_two_places_at_once_raises_wl003_naming_the_other(
    connection: Connection, vehicle: str, meter: str
) -> None:
    link(connection, "V-1", "M-1", NOW, NOW + 2 * HOUR)
    with pytest.raises(psycopg.Error) as raised:
        link(connection, vehicle, meter, NOW + HOUR)
    assert raised.value.sqlstate == "WL003"
    assert "vehicle V-1 is on meter M-1" in str(raised.value)
    assert links(connection) == [("V-1", "M-1", NOW, NOW + 2 * HOUR)]


def test_moving_an_end_into_another_link_raises_wl003_and_leaves_both(
    connection: Connection,
) -> None:
    link(connection, "V-1", "M-1", NOW, NOW + HOUR)
    link(connection, "V-1", "M-2", NOW + HOUR)
    with pytest.raises(psycopg.Error) as raised:
        link(connection, "V-1", "M-1", NOW)
    assert raised.value.sqlstate == "WL003"
    assert "vehicle V-1 is on meter M-2" in str(raised.value)
    assert len(links(connection)) == 2


def test_links_that_touch_do_not_overlap(connection: Connection) -> None:
    link(connection, "V-1", "M-1", None, NOW)
    link(connection, "V-1", "M-2", NOW, None)
    link(connection, "V-2", "M-1", NOW, None)
    assert len(links(connection)) == 3


@pytest.mark.parametrize("until", [NOW, NOW - HOUR])
def test_a_link_that_ends_before_it_begins_raises_wl002(
    connection: Connection, until: datetime
) -> None:
    with pytest.raises(psycopg.Error) as raised:
        link(connection, "V-1", "M-1", NOW, until)
    assert raised.value.sqlstate == "WL002"


def test_an_ended_link_frees_vehicle_and_meter_from_then_on(connection: Connection) -> None:
    link(connection, "V-1", "M-1")
    assert end(connection, "V-1", NOW) == ("M-1", None, NOW)
    link(connection, "V-1", "M-2", NOW)
    link(connection, "V-2", "M-1", NOW)
    assert links(connection, "V-1") == [("V-1", "M-1", None, NOW), ("V-1", "M-2", NOW, None)]


def test_ending_without_a_time_ends_now(connection: Connection) -> None:
    link(connection, "V-1", "M-1")
    ended = end(connection, "V-1")
    assert ended is not None
    assert abs(ended[2] - datetime.now(UTC)) < timedelta(minutes=1)
    assert end(connection, "V-1") is None


@pytest.mark.parametrize("at", [NOW + HOUR, NOW - HOUR, NOW + 2 * HOUR])
def test_ending_where_no_link_is_open_returns_nothing(connection: Connection, at: datetime) -> None:
    link(connection, "V-1", "M-1", NOW, NOW + HOUR)
    assert end(connection, "V-1", at) is None
    assert links(connection) == [("V-1", "M-1", NOW, NOW + HOUR)]


def test_links_are_found_by_vehicle_and_by_meter_in_pages(connection: Connection) -> None:
    for number in range(5):
        link(connection, f"V-{number}", f"M-{number}", None, NOW)
        link(connection, f"V-{number}", f"M-{number}", NOW + HOUR)
    assert len(links(connection, meter="M-3")) == 2
    assert links(connection, "V-3", "M-4") == []
    seen: list[tuple] = []
    after: tuple[str | None, datetime | None] = (None, None)
    while page := connection.execute(
        "SELECT vehicle_id, meter_id, since, until FROM api.charging_links(NULL, NULL, %s, %s, 3)",
        after,
    ).fetchall():
        seen += page
        after = (page[-1][0], page[-1][2])
    assert seen == links(connection)
    assert len(seen) == 10
