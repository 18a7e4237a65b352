"""A public operator's export of charging sessions, with the oddities that real ones have."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import NamedTuple
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("Europe/Berlin")
COLUMNS = ("Session ID", "Charger ID", "Card ID", "Start", "End", "Energy (kWh)", "Address")


class Session(NamedTuple):
    """A charge as the operator tells of it."""

    session_id: str
    meter_id: str
    vehicle_id: str
    since: datetime
    until: datetime
    kwh: Decimal

    @property
    def is_ambiguous(self) -> bool:
        """Whether its local times without an offset may be of another hour too."""
        pairs = {
            (since, until)
            for since in _moments(self.since)
            for until in _moments(self.until)
            if since <= until
        }
        return len(pairs) > 1


def sessions(first: datetime, days: int, chargers: int = 5, seed: int = 1) -> list[Session]:
    """Sessions of some chargers in the order of their ends; times are whole seconds.

    Cars take turns within seconds, of which some overlap; some charges have no energy at all.
    """
    random = Random(seed)
    made = [
        session
        for number in range(1, chargers + 1)
        for session in _of_charger(f"DE*SIM*E{number:04}", first, days, random)
    ]
    return sorted(made, key=lambda session: (session.until, session.meter_id))


def write(path: Path, told: list[Session], *, offset: bool = False, seed: int = 1) -> int:
    """Write a file of sessions; return how many of its rows repeat another one.

    Times are of ZONE; without an offset unless `offset`.
    """
    random = Random(seed)
    repeated = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for session in told:
            for _ in range(times := 2 if random.random() < 0.01 else 1):
                table.writerow(_row(session, offset=offset))
            repeated += times - 1
    return repeated


def _of_charger(meter_id: str, first: datetime, days: int, random: Random) -> Iterator[Session]:
    at, end, number = first + timedelta(seconds=random.randrange(20_000)), first, 0
    power_kw = random.choice((3.7, 11, 22, 50))
    while at < first + timedelta(days=days):
        number += 1
        kwh = Decimal(str(round(random.uniform(1, 60), 3)))
        hours = float(kwh) / (power_kw * random.uniform(0.4, 1))
        # some leave long after the battery is full
        hours += random.expovariate(1) if random.random() < 0.3 else 0
        if random.random() < 0.03:
            kwh, hours = Decimal("0.000"), random.uniform(0.01, 0.2)
        end = at + timedelta(seconds=int(hours * 3600) + 60)
        yield Session(
            f"{meter_id[-4:]}-{number:06}",
            meter_id,
            f"CARD-{random.randrange(10**9):09}",
            at,
            end,
            kwh,
        )
        # the next one is waiting, by a clock that is not quite the same, or comes later
        at = end + (
            timedelta(seconds=random.randint(-20, 20))
            if random.random() < 0.1
            else timedelta(minutes=random.randint(2, 1500))
        )


def _row(session: Session, *, offset: bool) -> list[str]:
    def told(moment: datetime) -> str:
        local = moment.astimezone(ZONE)
        return (local if offset else local.replace(tzinfo=None)).isoformat(" ")

    return [
        session.session_id,
        session.meter_id,
        session.vehicle_id,
        told(session.since),
        told(session.until),
        str(session.kwh),
        f"Hauptstraße {session.meter_id[-1]}, Köln",
    ]


def _moments(moment: datetime) -> set[datetime]:
    local = moment.astimezone(ZONE)
    return {local.replace(fold=fold).astimezone(UTC) for fold in (0, 1)}
