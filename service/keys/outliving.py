"""Keyring whose answers outlive the database, for a buffer that takes readings meanwhile."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import monotonic
from typing import Any

from service.database.errors import DatabaseUnavailable
from service.http.problem import Fault
from service.keys.credential import Credential
from service.keys.grant import Grant
from service.keys.keyring import Keyring
from service.keys.lookup import Told
from service.recent import Recent

# of keys whose devices are not known by the key alone, but by a pattern or a fleet
_MOST_DEVICES = 200_000

# the key's id, the side, the device's id
_Device = tuple[str, str, str]


class OutlivingKeyring(Keyring):
    """What was known of a key counts on while the database is away, until the key expires."""

    def __init__(self, *arguments: Any, outlives_seconds: float) -> None:
        """`outlives_seconds`: for how long; `arguments` are the keyring's."""
        super().__init__(*arguments)
        self._outlives_seconds = outlives_seconds
        self._away = False
        self._ask_again_at = 0.0
        # when the database last said that a key may speak for a device
        self._spoken_for: Recent[_Device, float] = Recent(_MOST_DEVICES)

    def known(self, given: Credential) -> Grant | None:
        """What the key may do; while the database is away it is asked beside that, now and then."""
        grant = super().known(given)
        if grant is not None or not self._away:
            return grant
        last = self._known.used(given) or self._refused.used(given)
        now = monotonic()
        if last is None or now >= min(last.until + self._outlives_seconds, last.expires):
            return None
        if now >= self._ask_again_at:
            self._ask_again_at = now + self._cache_seconds
            self.ask(given, lambda _: None)
        return last

    def ask(self, given: Credential, tell: Callable[[Told], None]) -> None:
        """Find out what a key may do; `tell` is called once with that, or with the error.

        Raises DatabaseUnavailable where too many wait already.
        """

        def heard(told: Told) -> None:
            self._away = isinstance(told, DatabaseUnavailable)
            if self._away:
                self._ask_again_at = monotonic() + self._cache_seconds
                told = self.known(given) or told
            tell(told)

        super().ask(given, heard)

    async def check_devices(
        self, grant: Grant, meter: set[str], vehicle: set[str], *, reads: bool = False
    ) -> None:
        """See that a key may speak for devices; those that it spoke for before count on, too."""
        asked = [(grant.key_id, "meter", one) for one in meter - grant.meters]
        asked += [(grant.key_id, "vehicle", one) for one in vehicle - grant.vehicles]
        if reads or grant.every_device or not asked:
            await super().check_devices(grant, meter, vehicle, reads=reads)
            return
        # where it is known to be away, asking would take seconds
        if not (self._away and self._spoke_for(asked)):
            try:
                await super().check_devices(grant, meter, vehicle)
            except DatabaseUnavailable:
                if not self._spoke_for(asked):
                    raise
            except Fault:
                self._note(grant, asked)
                raise
            else:
                self._note(grant, asked)
                return
        grant.meters |= meter
        grant.vehicles |= vehicle

    def _note(self, grant: Grant, asked: list[_Device]) -> None:
        """Remember what the database said of devices."""
        now = monotonic()
        for one in asked:
            _, side, device_id = one
            if device_id in (grant.meters if side == "meter" else grant.vehicles):
                self._spoken_for.put(one, now)
            else:
                self._spoken_for.pop(one, None)

    def _spoke_for(self, asked: list[_Device]) -> bool:
        """Whether the database said of all of them, not too long ago, that the key may."""
        since = monotonic() - self._outlives_seconds
        return all(self._spoken_for.get(one, -math.inf) > since for one in asked)
