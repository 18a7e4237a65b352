"""Keyring whose answers outlive the database, for a buffer that takes readings meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

from service.database.errors import DatabaseUnavailable
from service.keys.credential import Credential
from service.keys.grant import Grant
from service.keys.keyring import Keyring
from service.keys.lookup import Told


class OutlivingKeyring(Keyring):
    """What was known of a key counts on while the database is away, until the key expires."""

    def __init__(self, *arguments: Any, outlives_seconds: float) -> None:
        """`outlives_seconds`: for how long; `arguments` are the keyring's."""
        super().__init__(*arguments)
        self._outlives_seconds = outlives_seconds
        self._away = False
        self._ask_again_at = 0.0

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
