"""A day of a time zone is what (ts AT TIME ZONE zone)::date says, whatever clocks do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.support.charging import keep_charging
from tests.support.readings import Connection, link

# the names that are taken; those in posix/ are the same zones once more
ACCEPTED = """
    SELECT n.name FROM pg_timezone_names AS n
    WHERE n.name !~ '^posix/' AND (n.name IN ('UTC', 'GMT') OR NOT EXISTS (
        SELECT FROM pg_timezone_abbrevs AS a WHERE a.abbrev = upper(n.name)))
"""
# the moments between %(first)s and %(last)s whose day is not the one of their local date
WRONG = """
    WITH moment AS MATERIALIZED (
        SELECT t AS ts, (t AT TIME ZONE %(zone)s)::date AS day
        FROM generate_series(
            (%(first)s::date - 2)::timestamp AT TIME ZONE 'UTC',
            (%(last)s::date + 3)::timestamp AT TIME ZONE 'UTC',
            %(step)s::interval
        ) AS t
    ),
    day AS MATERIALIZED (SELECT * FROM telemetry.local_day(%(zone)s, %(first)s, %(last)s))
    SELECT m.ts, m.day, d.day FROM moment AS m
    LEFT JOIN day AS d ON m.ts >= d.since AND m.ts < d.until
    WHERE d.day IS DISTINCT FROM CASE WHEN m.day BETWEEN %(first)s AND %(last)s THEN m.day END
    ORDER BY m.ts
