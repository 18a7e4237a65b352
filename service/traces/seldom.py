"""Log of what goes wrong with a collector: a line now and then, however often it does."""

from __future__ import annotations

import logging
import re
from time import monotonic

_log = logging.getLogger(__name__)

SECONDS = 60.0
_MOST_CHARACTERS = 250
# an address may hold a password there
_QUERY = re.compile(r"\?\S+")


class Seldom(logging.Handler):
    """Passes on one record a minute as a line, without its stack, and says how many it did not."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.muted = False
        self._next = 0.0
        self._left_out = 0

    def takes_all_of(self, *loggers: str) -> None:
        """Let records of these loggers come here, and nowhere else."""
        for name in loggers:
            logger = logging.getLogger(name)
            logger.propagate = False
            logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record on, or count it."""
        if self.muted:
            return
        now = monotonic()
        if now < self._next:
            self._left_out += 1
            return
        self._next = now + SECONDS
        left_out, self._left_out = self._left_out, 0
        before = f" (and {left_out} more since the last such line)" if left_out else ""
        # what a collector answers may hold line breaks and colours
        text = _QUERY.sub("?...", record.getMessage())[:_MOST_CHARACTERS]
        safe = text if text.isprintable() and text.isascii() else ascii(text)[1:-1]
        _log.warning("traces are not all exported: %s%s", safe, before)
