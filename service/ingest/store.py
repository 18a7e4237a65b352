"""Connection that writes groups of readings, and comes back when the database does."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, LiteralString

import msgspec
import psycopg

from service.database.errors import (
    DatabaseBusy,
    DatabaseSlow,
    DatabaseUnavailable,
    translated_errors,
)
from service.database.session import connect, may_prepare, on_every_disk
from service.ingest import calls
from service.ingest.arrays import METER, VEHICLE, adapt, columns
from service.ingest.counts import ReadingCounts
from service.ingest.quarantine import (
    STATEMENT,
    Decoded,
    Quarantined,
    decoded_meter,
    decoded_vehicle,
    parameters,
)
from service.settings import Settings
from service.wire import Batch, Refusal

# how often one group is tried while others are at the same rows
_ATTEMPTS = 3
# a limit on what one statement may do: a reading that meets it alone is good all the same
_LIMIT_EXCEEDED = "53400"

# one statement, so that a request's meters and vehicles are committed together or not at all
_INGEST: LiteralString = f"{calls.METERS} UNION ALL {calls.VEHICLES}"


class Outcome(msgspec.Struct, gc=False):
    """What became of one batch: readings that were there already, and those refused.

    `decoded` has, by index, the refused ones that the database saw. `buffered`: the others are safe
    in a buffer, and the database did not see them yet.
    """

    duplicates: int
    refused: list[Refusal]
    decoded: dict[int, Decoded]
    buffered: bool = False


class Store:
    """Calls the ingest functions on a connection of its own; not for use by two tasks at once."""

    def __init__(
        self, conninfo: str, settings: Settings, counts: ReadingCounts | None = None
    ) -> None:
        """`counts`: where readings are counted, if others should see that."""
        self._counts = counts or ReadingCounts()
        self._conninfo = conninfo
        self._timeout_seconds = settings.write_timeout_seconds
        self._connection: psycopg.AsyncConnection[Any] | None = None

    @property
    def connected(self) -> bool:
        """Whether the last call left a working connection behind."""
        return self._connection is not None and not self._connection.closed

    async def connect(self) -> None:
        """Connect unless connected. Raises DatabaseUnavailable."""
        if self.connected:
            return
        try:
            async with translated_errors():
                connection = await connect(self._conninfo, "wattledger ingest")
        except psycopg.Error as error:
            # whatever it is, it is no reading's fault
            raise DatabaseUnavailable("the database does not let in") from error
        adapt(connection)
        self._connection = connection

    async def close(self) -> None:
        """Close the connection; a later call connects again."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def ingest(self, batches: Sequence[Batch]) -> list[Outcome]:
        """Store the readings of all batches in one transaction; return one outcome per batch.

        When it returns, they are committed and flushed. Raises DatabaseUnavailable (whether they
        were stored is then unknown, and sending them again is safe), psycopg.Error.
        """
        meters = [row for batch in batches for row in batch.meters.rows]
        vehicles = [row for batch in batches for row in batch.vehicles.rows]
        arrays = (*columns(meters, METER), *columns(vehicles, VEHICLE))
        rows = await self._call(_INGEST, arrays)
        self._counts.stored(len(meters), len(vehicles), rows)
        outcomes = [Outcome(0, list(batch.refused), {}) for batch in batches]
        if rows:
            # whose reading stands at a position of the arrays: number of the batch, index
            owners: list[list[tuple[int, int]]] = [
                [(n, index) for n, batch in enumerate(batches) for index in batch.meters.indexes],
                [(n, index) for n, batch in enumerate(batches) for index in batch.vehicles.indexes],
            ]
            for is_vehicle, position, outcome, detail in rows:
                place = int(position)
                number, index = owners[1 if is_vehicle else 0][place]
                if outcome == "duplicate":
                    outcomes[number].duplicates += 1
                else:
                    outcomes[number].refused.append(Refusal(index, outcome, detail))
                    outcomes[number].decoded[index] = (
                        decoded_vehicle(vehicles[place])
                        if is_vehicle
                        else decoded_meter(meters[place])
                    )
        return outcomes

    async def quarantine(
        self, refused: Sequence[Quarantined], key_id: str | None
    ) -> dict[int, str]:
        """Keep refused readings; return what else to tell of them, by their place.

        Raises DatabaseUnavailable, RuleViolation.
        """
        return dict(await self._call(STATEMENT, parameters(refused, key_id)))

    async def _call(self, query: LiteralString, values: Sequence[object]) -> list[Any]:
        for _ in range(_ATTEMPTS - 1):
            with suppress(DatabaseBusy):
                return await self._attempt(query, values)
        return await self._attempt(query, values)

    async def _attempt(self, query: LiteralString, values: Sequence[object]) -> list[Any]:
        await self.connect()
        connection = self._connection
        assert connection is not None  # noqa: S101  connect() raises where there is none
        try:
            async with translated_errors(), asyncio.timeout(self._timeout_seconds):
                with on_every_disk(connection):
                    cursor = connection.cursor(binary=True)
                    await cursor.execute(query, values, prepare=may_prepare(connection))
                    return await cursor.fetchall()
        except TimeoutError as error:
            await self.close()
            raise DatabaseSlow("the database did not answer in time") from error
        except DatabaseUnavailable as error:
            if isinstance(error.__cause__, psycopg.errors.ReadOnlySqlTransaction):
                # a session stays so, and with a standby, where others may take changes again
                await self.close()
            if connection.closed:
                self._connection = None
            raise


async def ingest_split(store: Store, batch: Batch, error: psycopg.Error) -> Outcome:
    """Store the readings of a batch that fails as a whole, all but those that fail alone."""
    if len(batch.meters.indexes) + len(batch.vehicles.indexes) <= 1:
        return refused_alone(batch, error)
    total = Outcome(0, list(batch.refused), {})
    for half in batch.halves():
        try:
            outcome = (await store.ingest([half]))[0]
        except psycopg.Error as fault:
            outcome = await ingest_split(store, half, fault)
        total.duplicates += outcome.duplicates
        total.refused += outcome.refused
        total.decoded |= outcome.decoded
    return total


def refused_alone(batch: Batch, error: psycopg.Error) -> Outcome:
    """The outcome of the one reading that a batch has, which the database cannot store."""
    index = (*batch.meters.indexes, *batch.vehicles.indexes)[0]
    detail = f"the database cannot store it: {error.diag.message_primary or error}"
    if error.sqlstate == _LIMIT_EXCEEDED:
        detail += "; it is kept, to be stored once the limit is raised"
    # so that a replay can store it once the cause is gone
    decoded = [decoded_meter(row) for row in batch.meters.rows]
    decoded += [decoded_vehicle(row) for row in batch.vehicles.rows]
    return Outcome(0, [*batch.refused, Refusal(index, "malformed", detail)], {index: decoded[0]})
