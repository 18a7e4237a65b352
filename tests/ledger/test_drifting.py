"""A pair drifts where its efficiency falls below what was usual of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tests.ledger.charges import told
from tests.support.charging_account import Link
from tests.support.charging_rows import Case, Place, kept_place, new_place, sessions
from tests.support.fold import HOUR, Reading
from tests.support.ledger import START
from tests.support.readings import Connection

pytestmark = pytest.mark.slow_on_webassembly
KWH = 10**6


class Charge(NamedTuple):
    """A charge as it is kept."""

    efficiency: float
    kw: float = 11
    temp_c: float | None = 20
    kwh: float = 20


def stored(db: Connection, charges: list[Charge]) -> Place:
    """A place with these sessions, six a day, of which nothing is known that is usual."""
    place = new_place("A")
    for n, one in enumerate(charges):
        db.execute(
            "INSERT INTO telemetry.charging_session (meter_id, started_at, ended_at, vehicle_id,"
            " ac_mwh, ac_matched_mwh, dc_mwh, dc_matched_mwh, matched_us, battery_temp_mc)"
            " VALUES (%(meter)s, %(ts)s, %(ts)s + INTERVAL '1 hour', %(vehicle)s,"
            " %(ac)s, %(ac)s, %(dc)s, %(dc)s, %(us)s, %(temp)s)",
            {
                "meter": place.meter.device_id,
                "ts": START + 4 * n * HOUR,
                "vehicle": place.id_of("A"),
                "ac": one.kwh * KWH,
                "dc": round(one.kwh * one.efficiency * KWH),
                "us": round(one.kwh / one.kw * 3600 * 10**6),
                "temp": None if one.temp_c is None else round(one.temp_c * 1000),
            },
        )
    return place


def usual(db: Connection, charges: list[Charge]) -> list[tuple[Any, ...]]:
    """What is usual before each, how many in a row are below that, and verdicts."""
    place = stored(db, charges)
    keep_usual(db, place, 0)
    return told_usual(db, place)


def keep_usual(db: Connection, place: Place, since: int) -> None:
    db.execute(
        "SELECT telemetry.keep_usual(%s, %s)", [place.meter.device_id, START + 4 * since * HOUR]
    )


def told_usual(db: Connection, place: Place) -> list[tuple[Any, ...]]:
    return [
        (one["usual_efficiency"], one["below_usual"], one["verdict"]) for one in sessions(db, place)
    ]


GOOD, LOW = Charge(0.92), Charge(0.86)


def test_the_third_in_a_row_that_is_6_points_below_is_drifting(db: Connection) -> None:
    found = usual(db, [*[GOOD] * 5, LOW, LOW, LOW, LOW, GOOD, LOW])
    assert [row[0] for row in found[:6]] == [None] * 5 + [pytest.approx(0.92)]
    assert [row[1] for row in found] == [0] * 5 + [1, 2, 3, 4, 0, 1]
    assert [row[2] for row in found] == ["healthy"] * 7 + ["drifting"] * 2 + ["healthy"] * 2


def test_five_points_below_is_as_usual(db: Connection) -> None:
    found = usual(db, [*[GOOD] * 5, *[Charge(0.8701)] * 3])
    assert {row[2] for row in found} == {"healthy"}


@pytest.mark.parametrize(
    "other",
    [
        Charge(0.86, kw=7.4),
        Charge(0.86, kw=16),
        Charge(0.86, temp_c=14),
        Charge(0.86, temp_c=26),
        Charge(0.86, temp_c=None),
    ],
)
def test_only_comparable_charges_tell_what_is_usual(db: Connection, other: Charge) -> None:
    found = usual(db, [*[GOOD] * 5, *[other] * 4])
    assert [row[:2] for row in found[5:]] == [(None, 0)] * 4
    # those of its own class do
    found = usual(db, [*[other._replace(efficiency=0.92)] * 5, *[GOOD] * 5, other, other, other])
    assert [row[1] for row in found[10:]] == [1, 2, 3]


@pytest.mark.parametrize(
    "alike",
    [Charge(0.86, kw=7.5), Charge(0.86, kw=14.9), Charge(0.86, temp_c=15), Charge(0.86, temp_c=24)],
)
def test_charges_of_about_the_same_power_and_temperature_are_comparable(
    db: Connection, alike: Charge
) -> None:
    found = usual(db, [*[GOOD] * 5, *[alike] * 3])
    assert found[7][1:] == (3, "drifting")


def test_what_is_not_judged_neither_counts_nor_ends_a_drift(db: Connection) -> None:
    small = Charge(0.86, kwh=4)
    found = usual(db, [*[GOOD] * 4, small, GOOD, LOW, small, LOW, small, LOW])
    assert [row[1] for row in found[6:]] == [1, 0, 2, 0, 3]
    assert [row[2] for row in found[6:]] == [
        *("healthy", "insufficient", "healthy", "insufficient", "drifting")
    ]
    # four and one that is not judged are too few
    found = usual(db, [*[GOOD] * 4, small, LOW])
    assert found[5][0] is None


def test_the_last_20_tell_what_is_usual(db: Connection) -> None:
    found = usual(db, [*[Charge(0.97)] * 15, *[GOOD] * 21, LOW])
    assert found[-1][0] == pytest.approx(0.92)


def test_what_is_usual_is_the_same_from_wherever_it_is_kept_anew(db: Connection) -> None:
    charges = [*[GOOD] * 6, LOW, LOW, LOW, GOOD, LOW, LOW, LOW]
    place = stored(db, charges)
    keep_usual(db, place, 0)
    at_once = told_usual(db, place)
    assert [row[1] for row in at_once[6:]] == [1, 2, 3, 0, 1, 2, 3]
    for since in range(len(charges)):
        keep_usual(db, place, since)
        assert told_usual(db, place) == at_once


def test_a_pair_whose_efficiency_falls_drifts_and_so_do_its_days(db: Connection) -> None:
    # charges of an hour, six a day, from midnight on
    efficiencies = [0.92] * 6 + [0.86] * 6
    meter: list[Reading] = []
    vehicle: list[Reading] = []
    for n, efficiency in enumerate(efficiencies):
        start = START + 4 * n * HOUR
        meter += told(start, (60, 11), (120, 0), kind="difference")
        vehicle += told(start, (60, 11), (120, 0), kind="difference", share=efficiency)
    place = kept_place(db, Case(meter, {"A": vehicle}, [Link("A", START, START + 72 * HOUR)]))
    found = sessions(db, place)
    assert [one["below_usual"] for one in found] == [0] * 6 + [1, 2, 3, 4, 5, 6]
    assert [one["verdict"] for one in found] == ["healthy"] * 8 + ["drifting"] * 4
    days = db.execute(
        "SELECT d.is_drifting FROM telemetry.charging_day AS d WHERE d.meter_id = %s"
        " ORDER BY d.day",
        [place.meter.device_id],
    ).fetchall()
    assert days == [(False,), (True,)]
