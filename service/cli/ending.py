"""End of commands that take long: asked to end by SIGTERM, they clean up as after Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def interrupted_by_sigterm() -> Generator[None]:
    """SIGTERM raises KeyboardInterrupt in what runs in it."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
