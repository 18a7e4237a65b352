"""Counts of requests, by method, route and status, and of how long they took."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

from service.metrics.families import NANOSECONDS, OTHER, Axis, Family, axis, counter, histogram
from service.metrics.slab import Slab

# all that the service answers; any other is the framework's, and rare
STATUSES = (
    *(200, 201, 202, 204, 207, 304),
    *(400, 401, 403, 404, 405, 408, 409, 410, 413, 414, 415, 429, 431),
    *(500, 503),
)
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS")

Place = tuple[int, int]


class Requests:
    """Counts requests in a slab."""

    def __init__(self, slab: Slab, routes: Mapping[str, Iterable[str]]) -> None:
        """`routes`: the methods of each route, as `families` was told."""
        counted, durations = families(routes, ())
        totals, seconds = slab.places(counted), slab.places(durations)
        self._slots = slab.slots
        self._bounds = durations.bounds
        self._sum = durations.width - 1
        self._routes = frozenset(routes)
        self._places: dict[tuple[str, str, int | str], Place] = {
            (method, route, int(status) if status.isdecimal() else status): (
                place,
                seconds[method, route],
            )
            for (method, route, status), place in totals.items()
        }

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that is answered."""
        place = self._places.get((method, route, status)) or self._rare(method, route, status)
        slots = self._slots
        slots[place[0]] += 1
        first = place[1]
        slots[first + bisect_left(self._bounds, seconds)] += 1
        slots[first + self._sum] += int(seconds * NANOSECONDS)

    def turned_away(self, status: int) -> None:
        """Count what was answered by the connection, of which no method or route is known."""
        self._slots[self._rare(OTHER, OTHER, status)[0]] += 1

    def _rare(self, method: str, route: str, status: int) -> Place:
        if route not in self._routes:
            route = OTHER
        if (method, route, OTHER) not in self._places:
            method = OTHER
        places = self._places
        return places.get((method, route, status)) or places[method, route, OTHER]


def families(
    routes: Mapping[str, Iterable[str]], shown: Sequence[tuple[str, str]]
) -> tuple[Family, Family]:
    """What is counted; `routes`: the methods of each route, `shown`: which are always shown."""
    asked = [
        *((method, route) for route, methods in routes.items() for method in (*methods, OTHER)),
        *((method, OTHER) for method in (*METHODS, OTHER)),
    ]
    targets = Axis(("method", "route"), tuple(asked), tuple(shown))
    statuses = axis("status", [*map(str, STATUSES), OTHER])
    return (
        counter("http_requests_total", "Requests answered.", targets, statuses),
        histogram(
            "http_request_duration_seconds",
            "How long requests took, from the head to the answer, in seconds.",
            targets,
        ),
    )
