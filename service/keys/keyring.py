"""Keys that are known to this process, and the question to the database about all others."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from contextlib import suppress
from time import monotonic

import msgspec

from service.concurrency import told
from service.database.errors import DatabaseUnavailable
from service.database.pool import Database
from service.keys.counts import KeyCounts
from service.keys.credential import Credential, credential_of
from service.keys.grant import Bucket, Grant, KeyRefused, another_device, no_key
from service.recent import Recent

# a device's own key comes once a minute: more are not worth keeping for seconds
_MOST_KNOWN = 100_000
# apart, since who guesses keys should not push out those that are good
_MOST_REFUSED = 10_000
_MOST_ASKED = 1_000
_MOST_WAITING = 20_000
# of a request that is answered without the database too
_OUTAGE_PATIENCE_SECONDS = 1.0
# so long before the database was away a key must have been known, to count on
_CONFIRMED_SECONDS = 600.0

Told = Grant | Exception


class _Authenticated(msgspec.Struct):
    """A row of api.authenticate."""

    place: int
    refusal: str | None
    scopes: list[str] | None
    every_device: bool | None
    meters: list[str] | None
    vehicles: list[str] | None
    expires_in_seconds: float | None
    readings_per_second: float | None
    burst_readings: float | None


class _Device(msgspec.Struct):
    """A row of api.permitted_devices."""

    side: str
    device_id: str


class Keyring:
    """Asks the database about keys, many at once, and remembers the answers for seconds."""

    def __init__(
        self, database: Database, cache_seconds: float, counts: KeyCounts | None = None
    ) -> None:
        """`counts`: where refusals are counted, if others should see that."""
        self._database = database
        self._cache_seconds = cache_seconds
        self._counts = counts or KeyCounts()
        # with their rates, which go on from one answer about a key to the next
        self._known: Recent[Credential, Grant] = Recent(_MOST_KNOWN)
        self._refused: Recent[Credential, Grant] = Recent(_MOST_REFUSED)
        self._waiting: dict[Credential, list[Callable[[Told], None]]] = {}
        self._task: asyncio.Task[None] | None = None
        # when the database last told of any key
        self._told = monotonic()

    async def start(self) -> None:
        """Connect to the database, now or when that comes."""
        await self._database.open()

    async def stop(self) -> None:
        """End; who still waits is told that the database is away."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._tell(DatabaseUnavailable("the service is stopping"))
        await self._database.close()

    def known(self, given: Credential) -> Grant | None:
        """What the key may do, where that was asked within the last seconds."""
        grant = self._known.used(given) or self._refused.used(given)
        return grant if grant is not None and monotonic() < grant.until else None

    def ask(self, given: Credential, tell: Callable[[Told], None]) -> None:
        """Find out what a key may do; `tell` is called once with that, or with the error.

        Raises DatabaseUnavailable where too many wait already.
        """
        if given not in self._waiting and len(self._waiting) >= _MOST_WAITING:
            raise DatabaseUnavailable("too many keys are being looked up")
        self._waiting.setdefault(given, []).append(tell)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._look_up_all())

    async def grant(self, given: Credential | None) -> Grant:
        """What a request's key may do. Raises Fault without a key, DatabaseUnavailable."""
        if given is None:
            raise self.refused(no_key())
        if (grant := self.known(given)) is not None:
            return grant
        return await told(lambda tell: self.ask(given, tell))

    async def admit(
        self, headers: Iterable[tuple[bytes, bytes]], scope: str, *, in_outage: bool = False
    ) -> Grant:
        """The grant of the key among a request's headers, if it has the scope.

        `in_outage`: what was known of the key counts on while the database is away. Raises Fault,
        DatabaseUnavailable.
        """
        given = credential_of(headers)
        grant = await (self._grant_in_outage(given) if in_outage else self.grant(given))
        if (denied := grant.denial(scope)) is not None:
            raise self.refused(denied)
        return grant

    async def _grant_in_outage(self, given: Credential | None) -> Grant:
        try:
            async with asyncio.timeout(_OUTAGE_PATIENCE_SECONDS):
                return await self.grant(given)
        except (DatabaseUnavailable, TimeoutError) as error:
            last = None if given is None else self._known.get(given)
            if (
                last is not None
                and last.until > self._told - _CONFIRMED_SECONDS
                and last.expires > monotonic()
            ):
                return last
            raise DatabaseUnavailable("the database is away") from error

    def refused(self, fault: KeyRefused) -> KeyRefused:
        """Count what a request is refused for; return it, to be raised."""
        self._counts.refused(fault.reason)
        return fault

    async def check_devices(self, grant: Grant, meter: set[str], vehicle: set[str]) -> None:
        """See that a key may speak for each `meter` and `vehicle`, given by id.

        Raises Fault, DatabaseUnavailable.
        """
        if grant.covers(meter, vehicle):
            return
        found = await self._database.all(
            _Device,
            "SELECT * FROM api.permitted_devices("
            "key_id => %s::text, meter_ids => %s::text[], vehicle_ids => %s::text[])",
            grant.key_id,
            list(meter - grant.meters),
            list(vehicle - grant.vehicles),
        )
        for row in found:
            (grant.meters if row.side == "meter" else grant.vehicles).add(row.device_id)
        for side, others in (
            ("meter", meter - grant.meters),
            ("vehicle", vehicle - grant.vehicles),
        ):
            if others:
                raise self.refused(another_device(side, others))

    async def _look_up_all(self) -> None:
        while self._waiting:
            asked = list(self._waiting)[:_MOST_ASKED]
            try:
                found = await self._database.all(
                    _Authenticated,
                    "SELECT * FROM api.authenticate("
                    "key_ids => %s::text[], secrets_sha256 => %s::bytea[])",
                    [given.key_id for given in asked],
                    [given.secret_sha256 for given in asked],
                )
            except Exception as error:
                self._tell(error)
                return
            self._told = monotonic()
            for row in found:
                given = asked[row.place]
                grant = self._grant(given, row)
                self._remember(given, grant)
                for tell in self._waiting.pop(given):
                    tell(grant)

    def _remember(self, given: Credential, grant: Grant) -> None:
        good, other = self._known, self._refused
        if grant.refusal is not None:
            good, other = other, good
        other.pop(given, None)
        good.put(given, grant)

    def _grant(self, given: Credential, row: _Authenticated) -> Grant:
        now = monotonic()
        expires = math.inf if row.expires_in_seconds is None else now + row.expires_in_seconds
        return Grant(
            key_id=given.key_id,
            refusal=row.refusal,
            scopes=frozenset(row.scopes or ()),
            every_device=bool(row.every_device),
            meters=set(row.meters or ()),
            vehicles=set(row.vehicles or ()),
            bucket=None if row.refusal else self._bucket(given, row),
            until=min(now + self._cache_seconds, expires),
            expires=expires,
        )

    def _bucket(self, given: Credential, row: _Authenticated) -> Bucket | None:
        if row.readings_per_second is None or row.burst_readings is None:
            return None
        before = self._known.get(given)
        if before is None or before.bucket is None:
            return Bucket(row.readings_per_second, row.burst_readings)
        before.bucket.per_second = row.readings_per_second
        before.bucket.burst = row.burst_readings
        return before.bucket

    def _tell(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, {}
        for tells in waiting.values():
            for tell in tells:
                tell(error)