"""
# where clocks change: the zone, the days around, and what is special
CHANGES = [
    ("Atlantic/Azores", "2026-10-25", "back over midnight, to the same day"),
    ("America/Havana", "2026-11-01", "back over midnight, to the same day"),
    ("America/Nuuk", "2026-10-25", "back from midnight, to the day before"),
    ("Africa/Cairo", "2026-10-30", "back from midnight, to the day before"),
    ("America/Santiago", "2026-09-06", "forward at midnight, which there is not"),
    ("Asia/Beirut", "2026-03-29", "forward at midnight, which there is not"),
    ("America/St_Johns", "2007-11-04", "back from a minute past midnight: two pieces of a day"),
    ("America/St_Johns", "1988-10-30", "back by two hours from a minute past midnight"),
    ("Pacific/Apia", "2011-12-30", "a day left out"),
    ("Pacific/Kwajalein", "1993-08-21", "a day left out"),
    ("Pacific/Kwajalein", "1969-10-01", "a day twice"),
    ("America/Juneau", "1867-10-19", "a day twice, at an odd second"),
    ("Australia/Lord_Howe", "2026-04-05", "back by half an hour"),
    ("Asia/Pyongyang", "2015-08-15", "back by half an hour over midnight"),
    ("America/Caracas", "2007-12-09", "to half an hour"),
    ("Asia/Kathmandu", "1986-01-01", "to a quarter of an hour"),
    ("Africa/Casablanca", "2026-02-15", "back by an hour for Ramadan"),
    ("Europe/Berlin", "2026-03-29", "forward"),
    ("Europe/Berlin", "2026-10-25", "back"),
    ("Asia/Kolkata", "2026-10-25", "never"),
]


@pytest.fixture
def history(db: Connection) -> Iterator[Connection]:
    """A database in which nothing is too old, put back afterwards."""
    with db.transaction(force_rollback=True):
        db.execute("UPDATE telemetry.dataset SET keep = NULL, complete_since = '-infinity'")
        yield db


def test_every_minute_is_in_the_day_of_its_local_date(history: Connection) -> None:
    for zone, day, what in CHANGES:
        changed = date.fromisoformat(day)
        for first in (changed - timedelta(days=1), changed):
            days = {"zone": zone, "first": first, "last": changed, "step": "1 minute"}
            assert history.execute(WRONG, days).fetchall() == [], (zone, day, what)


@pytest.mark.slow_on_webassembly
def test_days_of_all_zones_are_right_around_every_change_of_clocks(history: Connection) -> None:
    changes = history.execute(
        f"""
        SELECT z.name, d::date
        FROM ({ACCEPTED}) AS z (name)
        CROSS JOIN generate_series('2023-01-01'::timestamp, '2027-12-31', '1 day') AS d
        WHERE (d AT TIME ZONE 'UTC' AT TIME ZONE z.name) - d
            <> ((d + INTERVAL '1 day') AT TIME ZONE 'UTC' AT TIME ZONE z.name)
            - (d + INTERVAL '1 day')
        """
    ).fetchall()
    assert len(changes) > 1000
    # a zone of each behaviour: most have the same clocks as another one
    seen: dict[Any, str] = {}
    for zone, day in changes:
        behaviour = history.execute(
            "SELECT array_agg((d + h * INTERVAL '1 hour') AT TIME ZONE 'UTC' AT TIME ZONE %s"
            " ORDER BY h) FROM generate_series(0, 24) AS h, (SELECT %s::timestamp) AS x (d)",
            [zone, day],
        ).fetchone()
        assert behaviour is not None
        seen.setdefault(tuple(behaviour[0]), zone)
    for moments, zone in seen.items():
        day = moments[12].date()
        days = {"zone": zone, "first": day - timedelta(days=1), "last": day + timedelta(days=1)}
        assert history.execute(WRONG, {**days, "step": "15 minutes"}).fetchall() == [], zone


@pytest.mark.slow_on_webassembly
def test_days_of_a_year_follow_each_other_without_gap(history: Connection) -> None:
    for zone in ("America/Havana", "Australia/Lord_Howe"):
        days = {"zone": zone, "first": "2026-01-01", "last": "2026-12-31", "step": "30 minutes"}
        assert history.execute(WRONG, days).fetchall() == [], zone


def test_days_before_the_raw_readings_end_at_the_nearest_full_hour(db: Connection) -> None:
    """An hour can no longer be divided: it is of the day that has more of it."""
    rows = db.execute(
        "SELECT d.since, d.until FROM telemetry.local_day('Asia/Kathmandu', '2024-06-01',"
        " '2024-06-02') AS d"
    ).fetchall()
    midnights = [datetime(2024, 5, 31, 18, tzinfo=UTC) + timedelta(days=n) for n in range(3)]
    assert rows == [(midnights[0], midnights[1]), (midnights[1], midnights[2])]


@pytest.mark.parametrize(
    ("zone", "first", "expected"),
    [("Atlantic/Azores", "2026-10-24", [1, 6]), ("America/Havana", "2026-10-31", [1, 6])],
)
def test_energy_after_midnight_is_of_the_new_day_where_clocks_go_back_over_it(
    history: Connection, zone: str, first: str, expected: list[int]
) -> None:
    day = date.fromisoformat(first)
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    if zone == "America/Havana":
        midnight += timedelta(hours=4)
    for energy, ts in ((1, -12), (2, 0.5), (4, 1.5)):
        history.execute(
            "INSERT INTO telemetry.meter_reading (meter_id, ts, energy_mwh) VALUES ('T', %s, %s)",
            [midnight + timedelta(hours=ts), energy * 1_000_000],
        )
    rows = history.execute(
        "SELECT d.day, d.energy_kwh FROM bi.meter_energy_local_daily(%s, %s, %s) AS d"
        " ORDER BY d.day",
        [zone, day, day + timedelta(days=1)],
    ).fetchall()
    assert rows == [(day + timedelta(days=n), Decimal(energy)) for n, energy in enumerate(expected)]


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Atlantic/Azores", "2026-10-25"),
        ("America/St_Johns", "2007-11-04"),
        ("Pacific/Apia", "2011-12-30"),
        ("Asia/Kolkata", "2026-10-25"),
        ("Asia/Kathmandu", "2026-10-25"),
        ("Australia/Lord_Howe", "2026-04-05"),
    ],
)
def test_functions_for_local_days_give_what_local_dates_of_readings_give(
    history: Connection, zone: str, day: str
) -> None:
    first, last = date.fromisoformat(day) - timedelta(days=1), date.fromisoformat(day)
    for kind, energy in (("meter", 1_000_000), ("vehicle", 900_000)):
        history.execute(
            f"INSERT INTO telemetry.{kind}_reading ({kind}_id, ts, entry, energy_mwh)"
            " SELECT n, t, e, %s + extract(EPOCH FROM t)::bigint %% 1000"
            " FROM generate_series(%s::date - INTERVAL '20 hours', %s::date + INTERVAL '44 hours',"
            " '7 minutes') AS t, unnest(%s::text[]) AS n, generate_series(0, 1) AS e",
            [energy, first, last, [f"{kind[0].upper()}-{n}" for n in (1, 2)]],
        )
    days = {"zone": zone, "first": first, "last": last}
    for kind in ("meter", "vehicle"):
        shown = history.execute(
            f"SELECT d.day, d.{kind}_id, d.energy_mwh, d.samples"
            f" FROM bi.{kind}_energy_local_daily(%(zone)s, %(first)s, %(last)s) AS d ORDER BY 1, 2",
            days,
        ).fetchall()
        assert len(shown) >= 2
        assert (
            shown
            == history.execute(
                f"SELECT (r.ts AT TIME ZONE %(zone)s)::date AS day, r.{kind}_id, sum(r.energy_mwh),"
                f" count(*) FILTER (WHERE r.entry = 0) FROM telemetry.{kind}_reading AS r"
                " WHERE (r.ts AT TIME ZONE %(zone)s)::date BETWEEN %(first)s AND %(last)s"
                " GROUP BY 1, 2 ORDER BY 1, 2",
                days,
            ).fetchall()
        )


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("Atlantic/Azores", "2026-10-25"),
        ("America/St_Johns", "2007-11-04"),
        ("Pacific/Apia", "2011-12-30"),
        ("Asia/Kolkata", "2026-10-25"),
        ("Asia/Kathmandu", "2026-10-25"),
        ("Australia/Lord_Howe", "2026-04-05"),
        ("Europe/Berlin", "2026-10-25"),
    ],
)
def test_efficiency_of_local_days_is_that_of_the_hours_that_start_in_them(
    history: Connection, zone: str, day: str
) -> None:
    first, last = date.fromisoformat(day) - timedelta(days=1), date.fromisoformat(day)
    midday = datetime(last.year, last.month, last.day, 12, tzinfo=UTC)
    begin, end = midday - timedelta(hours=60), midday + timedelta(hours=48)
    for kind, energy in (("meter", 1_000_000), ("vehicle", 900_000)):
        history.execute(
            f"INSERT INTO telemetry.{kind}_reading ({kind}_id, ts, energy_mwh)"
            " SELECT n, t, %s + extract(EPOCH FROM t)::bigint %% 1000"
            " FROM generate_series(%s::timestamptz, %s::timestamptz, '13 minutes') AS t,"
            " unnest(%s::text[]) AS n",
            [energy, begin, end, [f"{kind[0].upper()}-{n}" for n in (1, 2)]],
        )
    change = midday - timedelta(hours=12, minutes=17)
    link(history, "V-1", "M-1", midday - timedelta(hours=50), change)
    link(history, "V-2", "M-1", change, midday)
    link(history, "V-1", "M-2", change + timedelta(minutes=3))
    keep_charging(history, begin - timedelta(days=1), end + timedelta(days=1))
    days = {"zone": zone, "first": first, "last": last}
    expected = history.execute(
        "SELECT (h.bucket AT TIME ZONE %(zone)s)::date AS day, h.vehicle_id, h.meter_id,"
        " sum(h.ac_kwh), sum(h.dc_kwh), sum(h.loss_kwh),"
        " round(sum(h.dc_matched_kwh) / sum(h.ac_matched_kwh), 6), sum(h.charging_hours),"
        " sum(h.meter_samples), sum(h.vehicle_samples)"
        " FROM bi.charging_efficiency_hourly AS h"
        " WHERE (h.bucket AT TIME ZONE %(zone)s)::date BETWEEN %(first)s AND %(last)s"
        " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        days,
    ).fetchall()
    found = history.execute(
        "SELECT d.day, d.vehicle_id, d.meter_id, d.ac_kwh, d.dc_kwh, d.loss_kwh, d.efficiency,"
        " d.charging_hours, d.meter_samples, d.vehicle_samples"
        " FROM bi.charging_efficiency_local_daily(%(zone)s, %(first)s, %(last)s) AS d"
        " ORDER BY 1, 2, 3",
        days,
    ).fetchall()
    assert len(found) >= 2
    assert found == expected


def test_a_day_of_25_hours_has_the_energy_of_all_of_them(history: Connection) -> None:
    begin = datetime(2026, 10, 24, 22, tzinfo=UTC)
    for kind in ("meter", "vehicle"):
        history.execute(
            f"INSERT INTO telemetry.{kind}_reading ({kind}_id, ts, energy_mwh)"
            " SELECT %s, %s::timestamptz + n * INTERVAL '30 minutes', 1000000"
            " FROM generate_series(-20, 52) AS n",
            [f"{kind[0].upper()}-1", begin],
        )
    link(history)
    keep_charging(history, begin - timedelta(days=1), begin + timedelta(days=2))
    rows = history.execute(
        "SELECT d.day, d.ac_kwh, d.charging_hours, d.meter_samples, d.coverage, d.verdict FROM"
        " bi.charging_efficiency_local_daily('Europe/Berlin', '2026-10-25', '2026-10-25') AS d"
    ).fetchall()
    assert rows == [(date(2026, 10, 25), 50, 25, 50, 1, "healthy")]


def test_an_hour_that_midnight_cuts_is_of_the_day_in_which_it_starts(history: Connection) -> None:
    """Also once its raw readings are gone, so that a day stays what it was."""
    midnight = datetime(2026, 10, 24, 18, 30, tzinfo=UTC)
    for kind in ("meter", "vehicle"):
        history.execute(
            f"INSERT INTO telemetry.{kind}_reading ({kind}_id, ts, energy_mwh)"
            " SELECT %s, %s::timestamptz + n * INTERVAL '10 minutes', 1000000"
            " FROM generate_series(-12, 12) AS n",
            [f"{kind[0].upper()}-1", midnight],
        )
    link(history)
    keep_charging(history, midnight - timedelta(days=1), midnight + timedelta(days=1))
    query = (
        "SELECT d.day, d.meter_samples, d.dc_kwh FROM"
        " bi.charging_efficiency_local_daily('Asia/Kolkata', '2026-10-24', '2026-10-25') AS d"
        " ORDER BY d.day"
    )
    days = history.execute(query).fetchall()
    # from 16:30 until 19:00, where two readings are of the time after midnight, and until 20:30
    assert [samples for _, samples, _ in days] == [15, 10]
    history.execute("UPDATE telemetry.dataset SET complete_since = '2026-10-31 00:00+00'")
    assert history.execute(query).fetchall() == days


REFUSED = {
    "CET": "abbreviation",
    "cet": "abbreviation",
    "EST": "abbreviation",
    "CEST": "abbreviation",
    "Zulu": "abbreviation",
    "Europe/Berln": "no time zone",
    "Nonsense/Zone5": "no time zone",
    "<+03>-3": "no time zone",
    "+02:00": "no time zone",
    "right/Europe/Berlin": "no time zone",
    ":CET": "no time zone",
    "": "no time zone",
    None: "no time zone",
}


def test_a_zone_that_is_no_place_is_refused_with_what_to_use(db: Connection) -> None:
    for function in ("meter_energy", "vehicle_energy", "charging_efficiency"):
        query = f"SELECT * FROM bi.{function}_local_daily(%s, '2026-10-01', '2026-10-02')"
        for zone, sentence in REFUSED.items():
            with pytest.raises(psycopg.Error) as raised:
                db.execute(query, [zone])
            assert raised.value.sqlstate == "WL009"
            assert sentence in (raised.value.diag.message_primary or "")
            assert "Europe/Berlin" in (raised.value.diag.message_hint or "")
        for zone in ("UTC", "GMT", "Europe/Berlin", "europe/berlin", "EST5EDT", "Etc/GMT-5"):
            assert db.execute(query, [zone]).fetchall() == []


@pytest.mark.parametrize("day", ["NULL", "'infinity'", "'-infinity'"])
def test_days_that_are_no_dates_are_refused_with_what_to_give(db: Connection, day: str) -> None:
    for function in ("meter_energy", "vehicle_energy", "charging_efficiency"):
        for days in (f"{day}, '2026-10-02'", f"'2026-10-01', {day}"):
            with pytest.raises(psycopg.Error, match="must be dates") as raised:
                db.execute(f"SELECT * FROM bi.{function}_local_daily('Europe/Berlin', {days})")
            assert raised.value.sqlstate == "WL002"


def test_zones_are_taken_that_postgresql_names_and_no_others(db: Connection) -> None:
    names = [name for (name,) in db.execute(ACCEPTED).fetchall()]
    assert len(names) > 400
    # one statement, which fails at the first that is refused
    db.execute("SELECT telemetry.check_zone(n.name) FROM unnest(%s::text[]) AS n (name)", [names])
    others = db.execute(
        "SELECT n.name FROM pg_timezone_names AS n WHERE n.name !~ '^posix/' AND n.name <> ALL(%s)",
        [names],
    ).fetchall()
    assert ("CET",) in others
    for (name,) in others:
        with pytest.raises(psycopg.Error, match="abbreviation"):
            db.execute("SELECT telemetry.check_zone(%s)", [name])
