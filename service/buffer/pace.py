"""Pace of storing: how many readings one call takes, fewer where the database is too slow."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from service.database.errors import DatabaseSlow

_MOST = 2**20


class Pace:
    """So many readings in a call that it ends in time.

    What takes longer than a call may would be tried for ever otherwise, and stop its partition.
    """

    def __init__(self) -> None:
        self.most = _MOST

    @contextmanager
    def of(self, readings: int) -> Generator[None]:
        """A call with so many: fewer from now on where it is too slow."""
        try:
            yield
        except DatabaseSlow:
            self.most = max(min(self.most, readings) // 2, 1)
            raise

    def done(self) -> None:
        """All calls that belong together were in time: more from now on.

        Not after each of them: the next one may be the one that is too slow with more.
        """
        self.most = min(self.most * 2, _MOST)
