"""Counts of attempts to deliver, by what became of them."""

from __future__ import annotations

from service.metrics.families import axis, counter
from service.metrics.slab import Slab

RESULTS = ("delivered", "failed", "dead")
_ATTEMPTS = counter(
    "webhook_attempts_total",
    "Attempts to deliver to a webhook: delivered, failed and tried again, or dead.",
    axis("result", RESULTS),
)
FAMILIES = (_ATTEMPTS,)


class WebhookCounts:
    """Counts attempts."""

    def __init__(self, slab: Slab | None = None) -> None:
        """`slab`: where to count; one that nobody else sees unless given."""
        slab = slab or Slab.private(FAMILIES)
        self._slots = slab.slots
        self._places = {result: place for (result,), place in slab.places(_ATTEMPTS).items()}

    def count(self, state: str) -> None:
        """Count an attempt; `state` is what its delivery is in then."""
        self._slots[self._places["failed" if state == "pending" else state]] += 1

    def total(self, result: str) -> int:
        """How many had that result."""
        return int(self._slots[self._places[result]])
