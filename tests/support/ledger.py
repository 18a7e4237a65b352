"""One device's ledger: send its readings, have it settled, and read back what it came to."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from psycopg.rows import dict_row
from psycopg.types.range import TimestamptzRange

from tests.support.fold import DAY, Event, Folded, Reading, Record, Rules, fold
from tests.support.readings import NOW, Connection, NotStored

Side = Literal["meter", "vehicle"]

# midnight of a day that raw history keeps, with days after it that are over
START = NOW.replace(hour=0, minute=0) - timedelta(days=8)
_numbers = itertools.count(1)


class Device(NamedTuple):
    """A meter or vehicle."""

    side: Side
    device_id: str

    @property
    def name(self) -> str:
        """The device as DBAs name it."""
        return f"{self.side}:{self.device_id}"

    @property
    def dataset(self) -> str:
        """Where its readings are."""
        return f"{self.side}_reading"


def new_device(side: Side = "meter") -> Device:
    """A device that no other test has."""
    return Device(side, f"L-{next(_numbers)}")


def moment(at: datetime) -> TimestamptzRange:
    """The interval of one moment, as ops.book_energy takes it."""
    return TimestamptzRange(at, at, "[]")


def send(db: Connection, device: Device, readings: Iterable[Reading]) -> list[NotStored]:
    """Send readings in one call, as the service does; return what was not newly stored."""
    sent = list(readings)
    measured = "voltages_v" if device.side == "meter" else "socs_percent"
    more = "" if device.side == "meter" else ", battery_temps_c => %(none)s::float8[]"
    rows = db.execute(
        f"SELECT * FROM api.ingest_{device.side}_readings("
        f"{device.side}_ids => %(ids)s::text[], read_at => %(ts)s::timestamptz[],"
        " kinds => %(kinds)s::text[], energies_kwh => %(kwh)s::float8[],"
        " interval_starts => %(starts)s::timestamptz[], session_ids => %(sessions)s::text[],"
        f" {measured} => %(none)s::float8[]{more})",
        {
            "ids": [device.device_id] * len(sent),
            "ts": [reading.ts for reading in sent],
            "kinds": [reading.kind for reading in sent],
            "kwh": [reading.mwh / 10**6 for reading in sent],
            "starts": [reading.start for reading in sent],
            "sessions": [reading.session for reading in sent],
            "none": [None] * len(sent),
        },
    )
    return [NotStored(*row) for row in rows]


def correct(db: Connection, device: Device, ts: datetime, mwh: int | None) -> int:
    """Say what a reading should have reported; None takes it back. Return the record's id."""
    value = None if mwh is None else Decimal(mwh) / 10**6
    (record_id,) = db.execute(
        "SELECT ops.correct_reading(%s, %s, %s, 'a test')", [device.name, ts, value]
    ).fetchone() or (0,)
    return int(record_id)


def copy_in(db: Connection, device: Device, readings: Iterable[Reading]) -> None:
    """Store readings past the service, as a DBA does; a counter's energy is left to settling."""
    for reading in readings:
        number = None
        if reading.session is not None:
            db.execute(
                "INSERT INTO telemetry.device_session (dataset, device_id, session_no, session_id)"
                " SELECT %(dataset)s, %(device)s, count(*) + 1, %(session)s"
                " FROM telemetry.device_session AS s"
                " WHERE s.dataset = %(dataset)s AND s.device_id = %(device)s"
                " ON CONFLICT DO NOTHING",
                {
                    "dataset": device.dataset,
                    "device": device.device_id,
                    "session": reading.session,
                },
            )
            (number,) = db.execute(
                "SELECT s.session_no FROM telemetry.device_session AS s"
                " WHERE s.dataset = %s AND s.device_id = %s AND s.session_id = %s",
                [device.dataset, device.device_id, reading.session],
            ).fetchone() or (None,)
        is_difference = reading.kind == "difference"
        db.execute(
            f"INSERT INTO telemetry.{device.dataset}"
            f" ({device.side}_id, ts, energy_mwh, kind, register_mwh, interval_start, session_no)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [
                device.device_id,
                reading.ts,
                reading.mwh if is_difference else 0,
                reading.kind,
                None if is_difference else reading.mwh,
                reading.start,
                number,
            ],
        )


def settle(db: Connection) -> int:
    """Settle all that waits, also what is due later; return how many entries were posted."""
    # what another session had a moment ago is left for a second
    db.execute(
        "UPDATE telemetry.settle_queue SET due_at = least(due_at, now()), retry_at = '-infinity'"
        " WHERE last_error IS NULL"
    )
    return settle_due(db)


def settle_due(db: Connection, most: int = 200) -> int:
    """Settle what is due, as the service does; return how many entries were posted."""
    posted = 0
    while True:
        entries, left = db.execute(
            "SELECT s.entries, s.settled + s.waiting FROM api.settle(%s) AS s", [most]
        ).fetchone() or (0, 0)
        posted += entries
        # one that cannot be settled now may have been all that a call looked at
        if left == 0:
            return posted


def let_settling_fail(db: Connection, pattern: str) -> None:
    """Have the settling of devices whose ids are LIKE this fail from now on, as "it fails"."""
    db.execute(
        "CREATE FUNCTION public.fail() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE EXCEPTION 'it fails'; END $$"
    )
    db.execute(
        "CREATE TRIGGER failing BEFORE INSERT ON telemetry.settled_day FOR EACH ROW"
        f" WHEN (new.device_id LIKE '{pattern}') EXECUTE FUNCTION public.fail()"
    )


