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
        """A call with so many: fewer from now on where it is too slow, else more again."""
        try:
            yield
        except DatabaseSlow:
            self.most = max(min(self.most, readings) // 2, 1)
            raise
        if readings * 2 > self.most:
            self.most = min(self.most * 2, _MOST)
