"""`wattledger export` as a user runs it, and what there is to export."""

from __future__ import annotations

from datetime import timedelta

from click.testing import CliRunner, Result

from service.cli import main
from tests.support.charging import keep_charging
from tests.support.ledger import settle
from tests.support.readings import (
    NOW,
    Connection,
    MeterReading,
    VehicleReading,
    ingest_meters,
    ingest_vehicles,
    link,
)

MINUTE = timedelta(minutes=1)
# of two days and more, whatever the time is
START = NOW - timedelta(hours=30)
# which CSV must quote, and JSON must not take for the end of a line
ODD = 'a "b", c\u2028ü'


def run(url: str, *arguments: str, **environment: str) -> Result:
    """Run `wattledger export` on a database."""
    given = {"DATABASE_URL": url, **environment}
    return CliRunner().invoke(main, ["export", *arguments], env=given)


def exported(url: str, *arguments: str) -> str:
    """What it writes to standard output."""
    result = run(url, *arguments)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def fill(db: Connection) -> None:
    """Readings of every kind over two days, hours and charging sessions made of them."""
    charge = range(120)
    ingest_meters(db, [MeterReading("M-1", START + i * MINUTE, 0.12) for i in charge])
    ingest_vehicles(
        db, [VehicleReading("V-1", START + i * MINUTE, 0.11, 20 + i / 3) for i in charge]
    )
    link(db, "V-1", "M-1", START - MINUTE, None)
    hour = 60 * MINUTE
    for number in range(30):
        ts = START + number * hour
        ingest_meters(
            db,
            [
                MeterReading(ODD, ts, 0.000001 + number, None, since=ts - hour / 2),
                MeterReading("M-2", ts, 16358.210007 + number, 231.234, "lifetime_register"),
                MeterReading("M-3", ts, number % 10 + 0.1, 230, "session_counter", None, ODD),
                MeterReading(
                    "M-4", ts + timedelta(microseconds=7), 0.5, 229, session=f"S-{number}"
                ),
            ],
        )
        ingest_vehicles(
            db,
            [
                VehicleReading("V-2", ts, 500.5 + number, None, -7.25, "lifetime_register"),
                VehicleReading("V-3", ts, 1.0 + number, 50, None, "session_counter", None, "7"),
            ],
        )
    settle(db)
    keep_charging(db)