def let_settling_succeed(db: Connection) -> None:
    """No device fails any more; those that did wait for their minute."""
    db.execute("DROP TRIGGER failing ON telemetry.settled_day")


def history(db: Connection, device: Device) -> list[Reading]:
    """What is stored of what the device reported, in order of time."""
    rows = db.execute(
        "SELECT r.ts, coalesce(r.register_mwh, r.energy_mwh), r.kind::text, r.interval_start,"
        f" s.session_id FROM telemetry.{device.dataset} AS r"
        " LEFT JOIN telemetry.device_session AS s ON s.dataset = %(dataset)s"
        f" AND s.device_id = r.{device.side}_id AND s.session_no = r.session_no"
        f" WHERE r.{device.side}_id = %(device)s AND r.entry = 0 ORDER BY r.ts",
        {"dataset": device.dataset, "device": device.device_id},
    )
    return [Reading(*row) for row in rows]


def hours(db: Connection, device: Device, amount: str = "energy_mwh") -> dict[datetime, int]:
    """Energy of each hour that has any, as analysts see it."""
    rows = db.execute(
        f"SELECT h.bucket, h.{amount} FROM bi.{device.side}_energy_hourly AS h"
        f" WHERE h.{device.side}_id = %s AND h.{amount} <> 0",
        [device.device_id],
    )
    return dict(rows.fetchall())


def events(db: Connection, device: Device) -> list[Event]:
    """The device's events in order of time."""
    rows = db.execute(
        "SELECT e.happened_at, e.event, e.before_mwh, e.reported_mwh, e.booked_mwh,"
        " e.explained_mwh, e.is_final FROM telemetry.register_event AS e"
        " WHERE e.dataset = %s AND e.device_id = %s ORDER BY 1, 2",
        [device.dataset, device.device_id],
    )
    return [Event(*row) for row in rows]


def check(
    db: Connection,
    device: Device,
    readings: Sequence[Reading],
    records: Sequence[Record] = (),
    rules: Rules | None = None,
) -> Folded:
    """What is stored, placed, judged and noted of the device is what the plain fold says."""
    expected = fold(readings, records, rules)
    assert history(db, device) == sorted(readings)
    assert hours(db, device) == expected.hours
    assert hours(db, device, "apportioned_mwh") == expected.cut_hours
    assert events(db, device) == sorted(expected.events)
    check_days(db, device, expected, readings)
    check_bill(db, device)
    return expected


def check_days(
    db: Connection, device: Device, expected: Folded, readings: Sequence[Reading]
) -> None:
    """Each day that is over for the device is kept as the fold leaves it; the last one goes on."""
    rows = db.execute(
        "SELECT d.day, d.is_final, d.level_mwh, d.differences_mwh, d.carried_mwh, d.jitters"
        " FROM telemetry.settled_day AS d WHERE d.dataset = %s AND d.device_id = %s ORDER BY 1",
        [device.dataset, device.device_id],
    ).fetchall()
    days = {row[0]: row[1:] for row in rows}
    times = [ts for ts, _ in expected.states]
    # what was taken back, or booked, has a day as well
    told = [piece.ts for piece in expected.pieces] + [reading.ts for reading in readings]
    last = max(times + told).date() if readings else None
    if times:
        first = min(times).date()
        assert last is not None
        assert {first + i * DAY for i in range((last - first).days + 1)} <= set(days)
    if last is not None:
        days.pop(last, None)
    for day, (final, *found) in days.items():
        assert found == list(expected.midnight(day))[:4], day
        # one that an event reaches into may be looked at again
        assert final or expected.events, day


# of a device that counts from a lifetime register alone, at both ends of the day
_BILL = """
    SELECT b.day, b.register_end_kwh - b.register_start_kwh AS counted,
        b.energy_kwh - b.corrected_kwh + b.explained_kwh AS told
    FROM bi.{side}_register_daily AS b
    WHERE b.{side}_id = %s AND b.register_start_kwh IS NOT NULL AND b.register_end_kwh IS NOT NULL
"""


def check_bill(db: Connection, device: Device) -> None:
    """Register at the end - register at the start is the day's energy and what is explained."""
    if any(reading.kind == "session_counter" for reading in history(db, device)):
        return
    for day, counted, told in db.execute(_BILL.format(side=device.side), [device.device_id]):
        assert counted == told, day


def explain(db: Connection, device: Device, hour: datetime) -> list[dict[str, Any]]:
    """What ops.explain_hour says."""
    cursor = db.cursor(row_factory=dict_row)
    return cursor.execute("SELECT * FROM ops.explain_hour(%s, %s)", [device.name, hour]).fetchall()


def check_explained(db: Connection, device: Device, expected: Folded, hour: datetime) -> None:
    """The readings and records of an hour, and its entries, come to its energy, one by one."""
    told = explain(db, device, hour)
    pieces = defaultdict[datetime, int](int)
    for piece in expected.pieces:
        if piece.hour == hour:
            pieces[piece.ts] += piece.mwh
    found = defaultdict[datetime, int](int)
    for row in told:
        if row["part"] != "entry":
            at = row["happened_at"]
            if row["verdict"] == "booking" and row["interval_start"] < at:
                at = max(hour, row["interval_start"])
            found[at] += round(row["energy_kwh"] * 10**6)
    assert {ts: mwh for ts, mwh in found.items() if mwh} == {
        ts: mwh for ts, mwh in pieces.items() if mwh
    }
    entries = [row["energy_kwh"] * 10**6 for row in told if row["part"] == "entry"]
    assert sum(entries) == sum(pieces.values())
