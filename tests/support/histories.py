"""Import history as a DBA does, and compare two devices of which one was sent it in time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from tests.support.fold import Reading
from tests.support.ledger import Device
from tests.support.readings import Connection, NotStored


def begin(db: Connection, label: str = "a file") -> int:
    """Begin an import, or go on with it."""
    (number,) = db.execute("SELECT ops.begin_history(%s)", [label]).fetchone() or (0,)
    assert isinstance(number, int)
    return number


def stage(
    db: Connection, number: int, device: Device, readings: Iterable[Reading]
) -> list[NotStored]:
    """Stage readings of a device in one call; return what was not newly staged."""
    sent = list(readings)
    rows = db.execute(
        "SELECT * FROM ops.stage_history(import_id => %s, dataset => %s, device_ids => %s::text[],"
        " read_at => %s::timestamptz[], kinds => %s::text[], energies_kwh => %s::float8[],"
        " interval_starts => %s::timestamptz[], session_ids => %s::text[])",
        [
            number,
            device.dataset,
            [device.device_id] * len(sent),
            [reading.ts for reading in sent],
            [reading.kind for reading in sent],
            [reading.mwh / 10**6 for reading in sent],
            [reading.start for reading in sent],
            [reading.session for reading in sent],
        ],
    )
    return [NotStored(*row) for row in rows]


def fold_staged(db: Connection, number: int) -> None:
    """Fold what is staged of an import, as a DBA."""
    db.execute("SET ROLE wattledger_dba")
    db.execute("CALL ops.fold_history(%s)", [number])
    assert db.execute("SELECT current_user").fetchone() == ("wattledger_dba",)
    db.execute("RESET ROLE")


def end(db: Connection, number: int) -> None:
    """End an import."""
    db.execute("SELECT ops.end_history(%s)", [number])


def import_history(
    db: Connection, readings: Sequence[tuple[Device, Sequence[Reading]]], label: str = "a file"
) -> None:
    """Import history of devices, all of which is to be taken."""
    number = begin(db, label)
    for device, sent in readings:
        assert stage(db, number, device, sent) == []
    fold_staged(db, number)
    refused = db.execute(
        "SELECT h.* FROM ops.history_devices AS h WHERE h.refused_because IS NOT NULL"
    ).fetchall()
    assert refused == []
    end(db, number)


class Known(NamedTuple):
    """All that is known of a device or meter, without when it came."""

    hours: list[Any]
    days: list[Any]
    anchors: list[Any]
    events: list[Any]
    parts: list[Any]
    sessions: list[Any]
    charging_days: list[Any]


def known(db: Connection, device: Device) -> Known:
    """What is kept of a device; of what others are called like it, the first letter is left out."""
    side = device.side
    dated = {"last_received_at"}

    def rows(relation: str, key: str, order: str, leave_out: set[str]) -> list[Any]:
        found = db.execute(
            f"SELECT to_jsonb(r) FROM {relation} AS r WHERE {key} = %s ORDER BY {order}",
            [device.device_id],
        ).fetchall()
        return [
            {
                name: value[1:] if name in ("meter_id", "vehicle_id", "device_id") else value
                for name, value in row.items()
                if name not in leave_out
            }
            for (row,) in found
        ]

    of_side = f"r.dataset = '{device.dataset}' AND r.device_id"
    sessions = (
        "(SELECT t.*, n.session_id FROM telemetry.{} AS t LEFT JOIN telemetry.device_session AS n"
        " ON n.session_no = abs(t.transaction_no) AND n.device_id = CASE"
        " WHEN t.transaction_no > 0 THEN t.meter_id ELSE t.vehicle_id END"
        " AND n.dataset = CASE"
        " WHEN t.transaction_no > 0 THEN 'meter_reading' ELSE 'vehicle_reading' END)"
    )
    number = {"transaction_no"}
    return Known(
        rows(f"bi.{side}_energy_hourly", f"r.{side}_id", "r.bucket", dated),
        rows(f"bi.{side}_energy_daily", f"r.{side}_id", "r.bucket", dated),
        # whether readings could have changed a day does not matter once they are gone
        rows(
            "telemetry.settled_day",
            of_side,
            "r.day",
            {"session_no", "earlier_session_no", "is_final"},
        ),
        rows("telemetry.register_event", of_side, "r.happened_at, r.event", set()),
        rows(sessions.format("charging_part"), f"r.{side}_id", "r.hour, r.since", number),
        rows(sessions.format("charging_session"), f"r.{side}_id", "r.started_at", number),
        rows("telemetry.charging_day", f"r.{side}_id", "r.day", set()),
    )
