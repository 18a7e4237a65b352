"""A month's report agrees with its sessions, days and registers, wherever its zone has midnight."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import psycopg
import pytest

from tests.support.ledger import moment, settle
from tests.support.readings import (
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
    link,
)
from tests.support.tariffs import (
    HOUR,
    Band,
    Part,
    Tariff,
    keep_session,
    price_of,
    rounded,
    set_tariff,
)

BERLIN = "Europe/Berlin"
DAY_AND_NIGHT = [
    Band(Decimal("0.3417"), since=6, until=22),
    Band(Decimal("0.2609"), until=6),
    Band(Decimal("0.2609"), since=22),
]
# a year in which every month is over
MIDNIGHT = datetime(2026, 2, 1, tzinfo=UTC)
SUMMED = ("cost", "standby_cost", "loss_cost", "excess_loss_cost")


@pytest.fixture(autouse=True)
def _all_history(db: Connection) -> None:
    """Have readings of any age be taken, and their hours be kept."""
    for dataset in (
        "meter_energy_hourly",
        "vehicle_energy_hourly",
        "meter_reading",
        "vehicle_reading",
    ):
        db.execute("SELECT ops.set_retention(%s, NULL, confirm => TRUE)", [dataset])


def report(db: Connection, **asked: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of a report by their part."""
    found: dict[str, list[dict[str, Any]]] = {}
    arguments = ", ".join(f"{name} => %({name})s" for name in asked)
    cursor = db.cursor(row_factory=psycopg.rows.dict_row)
    for row in cursor.execute(f"SELECT * FROM api.month_report({arguments})", asked):
        found.setdefault(row["part"], []).append(row)
    return found


def awkward(count: int) -> list[Part]:
    """An hour each, of energies whose costs are mostly no whole cents."""
    begin = datetime(2026, 1, 3, 5, tzinfo=UTC)
    return [
        Part(
            begin + 7 * n * HOUR,
            6_000_001 + 137_713 * n,
            1_003 * n,
            5_900_001 + 137_000 * n,
            (5_900_001 + 137_000 * n) * (70 + n % 25) // 100,
        )
        for n in range(count)
    ]


def test_costs_of_sessions_add_up_to_the_cent(db: Connection) -> None:
    tariff = Tariff(DAY_AND_NIGHT)
    set_tariff(db, tariff)
    parts = awkward(60)
    for part in parts:
        keep_session(db, [part])
    for asked in ({"of_vehicle_id": "V-1"}, {"of_meter_id": "M-1"}):
        found = report(db, **asked, month="2026-01", zone=BERLIN)
        (total,) = found["sessions"]
        assert total["sessions"] == len(found["session"]) == 60
        for name in SUMMED:
            assert total[name] == sum(row[name] or 0 for row in found["session"])
        (shown,) = db.execute(
            f"SELECT ARRAY[{', '.join(f'sum({name})' for name in SUMMED)}] FROM bi.charging_session"
        ).fetchone() or (None,)
        assert shown == [total[name] for name in SUMMED]
    # each is rounded by itself: rounded together they would cost something else
    prices = [price_of([tariff], "M-1", part.hour) for part in parts]
    exact = [
        Fraction(price.price) * (part.ac_mwh + part.standby_mwh)
        for part, price in zip(parts, prices, strict=True)
        if price is not None
    ]
    assert total["cost"] == sum(rounded(one) for one in exact) != rounded(sum(exact))


def test_days_add_up_to_the_month(db: Connection) -> None:
    set_tariff(db, Tariff(DAY_AND_NIGHT))
    for part in awkward(60):
        keep_session(db, [part])
    found = report(db, of_vehicle_id="V-1", month="2026-01", zone=BERLIN)
    (month,) = found["month"]
    for name in ("ac_kwh", "dc_kwh", "standby_kwh", "cost", "standby_cost"):
        assert month[name] == sum(day[name] for day in found["day"])
    assert month["ac_kwh"] == found["sessions"][0]["ac_kwh"]
    assert (month["currency"], month["cost_gap"], month["is_settled"]) == ("EUR", None, True)


