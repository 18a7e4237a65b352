"""History that is older than raw readings are kept: staged row by row, and folded at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, LiteralString, NamedTuple

import psycopg

from service.database.conninfo import completed
from service.ingest.arrays import METER, VEHICLE, Kind, adapt, columns
from service.ingest.store import Outcome
from service.wire import Batch, Refusal, Rows

_STAGE: LiteralString = """
SELECT s.reading_index, s.outcome, s.detail
FROM ops.stage_history(
    import_id => %s::bigint,
    dataset => %s::text,
    device_ids => %b::text[],
    read_at => %b::timestamptz[],
    kinds => %b::text[],
    energies_kwh => %b::float8[],
    interval_starts => %b::timestamptz[],
    session_ids => %b::text[],
"""
_METERS: LiteralString = _STAGE + "voltages_v => %b::float8[]) AS s"
_VEHICLES: LiteralString = (
    _STAGE + "socs_percent => %b::float8[], battery_temps_c => %b::float8[]) AS s"
)
_LONGEST_LABEL = 200


class LeftOut(NamedTuple):
    """A device whose history was not taken, and why."""

    device: str
    readings: int
    why: str


class History:
    """An import of history, begun or gone on with, on a connection of its own."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], import_id: int) -> None:
        self._connection = connection
        self._import_id = import_id
        self._bounds: dict[str, datetime] = {}
        self._lock = asyncio.Lock()

    @classmethod
    async def begin(cls, conninfo: str, label: str) -> History:
        """Begin or go on, as a superuser or wattledger_dba. Raises psycopg.Error."""
        connection = await psycopg.AsyncConnection.connect(
            completed(conninfo), autocommit=True, application_name="wattledger import"
        )
        try:
            adapt(connection)
            await connection.execute("SET timezone = 'UTC'")
            cursor = await connection.execute(
                "SELECT ops.begin_history(label => %s::text)", [label[-_LONGEST_LABEL:]]
            )
            history = cls(connection, (await cursor.fetchall())[0][0])
            for dataset in ("meter_reading", "vehicle_reading"):
                cursor = await connection.execute("SELECT ops.history_bound(%s::text)", [dataset])
                history._bounds[dataset] = (await cursor.fetchall())[0][0]
        except BaseException:
            await connection.close()
            raise
        return history

    async def close(self) -> None:
        """Close the connection; the import stays open, to go on."""
        await self._connection.close()

    def split(self, batch: Batch) -> tuple[Batch, Batch]:
        """The readings to store, with what was refused; and those that are older, to stage."""
        newer_m, older_m = _split(batch.meters, self._bounds["meter_reading"])
        newer_v, older_v = _split(batch.vehicles, self._bounds["vehicle_reading"])
        older = Batch(len(older_m) + len(older_v), older_m, older_v, [])
        return Batch(batch.size - older.size, newer_m, newer_v, batch.refused), older

    async def stage(self, batch: Batch) -> Outcome:
        """Stage readings; what of them are duplicates or refused. Raises psycopg.Error."""
        outcome = Outcome(0, [], {})
        async with self._lock:
            await self._stage(batch.meters, _METERS, "meter_reading", METER, outcome)
            await self._stage(batch.vehicles, _VEHICLES, "vehicle_reading", VEHICLE, outcome)
        return outcome

    async def _stage(
        self, rows: Rows, query: LiteralString, dataset: str, kind: Kind, outcome: Outcome
    ) -> None:
        if not len(rows):
            return
        cursor = await self._connection.execute(
            query, [self._import_id, dataset, *columns(rows.rows, kind)]
        )
        for place, what, detail in await cursor.fetchall():
            if what == "duplicate":
                outcome.duplicates += 1
            else:
                outcome.refused.append(Refusal(rows.indexes[int(place)], what, detail))

    async def finish(self, told: Callable[[str], None]) -> list[LeftOut]:
        """Fold what is staged, and end the import; return whose history was left out.

        Raises psycopg.Error.
        """
        self._connection.add_notice_handler(lambda notice: told(notice.message_primary or ""))
        await self._connection.execute("CALL ops.fold_history(%s::bigint)", [self._import_id])
        cursor = await self._connection.execute(
            "SELECT d.device, d.readings, d.refused_because FROM ops.history_devices AS d"
            " WHERE d.import_id = %s AND d.refused_because IS NOT NULL ORDER BY d.device",
            [self._import_id],
        )
        left_out = [LeftOut(*row) for row in await cursor.fetchall()]
        await self._connection.execute("SELECT ops.end_history(%s::bigint)", [self._import_id])
        return left_out


def _split(rows: Rows, bound: datetime) -> tuple[Rows, Rows]:
    newer, older = Rows([], []), Rows([], [])
    for index, row in zip(rows.indexes, rows.rows, strict=True):
        side = older if row[1] < bound else newer
        side.indexes.append(index)
        side.rows.append(row)
    return newer, older
