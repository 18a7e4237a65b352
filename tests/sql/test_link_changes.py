"""Charging links that were made by mistake: removed, replaced, noted with who did it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.range import Range

from tests.support.keys import key_id, make_key
from tests.support.readings import NOW, Connection, link

HOUR = timedelta(hours=1)


def span(since: datetime | None, until: datetime | None) -> Range[datetime]:
    return Range(since, until, "[)" if since else "()")


def spans(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT vehicle_id, meter_id, since, until"
        " FROM api.charging_links(NULL, NULL, NULL, NULL, 100)"
    ).fetchall()


def history(connection: Connection) -> list[tuple[Any, ...]]:
    return connection.execute(
        "SELECT h.change, h.vehicle_id, h.meter_id, h.before, h.after"
        " FROM ops.link_history AS h ORDER BY h.change_id"
    ).fetchall()


def put(connection: Connection, *arguments: Any, **options: Any) -> bool:
    named = "".join(f", {name} => %({name})s" for name in options)
    row = connection.execute(
        "SELECT api.put_charging_link(%(v)s, %(m)s, %(since)s, %(until)s" + named + ")",
        {**dict(zip(("v", "m", "since", "until"), arguments, strict=True)), **options},
    ).fetchone()
    assert row is not None
    return row[0]


def end(connection: Connection, at: datetime | None, **options: Any) -> tuple[Any, ...] | None:
    named = "".join(f", {name} => %({name})s" for name in options)
    return connection.execute(
        "SELECT * FROM api.end_charging_link('V-1', %(at)s" + named + ")", {"at": at, **options}
    ).fetchone()


def test_a_link_ended_at_its_very_beginning_is_removed(connection: Connection) -> None:
    link(connection, "V-1", "M-9", NOW)
    assert end(connection, NOW) == ("M-9", NOW, None, True)
    assert spans(connection) == []
    assert link(connection, "V-1", "M-1", NOW) is True


@pytest.mark.parametrize("since", [None, NOW - HOUR])
@pytest.mark.parametrize("until", [None, NOW + HOUR])
def test_a_link_is_removed_wholly_at_any_of_its_times(
    connection: Connection, since: datetime | None, until: datetime | None
) -> None:
    link(connection, "V-1", "M-1", since, until)
    assert end(connection, NOW, remove=True) == ("M-1", since, until, True)
    assert spans(connection) == []
    assert history(connection)[1:] == [("removed", "V-1", "M-1", span(since, until), None)]


def test_ending_again_does_not_remove_the_link_that_was_put_since(connection: Connection) -> None:
    link(connection, "V-1", "M-1")
    assert end(connection, NOW) == ("M-1", None, NOW, False)
    link(connection, "V-1", "M-2", NOW)
    before = spans(connection)
    with pytest.raises(psycopg.Error) as raised:
        end(connection, NOW)
    assert raised.value.sqlstate == "WL007"
    assert "remove=true" in (raised.value.diag.message_hint or "")
    assert spans(connection) == before
    assert end(connection, NOW, remove=True) == ("M-2", NOW, None, True)


def test_a_replacing_link_takes_its_time_out_of_all_others(connection: Connection) -> None:
    day = 24 * HOUR
    link(connection, "V-1", "M-1", None, NOW)  # cut at its end
    link(connection, "V-1", "M-2", NOW, NOW + HOUR)  # within: removed
    link(connection, "V-1", "M-3", NOW + HOUR)  # cut at its beginning
    link(connection, "V-2", "M-9", NOW - day, NOW + day)  # the meter's: cut in two
    link(connection, "V-3", "M-3", None, NOW)  # not touched
    assert put(connection, "V-1", "M-9", NOW - HOUR, NOW + 2 * HOUR, replace=True) is True
    assert spans(connection) == [
        ("V-1", "M-1", None, NOW - HOUR),
        ("V-1", "M-9", NOW - HOUR, NOW + 2 * HOUR),
        ("V-1", "M-3", NOW + 2 * HOUR, None),
        ("V-2", "M-9", NOW - day, NOW - HOUR),
        ("V-2", "M-9", NOW + 2 * HOUR, NOW + day),
        ("V-3", "M-3", None, NOW),
    ]


def test_a_replacing_link_of_the_same_beginning_moves_its_end_over_others(
    connection: Connection,
) -> None:
    link(connection, "V-1", "M-1", NOW, NOW + HOUR)
    link(connection, "V-1", "M-2", NOW + HOUR)
    assert put(connection, "V-1", "M-1", NOW, None, replace=True) is False
    assert spans(connection) == [("V-1", "M-1", NOW, None)]


def test_a_link_that_overlaps_is_told_how_to_replace_or_remove_the_other(
    connection: Connection,
) -> None:
    link(connection, "V-2", "M-1", NOW)
    with pytest.raises(psycopg.Error) as raised:
        link(connection, "V-1", "M-1", NOW - HOUR)
    hint = raised.value.diag.message_hint or ""
    assert '"replace": true' in hint
    at = NOW.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    assert f"DELETE /v1/links/V-2?at={at}&remove=true" in hint


@pytest.mark.parametrize("mine", [(None, None), (NOW, None), (None, NOW)])
@pytest.mark.parametrize("other", [(None, None), (None, NOW + HOUR)])
def test_the_time_in_the_hint_is_one_at_which_the_other_link_is_there(
    connection: Connection, mine: Any, other: Any
) -> None:
    link(connection, "V-2", "M-1", *other)
    with pytest.raises(psycopg.Error) as raised:
        link(connection, "V-1", "M-1", *mine)
    at = (raised.value.diag.message_hint or "").partition("?at=2")[2].partition("&")[0]
    row = connection.execute(
        "SELECT meter_id FROM api.end_charging_link('V-2', %s, remove => TRUE)", [f"2{at}"]
    ).fetchone()
    assert row == ("M-1",)


def test_every_change_is_noted_with_who_made_it_and_what_was_before(
    connection: Connection, database_url: str
) -> None:
    key = key_id(make_key(database_url))
    put(connection, "V-1", "M-1", None, None, acting_key=key)
    put(connection, "V-1", "M-1", None, None, acting_key=key)  # changes nothing
    put(connection, "V-2", "M-1", NOW, None, replace=True)
    connection.execute("DELETE FROM telemetry.charging_link WHERE vehicle_id = 'V-2'")
    connection.execute("UPDATE telemetry.charging_link SET meter_id = 'M-2'")
    connection.execute("TRUNCATE telemetry.charging_link")
    assert history(connection) == [
        ("put", "V-1", "M-1", None, span(None, None)),
        ("changed", "V-1", "M-1", span(None, None), span(None, NOW)),
        ("put", "V-2", "M-1", None, span(NOW, None)),
        ("removed", "V-2", "M-1", span(NOW, None), None),
        ("removed", "V-1", "M-1", span(None, NOW), None),
        ("put", "V-1", "M-2", None, span(None, NOW)),
        ("removed", "V-1", "M-2", span(None, NOW), None),
    ]
    rows = connection.execute(
        "SELECT h.key_id, h.login = session_user, now() - h.changed_at < INTERVAL '1 minute'"
        " FROM ops.link_history AS h ORDER BY h.change_id"
    ).fetchall()
    assert rows == [(key, True, True)] + [(None, True, True)] * 6


def test_a_key_is_not_blamed_for_what_follows_in_the_same_transaction(
    connection: Connection, database_url: str
) -> None:
    key = key_id(make_key(database_url))
    with connection.transaction():
        put(connection, "V-1", "M-1", None, NOW, acting_key=key)
        connection.execute(
            "INSERT INTO telemetry.charging_link VALUES ('V-2', 'M-2', tstzrange(NULL, NULL))"
        )
        with pytest.raises(psycopg.Error), connection.transaction():
            put(connection, "V-3", "M-2", None, None, acting_key=key)
        end(connection, NOW - HOUR, acting_key=key)
        connection.execute("DELETE FROM telemetry.charging_link")
    rows = connection.execute(
        "SELECT h.key_id FROM ops.link_history AS h ORDER BY h.change_id"
    ).fetchall()
    assert rows == [(key,), (None,), (key,), (None,), (None,)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE telemetry.charging_link_change SET key_id = NULL",
        "DELETE FROM telemetry.charging_link_change",
        "TRUNCATE telemetry.charging_link_change",
    ],
)
def test_the_history_of_links_is_append_only(connection: Connection, statement: str) -> None:
    link(connection)
    with pytest.raises(psycopg.Error) as raised:
        connection.execute(statement)
    assert raised.value.sqlstate == "WL010"
    assert len(history(connection)) == 1


@pytest.mark.parametrize(
    "during",
    [
        "'(-infinity,)'",
        "'[-infinity,2026-01-01)'",
        "'[2026-01-01,infinity)'",
        "'[2026-01-01,infinity]'",
        "'empty'",
        "'(2026-01-01,2026-01-02)'",
        "'[2026-01-01,2026-01-02]'",
        "'[2026-01-01 BC,)'",
        "'[1970-01-21 18:36+00,)'",
        "'[,1970-01-21 18:36+00)'",
        "'[2026-01-01,2100-01-02)'",
        "'[2100-01-01 00:00+00,)'",
        "'[2026-01-01,20260-01-01)'",
        "NULL",
    ],
)
def test_a_span_of_time_that_no_link_can_have_is_refused_by_the_table(
    connection: Connection, during: str
) -> None:
    with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.NotNullViolation)):
        connection.execute(f"INSERT INTO telemetry.charging_link VALUES ('V-1', 'M-1', {during})")


@pytest.mark.parametrize(
    "during", ["(,)", "[,2026-01-02)", "[2000-01-01 00:00+00,)", "[2026-01-01,2026-01-02)"]
)
def test_a_span_of_time_that_the_api_gives_is_taken_by_the_table(
    connection: Connection, during: str
) -> None:
    connection.execute("INSERT INTO telemetry.charging_link VALUES ('V-1', 'M-1', %s)", [during])
    assert len(spans(connection)) == 1


EARLY, LATE = datetime(1970, 1, 21, tzinfo=UTC), datetime(2101, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "until"), [(EARLY, None), (None, EARLY), (LATE, None), (NOW, LATE)]
)
@pytest.mark.parametrize("replace", [False, True])
def test_a_link_of_years_that_no_link_can_be_of_raises_wl006(
    connection: Connection, since: datetime | None, until: datetime | None, replace: bool
) -> None:
    with pytest.raises(psycopg.Error) as raised:
        put(connection, "V-1", "M-1", since, until, replace=replace)
    assert raised.value.sqlstate == "WL006"
    assert "milliseconds" in (raised.value.diag.message_hint or "")


@pytest.mark.parametrize("at", ["1970-01-21", "infinity", "-infinity", "2100-01-02"])
def test_ending_a_link_at_a_time_of_such_years_raises_wl006(
    connection: Connection, at: str
) -> None:
    link(connection)
    with pytest.raises(psycopg.Error) as raised:
        connection.execute("SELECT * FROM api.end_charging_link('V-1', %s)", [at])
    assert raised.value.sqlstate == "WL006"
    assert spans(connection) == [("V-1", "M-1", None, None)]


def test_a_key_changes_only_links_of_which_it_covers_both_ends(
    connection: Connection, database_url: str
) -> None:
    limited = key_id(make_key(database_url, devices=["V-1", "M-1"]))
    link(connection, "V-1", "M-9", None, NOW)
    link(connection, "V-9", "M-1", NOW + 2 * HOUR)
    before = spans(connection)
    for change in (
        lambda: put(connection, "V-1", "M-9", NOW, None, acting_key=limited),
        lambda: put(connection, "V-9", "M-1", NOW, None, acting_key=limited),
        lambda: put(connection, "V-1", "M-1", NOW, None, replace=True, acting_key=limited),
        lambda: put(connection, "V-1", "M-1", None, None, replace=True, acting_key=limited),
        lambda: put(connection, "V-1", "M-1", NOW, None, acting_key="000000000000"),
        lambda: end(connection, NOW - HOUR, acting_key=limited),
        lambda: end(connection, NOW - HOUR, remove=True, acting_key=limited),
    ):
        with pytest.raises(psycopg.Error) as raised:
            change()
        assert raised.value.sqlstate == "WL005"
        assert spans(connection) == before
    # what is in the way is not named to it
    with pytest.raises(psycopg.Error) as raised:
        put(connection, "V-1", "M-1", NOW, None, acting_key=limited)
    assert raised.value.sqlstate == "WL003"
    assert "V-9" not in f"{raised.value}{raised.value.diag.message_hint}"
    assert put(connection, "V-1", "M-1", NOW, NOW + HOUR, acting_key=limited) is True
    all_of_it = key_id(make_key(database_url, devices=["*"]))
    assert end(connection, NOW, remove=True, acting_key=all_of_it)


def test_those_who_replace_at_the_same_time_wait_for_one_another(
    connection: Connection, database_url: str
) -> None:
    def replace(number: int) -> None:
        with psycopg.connect(database_url, autocommit=True) as other:
            for _ in range(5):
                put(other, f"V-{number}", "M-1", None, None, replace=True)

    threads = [threading.Thread(target=replace, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (last,) = spans(connection)
    assert last[1:] == ("M-1", None, None)
    changes = [row[0] for row in history(connection)]
    # each call noted what it did: as many came as went, but for the last
    assert changes.count("put") == changes.count("removed") + 1