@pytest.mark.parametrize(
    ("zone", "hours_of_january", "is_of_january"),
    [
        ("UTC", 2, True),
        # the month begins an hour earlier
        (BERLIN, 1, True),
        # and so much earlier that all is of February
        ("Asia/Tokyo", 0, False),
        # at half past six in the evening in UTC
        ("Asia/Kolkata", 0, False),
        ("America/New_York", 4, True),
    ],
)
def test_a_session_is_of_the_month_in_which_it_starts_and_an_hour_of_its_own(
    db: Connection, zone: str, hours_of_january: int, is_of_january: bool
) -> None:
    keep_session(db, [Part(MIDNIGHT + n * HOUR, 1_000_000) for n in range(-2, 2)])
    months = [
        report(db, of_vehicle_id="V-1", month=month, zone=zone) for month in ("2026-01", "2026-02")
    ]
    assert [found["month"][0]["ac_kwh"] for found in months] == [
        hours_of_january,
        4 - hours_of_january,
    ]
    assert [found["sessions"][0]["sessions"] for found in months] == [
        is_of_january,
        not is_of_january,
    ]
    (listed,) = [row for found in months for row in found.get("session", [])]
    assert listed["ac_kwh"] == 4


def test_midnight_that_cuts_an_hour_leaves_it_to_the_day_before(db: Connection) -> None:
    begin = MIDNIGHT - 6 * HOUR
    keep_session(db, [Part(begin + n * HOUR, 1_000_000) for n in range(2)])
    january = report(db, of_vehicle_id="V-1", month="2026-01", zone="Asia/Kolkata")
    # from half past eleven in the evening until half past twelve
    assert [(day["day"], day["ac_kwh"]) for day in january["day"]] == [(date(2026, 1, 31), 1)]


def test_a_day_on_which_clocks_change_has_all_its_hours(db: Connection) -> None:
    for first in (datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC)):
        keep_session(db, [Part(first + n * HOUR, 1_000_000) for n in range(25)])
    for month, day, length in (("2026-03", 29, 23), ("2026-10", 25, 25)):
        found = report(db, of_vehicle_id="V-1", month=month, zone=BERLIN)
        by_day = {row["day"]: row["ac_kwh"] for row in found["day"]}
        assert by_day[date(2026, int(month[5:]), day)] == length


def test_a_changed_tariff_holds_for_the_past_at_once(db: Connection) -> None:
    keep_session(db, [Part(MIDNIGHT, 10_000_000, 0, 10_000_000, 5_000_000)])

    def costs() -> tuple[Any, ...]:
        row = db.execute(
            "SELECT cost, loss_cost, excess_loss_cost, currency, cost_gap FROM bi.charging_session"
        ).fetchone()
        assert row is not None
        return row

    assert costs() == (None, None, None, None, "no_tariff")
    set_tariff(db, Tariff([Band(Decimal("0.30"))]))
    first = costs()
    assert first == (3, Decimal("1.50"), Decimal("1.24"), "EUR", None)
    later = set_tariff(db, Tariff([Band(Decimal("0.40"))], currency="CHF"))
    assert costs()[:4] == (4, 2, Decimal("1.65"), "CHF")
    own = set_tariff(db, Tariff([Band(Decimal(100))], currency="JPY", meter_id="M-1"))
    assert costs()[:4] == (1000, 500, 412, "JPY")
    for tariff in (own, later):
        db.execute("SELECT ops.cancel_tariff(%s, 'a mistake')", [tariff])
    assert costs() == first


def test_currencies_are_never_added(db: Connection) -> None:
    set_tariff(db, Tariff([Band(Decimal("0.30"))]))
    set_tariff(db, Tariff([Band(Decimal("0.25"))], currency="CHF", meter_id="M-2"))
    keep_session(db, [Part(MIDNIGHT, 10_000_000)])
    keep_session(db, [Part(MIDNIGHT + 9 * HOUR, 10_000_000)], meter_id="M-2")
    found = report(db, of_vehicle_id="V-1", month="2026-02", zone="UTC")
    assert [(row["cost"], row["currency"]) for row in found["session"]] == [
        (3, "EUR"),
        (Decimal("2.50"), "CHF"),
    ]
    for part in ("month", "sessions", "day"):
        (row,) = found[part]
        assert (row["cost"], row["currency"], row["cost_gap"]) == (None, None, "currencies")


def quarters(begin: datetime, end: datetime) -> Iterable[datetime]:
    while begin <= end:
        yield begin
        begin += timedelta(minutes=15)


