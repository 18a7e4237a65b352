"""Keys that are known to this process, and the question to the database about all others."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import partial
from time import monotonic

import msgspec

from service.concurrency import told
from service.database.errors import DatabaseUnavailable
from service.database.pool import Database
from service.database.replica import Replica
from service.keys.cookie import Cookies
from service.keys.counts import KeyCounts
from service.keys.credential import Credential
from service.keys.grant import Bucket, Grant, KeyRefused, another_device, no_key
from service.keys.lookup import Authenticated, Lookup, Told
from service.recent import Recent

# a device's own key comes once a minute: more are not worth keeping for seconds
_MOST_KNOWN = 100_000
# apart, since who guesses keys should not push out those that are good
_MOST_REFUSED = 10_000
# what the primary said so of a key stays so, whatever a standby behind it says
_FINAL = ("revoked", "expired")
_READ = "read"
# of a request that is answered without the database too
_OUTAGE_PATIENCE_SECONDS = 1.0
# so long before the database was away a key must have been known, to count on
_CONFIRMED_SECONDS = 600.0


class _Device(msgspec.Struct):
    """A row of api.permitted_devices."""

    side: str
    device_id: str


class Keyring:
    """Asks the database about keys, many at once, and remembers the answers for seconds.

    While that is away, what is read may be let in by what its standby says of the key. That is
    kept apart: readings and changes never come in by it.
    """

    def __init__(
        self,
        database: Database,
        cache_seconds: float,
        counts: KeyCounts | None = None,
        replica: Replica | None = None,
        replica_seconds: float = 0.0,
    ) -> None:
        """`counts`: where refusals are counted, if others should see that.

        `replica` is asked while what it has is no older than `replica_seconds`.
        """
        self._database = database
        self._cache_seconds = cache_seconds
        self._counts = counts or KeyCounts()
        self._replica = replica
        self._replica_seconds = replica_seconds
        # with their rates, which go on from one answer about a key to the next
        self._known: Recent[Credential, Grant] = Recent(_MOST_KNOWN)
        self._refused: Recent[Credential, Grant] = Recent(_MOST_REFUSED)
        self._by_standby: Recent[Credential, Grant] = Recent(_MOST_REFUSED)
        # when the database last told of any key
        self._told = monotonic()
        self._lookup = Lookup(database, self._take)
        self._standby_lookup = replica and Lookup(replica.standby, self._take_from_standby)
        self.cookies = Cookies(database, replica and replica.standby)

    async def start(self) -> None:
        """Connect to the database, now or when that comes."""
        await self._database.open()

    async def stop(self) -> None:
        """End; who still waits is told that the database is away."""
        await self._lookup.stop()
        if self._standby_lookup is not None:
            await self._standby_lookup.stop()
        await self._database.close()

    def known(self, given: Credential) -> Grant | None:
        """What the key may do, where that was asked within the last seconds."""
        grant = self._known.used(given) or self._refused.used(given)
        return grant if grant is not None and monotonic() < grant.until else None

    def ask(self, given: Credential, tell: Callable[[Told], None]) -> None:
        """Find out what a key may do; `tell` is called once with that, or with the error.

        Raises DatabaseUnavailable where too many wait already.
        """
        self._lookup.ask(given, tell)

    async def grant(self, given: Credential | None) -> Grant:
        """What a request's key may do. Raises Fault without a key, DatabaseUnavailable."""
        if given is None:
            raise self.refused(no_key())
        if (grant := self.known(given)) is not None:
            return grant
        return await told(partial(self.ask, given))

    async def admit(
        self, given: Credential | None, scope: str, *, in_outage: bool = False
    ) -> Grant:
        """The grant of a request's key, if it has the scope.

        `in_outage`: what was known of the key counts on while the database is away. Raises Fault,
        DatabaseUnavailable.
        """
        if in_outage:
            grant = await self._grant_in_outage(given)
        else:
            grant = await (self._reading_grant(given) if scope == _READ else self.grant(given))
        if (denied := grant.denial(scope)) is not None:
            raise self.refused(denied)
        return grant

    async def _grant_in_outage(self, given: Credential | None) -> Grant:
        try:
            async with asyncio.timeout(_OUTAGE_PATIENCE_SECONDS):
                return await self._reading_grant(given)
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

    async def check_devices(
        self, grant: Grant, meter: set[str], vehicle: set[str], *, reads: bool = False
    ) -> None:
        """See that a key may speak for each `meter` and `vehicle`, given by id.

        `reads`: the request changes nothing. Raises Fault, DatabaseUnavailable.
        """
        if grant.covers(meter, vehicle):
            return
        replica, database = self._replica, self._database
        if reads and replica is not None and not replica.primary_up:
            database = replica.standby
        found = await database.all(
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

    async def _reading_grant(self, given: Credential | None) -> Grant:
        """What the key of a request that only reads may do, by the standby if need be."""
        replica = self._replica
        if replica is None or given is None:
            return await self.grant(given)
        # a primary that was away may be back since it was looked at
        if replica.primary_up or not replica.standby_up or self.known(given) is not None:
            try:
                return await self.grant(given)
            except DatabaseUnavailable:
                replica.doubt()
        return await self._standby_grant(given, replica)

    async def _standby_grant(self, given: Credential, replica: Replica) -> Grant:
        before = self._refused.get(given)
        if before is not None and before.refusal in _FINAL:
            return before
        grant = self._by_standby.used(given)
        if grant is not None and monotonic() < grant.until:
            return grant
        age_seconds = replica.lag_seconds
        if not replica.standby_up or age_seconds is None or self._standby_lookup is None:
            raise DatabaseUnavailable("the database is away")
        if age_seconds > self._replica_seconds:
            raise DatabaseUnavailable(
                "the database is away, and what its standby knows of keys is too old"
            )
        return await told(partial(self._standby_lookup.ask, given))

    def _take(self, given: Credential, row: Authenticated) -> Grant:
        self._told = monotonic()
        grant = self._grant(given, row)
        good, other = self._known, self._refused
        if grant.refusal is not None:
            good, other = other, good
        other.pop(given, None)
        good.put(given, grant)
        return grant

    def _take_from_standby(self, given: Credential, row: Authenticated) -> Grant:
        grant = self._grant(given, row)
        self._by_standby.put(given, grant)
        return grant

    def _grant(self, given: Credential, row: Authenticated) -> Grant:
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

    def _bucket(self, given: Credential, row: Authenticated) -> Bucket | None:
        if row.readings_per_second is None or row.burst_readings is None:
            return None
        before = self._known.get(given) or self._by_standby.get(given)
        if before is None or before.bucket is None:
            return Bucket(row.readings_per_second, row.burst_readings)
        before.bucket.per_second = row.readings_per_second
        before.bucket.burst = row.burst_readings
        return before.bucket
