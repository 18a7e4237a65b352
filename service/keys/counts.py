"""Counts of requests that were refused for their key, by why."""

from __future__ import annotations

from service.keys.grant import REFUSALS
from service.metrics.families import OTHER, axis, counter
from service.metrics.slab import Slab

_REFUSED = counter(
    "key_refusals_total", "Requests refused for their key.", axis("reason", (*REFUSALS, OTHER))
)
FAMILIES = (_REFUSED,)


class KeyCounts:
    """Counts refusals."""

    def __init__(self, slab: Slab | None = None) -> None:
        """`slab`: where to count; one that nobody else sees unless given."""
        slab = slab or Slab.private(FAMILIES)
        self._slots = slab.slots
        self._places = {reason: place for (reason,), place in slab.places(_REFUSED).items()}

    def refused(self, reason: str) -> None:
        """Count a request that was refused."""
        self._slots[self._places.get(reason, self._places[OTHER])] += 1