@pytest.mark.slow_on_webassembly
def test_registers_at_both_ends_differ_by_what_was_counted_and_explained(db: Connection) -> None:
    begin, end = MIDNIGHT - 40 * HOUR, datetime(2026, 3, 2, 12, tzinfo=UTC)
    link(db)
    times = [
        ts
        for ts in quarters(begin, end)
        # silent for most of the month
        if ts < MIDNIGHT + 30 * HOUR or ts > end - 40 * HOUR
    ]
    levels = {ts: 1000 + (ts - begin) / HOUR * 2.25 for ts in times}
    exchanged = MIDNIGHT + 20 * HOUR
    ingest_meters(
        db,
        [
            # replaced by one that started at zero
            MeterReading(
                "M-1",
                ts,
                round(level if ts < exchanged else level - levels[exchanged], 6),
                kind="lifetime_register",
            )
            for ts, level in levels.items()
        ],
    )
    ingest_vehicles(
        db,
        [
            VehicleReading("V-1", ts, round(level * 0.9, 6), 50, 20, kind="lifetime_register")
            for ts, level in levels.items()
        ],
    )
    db.execute(
        "SELECT ops.exchange_meter('meter:M-1', %s, %s::numeric, 0, 'a test')",
        [exchanged, round(levels[exchanged], 6)],
    )
    db.execute(
        "SELECT ops.book_energy('meter:M-1', %s, 1.5, 'a test')", [moment(exchanged + 3 * HOUR)]
    )
    settle(db)
    for side, asked, zone in (
        (side, asked, zone)
        for side, asked in (("ac", {"of_meter_id": "M-1"}), ("dc", {"of_vehicle_id": "V-1"}))
        for zone in ("UTC", BERLIN, "America/New_York")
    ):
        (month,) = report(db, **asked, month="2026-02", zone=zone)["month"]
        first, last = (month[f"{side}_register_{edge}_kwh"] for edge in ("start", "end"))
        counted = month[f"{side}_kwh"]
        assert last == first + counted - month["corrected_kwh"] + month["explained_kwh"]
        share = Decimal("0.9") if side == "dc" else 1
        hours = (month["window_start"] - begin) // HOUR
        # energy flows evenly, so that it stood at a level that follows from the time
        assert abs(first - (1000 + hours * Decimal("2.25")) * share) < Decimal("0.000002")
    (month,) = report(db, of_meter_id="M-1", month="2026-02", zone=BERLIN)["month"]
    assert month["corrected_kwh"] == Decimal("1.5")
    assert month["explained_kwh"] == -Decimal(str(round(levels[exchanged], 6)))


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"month": "2026-01"}, "WL002"),
        ({"month": "2026-01", "of_meter_id": "M-1", "of_vehicle_id": "V-1"}, "WL002"),
        ({"of_meter_id": "M-1"}, "WL002"),
        ({"month": "2026-13", "of_meter_id": "M-1"}, "WL002"),
        ({"month": "January", "of_meter_id": "M-1"}, "WL002"),
        ({"month": "2026-01", "of_meter_id": "M-1", "zone": "CET"}, "WL009"),
        ({"month": "2026-01", "of_meter_id": "M-1", "zone": "Europe/Nowhere"}, "WL009"),
    ],
)
def test_a_report_that_cannot_be_made_is_refused(
    db: Connection, asked: dict[str, str], code: str
) -> None:
    with pytest.raises(psycopg.Error) as raised:
        report(db, **asked)
    assert raised.value.sqlstate == code


def test_a_device_that_never_reported_has_an_empty_month(db: Connection) -> None:
    found = report(db, of_meter_id="nobody", month="2026-01")
    assert set(found) == {"month", "sessions"}
    assert (found["month"][0]["ac_kwh"], found["month"][0]["cost"]) == (0, None)
    assert found["sessions"][0]["sessions"] == 0


