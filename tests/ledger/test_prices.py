"""Hours are priced as a plain account of tariffs prices them, whatever clocks do."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import psycopg
from hypothesis import given
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.support.readings import Connection
from tests.support.tariffs import (
    HOUR,
    Band,
    Part,
    Price,
    Tariff,
    keep_session,
    price_of,
    rounded,
    set_tariff,
)

# where clocks change, some of them at midnight, and where they do not
ZONES = {
    "Europe/Berlin": ["2026-03-29", "2026-10-25"],
    "America/New_York": ["2026-03-08", "2026-11-01"],
    "America/Havana": ["2026-03-08", "2026-11-01"],
    "Atlantic/Azores": ["2026-03-29", "2026-10-25"],
    "Africa/Cairo": ["2026-04-24", "2026-10-30"],
    "Pacific/Auckland": ["2026-04-05", "2026-09-27"],
    "Pacific/Apia": ["2026-06-30"],
    "UTC": ["2026-02-28", "2026-12-31"],
}
AROUND = sorted({day for days in ZONES.values() for day in days})
PRICES = st.decimals(0, 2, places=6) | st.sampled_from(["0", "0.31", "0.005", "1000000"]).map(
    Decimal
)
METERS = ("M-1", "M-2")


@st.composite
def weeks(draw: st.DrawFn) -> list[Band]:
    """Bands that give each hour of the week one price."""
    days = draw(st.permutations(range(1, 8)))
    cut = draw(st.integers(0, 6))
    bands = []
    for weekdays in (days[:cut], days[cut:]):
        hours = [0, *sorted(draw(st.sets(st.integers(1, 23), max_size=3))), 24]
        if weekdays:
            bands += [
                Band(draw(PRICES), tuple(weekdays), since, until)
                for since, until in pairwise(hours)
            ]
    return bands


@st.composite
def tariffs(draw: st.DrawFn, near: date) -> Tariff:
    first = near + timedelta(days=draw(st.integers(-4, 3)))
    last = draw(st.none() | st.integers(0, 5).map(lambda days: first + timedelta(days=days)))
    return Tariff(
        draw(weeks()),
        draw(st.sampled_from(list(ZONES))),
        first,
        last,
        draw(st.sampled_from(["EUR", "EUR", "JPY", "KWD"])),
        draw(st.none() | st.sampled_from(METERS)),
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[date, list[tuple[Tariff, bool]]]:
    """A day on which clocks may change, and tariffs, each cancelled or not."""
    near = date.fromisoformat(draw(st.sampled_from(AROUND)))
    return near, draw(st.lists(st.tuples(tariffs(near), st.booleans()), max_size=4))


def put(db: Connection, given_tariffs: list[tuple[Tariff, bool]]) -> list[Tariff]:
    """Set them and cancel some; return those that stand."""
    for tariff, is_cancelled in given_tariffs:
        made = set_tariff(db, tariff)
        if is_cancelled:
            db.execute("SELECT ops.cancel_tariff(%s, 'a test')", [made])
    return [tariff for tariff, is_cancelled in given_tariffs if not is_cancelled]


def hours_around(near: date) -> list[datetime]:
    begin = datetime(near.year, near.month, near.day, tzinfo=UTC) - 60 * HOUR
    return [begin + n * HOUR for n in range(120)]


@examples(60)
@given(case=cases())
def test_an_hour_has_the_price_that_a_plain_account_has(
    db: Connection, case: tuple[date, list[tuple[Tariff, bool]]]
) -> None:
    near, made = case
    hours = hours_around(near)
    with db.transaction(force_rollback=True):
        standing = put(db, made)
        found = db.execute(
            "SELECT m.meter_id, h.hour, p.price, p.currency"
            " FROM unnest(%s::text[]) AS m (meter_id)"
            " CROSS JOIN unnest(%s::timestamptz[]) AS h (hour)"
            " LEFT JOIN LATERAL telemetry.price_at(m.meter_id, h.hour) AS p ON TRUE",
            [list(METERS), hours],
        ).fetchall()
        # of each price one band or more, and together the week
        bands = db.execute(
            "SELECT tariff_id, sum(until_hour - from_hour) FROM bi.tariff GROUP BY tariff_id"
        ).fetchall()
    assert [total for _, total in bands] == [168] * len(standing)
    for meter_id, hour, price, currency in found:
        expected = price_of(standing, meter_id, hour)
        assert (None if price is None else Price(price, currency)) == expected, (meter_id, hour)


MWH = st.integers(0, 22_000_000)


@st.composite
def charges(draw: st.DrawFn, near: date) -> list[Part]:
    begin = draw(st.sampled_from(hours_around(near)[:96]))
    parts = []
    for number in range(draw(st.integers(1, 6))):
        # enough to be shown
        ac = draw(MWH) + 1_000_000
        matched = draw(st.integers(0, ac))
        share = draw(st.integers(60, 105))
        parts.append(
            Part(
                begin + number * HOUR,
                ac,
                draw(st.integers(0, 50_000)),
                matched,
                matched * share // 100,
            )
        )
    return parts


DIGITS = {"EUR": 2, "JPY": 0, "KWD": 3}


def expected_costs(
    standing: list[Tariff], parts: list[Part], row: dict[str, Any]
) -> dict[str, Any]:
    """What a session costs by a plain account; the efficiency that is expected is the row's."""
    priced = [(part, price_of(standing, "M-1", part.hour)) for part in parts]
    known = [(part, price) for part, price in priced if price is not None]
    names = ("cost", "standby_cost", "loss_cost", "excess_loss_cost", "currency")
    if len(known) < len(priced):
        return {**dict.fromkeys(names), "cost_gap": "no_tariff"}
    if len({price.currency for _, price in known}) > 1:
        return {**dict.fromkeys(names), "cost_gap": "currencies"}
    currency = known[0][1].currency
    digits = DIGITS[currency]
    ac = sum(Fraction(price.price) * part.ac_matched_mwh for part, price in known)
    dc = sum(Fraction(price.price) * part.dc_matched_mwh for part, price in known)
    is_judged = row["verdict"] in ("healthy", "degraded", "drifting")
    excess = max(ac - dc / Fraction(row["expected_efficiency"]), 0) if is_judged else None
    drawn = sum(Fraction(price.price) * (p.ac_mwh + p.standby_mwh) for p, price in known)
    idle = sum(Fraction(price.price) * p.standby_mwh for p, price in known)
    return {
        "cost": rounded(drawn, digits),
        "standby_cost": rounded(idle, digits),
        "loss_cost": rounded(ac - dc, digits),
        "excess_loss_cost": None if excess is None else rounded(excess, digits),
        "currency": currency,
        "cost_gap": None,
    }


@examples(60)
@given(data=st.data())
def test_a_session_costs_what_a_plain_account_says(db: Connection, data: st.DataObject) -> None:
    near, made = data.draw(cases())
    parts = data.draw(charges(near))
    with db.transaction(force_rollback=True):
        standing = put(db, made)
        keep_session(db, parts)
        row = one(db, "bi.charging_session")
        hourly = db.execute(
            "SELECT sum(cost), sum(loss_cost), bool_and(cost_gap IS NULL)"
            " FROM bi.charging_efficiency_hourly"
        ).fetchone()
    expected = expected_costs(standing, parts, row)
    assert {name: row[name] for name in expected} == expected
    assert hourly is not None
    if expected["cost"] is not None:
        digits = DIGITS[expected["currency"]]
        assert rounded(Fraction(hourly[0]) * 10**6, digits) == expected["cost"]
        assert rounded(Fraction(hourly[1]) * 10**6, digits) == expected["loss_cost"]


def one(db: Connection, relation: str) -> dict[str, Any]:
    cursor = db.cursor(row_factory=psycopg.rows.dict_row)
    (row,) = cursor.execute(f"SELECT * FROM {relation}").fetchall()
    return row