@pytest.mark.parametrize("asked", ["of_meter_id", "of_vehicle_id"])
def test_a_month_of_which_nothing_is_kept_yet_is_not_settled(db: Connection, asked: str) -> None:
    link(db)
    ingest_meters(db, [MeterReading("M-1", MIDNIGHT - n * HOUR, 1) for n in (20, 19, 18)])
    settle(db)
    # as of readings that came in order, of which nothing is queued
    db.execute("DELETE FROM telemetry.charging_queue")
    device = {asked: "M-1" if asked == "of_meter_id" else "V-1"}
    assert not report(db, **device, month="2026-01")["month"][0]["is_settled"]
    db.execute("CALL telemetry.settle_all_charging()")
    assert report(db, **device, month="2026-01")["month"][0]["is_settled"]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("'EUR', 'Europe/Berlin', '2026-01-01', '0.3', ''", "WL028"),
        ("'EUR', 'Europe/Berlin', '2026-01-01', '0.3', NULL", "WL028"),
        ("'EUR', 'Europe/Berlin', '2026-01-01', NULL, 'why'", "WL028"),
        ("'EUR', 'Europe/Berlin', '2026-01-01', '-1', 'why'", "WL028"),
        ("'EUR', 'Europe/Berlin', '2026-01-01', '0.1234567', 'why'", "WL028"),
        ("'EUR', 'Europe/Berlin', '2026-01-01', '[]', 'why'", "WL028"),
        ("'EUR', 'Europe/Berlin', '2026-01-01', '[1]', 'why'", "WL028"),
        ("'EUR', 'Europe/Berlin', '2026-01-01', '[{\"price\": 1, \"day\": 1}]', 'why'", "WL028"),
        ("'EUR', 'Europe/Berlin', '1999-12-31', '0.3', 'why'", "WL028"),
        ("'EUR', 'Europe/Berlin', '2026-01-02', '0.3', 'why', '2026-01-01'", "WL028"),
        ("'eur', 'Europe/Berlin', '2026-01-01', '0.3', 'why'", "WL028"),
        ("'EUR', 'CET', '2026-01-01', '0.3', 'why'", "WL009"),
        ("'EUR', 'Asia/Kolkata', '2026-01-01', '0.3', 'why'", "WL028"),
        ("'EUR', 'Asia/Kathmandu', '2026-01-01', '0.3', 'why'", "WL028"),
        # half an hour off in summer alone
        ("'EUR', 'Australia/Lord_Howe', '2026-01-01', '0.3', 'why', '2027-01-01'", "WL028"),
    ],
)
def test_a_tariff_that_cannot_be_kept_is_refused(db: Connection, said: str, code: str) -> None:
    with pytest.raises(psycopg.Error) as raised:
        db.execute(f"SELECT ops.set_tariff({said})")
    assert raised.value.sqlstate == code
    assert raised.value.diag.message_hint


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ('{"price": 1, "from": "06:15"}', "06:15"),
        ('{"price": 1, "from": "6:00"}', "6:00"),
        ('{"price": 1, "from": "22:00", "until": "06:00"}', "no hours"),
        ('{"price": 1, "weekdays": [0]}', "weekday"),
        ('{"price": 1, "weekdays": []}', "weekdays"),
        ('{"price": 1, "weekdays": [1, 2, 3, 4, 5, 6]}', "Sunday at 00:00 has no price"),
        ('{"price": 1}, {"price": 2, "weekdays": [6], "from": "23:00"}', "Saturday at 23:00"),
        ('{"price": "1"}', "no price"),
    ],
)
def test_prices_that_leave_an_hour_in_doubt_are_refused(
    db: Connection, rows: str, word: str
) -> None:
    with pytest.raises(psycopg.Error, match=word) as raised:
        db.execute(
            f"SELECT ops.set_tariff('EUR', 'Europe/Berlin', '2026-01-01', '[{rows}]', 'why')"
        )
    assert raised.value.sqlstate == "WL028"


def test_tariffs_are_never_changed(db: Connection) -> None:
    made = set_tariff(db, Tariff([Band(Decimal("0.30"))]))
    db.execute("SELECT ops.cancel_tariff(%s, 'a mistake')", [made])
    for refused, code in (
        (f"SELECT ops.cancel_tariff({made}, 'again')", "WL028"),
        (f"SELECT ops.cancel_tariff({made + 1}, 'a cancellation')", "WL029"),
        ("SELECT ops.cancel_tariff(77, 'none')", "WL029"),
        ("UPDATE telemetry.tariff SET why = 'another'", "WL010"),
        ("DELETE FROM telemetry.tariff", "WL010"),
        ("TRUNCATE telemetry.tariff", "WL010"),
    ):
        with pytest.raises(psycopg.Error) as raised:
            db.execute(refused)
        assert raised.value.sqlstate == code
