"""Grants, which are what a key may do, and what a request hears that it may not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from time import monotonic

import msgspec

from service.http.answer import Header
from service.http.problem import Fault

_CHALLENGE = (b"www-authenticate", b"Bearer")

_UNKNOWN = {
    "unknown": "the API key is not known",
    "revoked": "the API key was revoked",
    "expired": "the API key has expired",
}


# why a key may not do what is asked, as counts have it
REFUSALS = ("missing", *_UNKNOWN, "scope", "rate", "device", "fleet", "signed_out", "origin")


class KeyRefused(Fault):
    """A request is refused for its key; `reason` is one of REFUSALS."""

    def __init__(
        self, reason: str, status: int, detail: str, hint: str, headers: Sequence[Header] = ()
    ) -> None:
        super().__init__(status, detail, hint, headers)
        self.reason = reason


class Bucket:
    """A token bucket: a reading, or another request, takes a token. It may go below zero.

    How large a batch is shows only once it is decoded: a body costs a token before it is read, and
    the others once they are known. It goes through where there is a token left, and those after it
    wait the longer.
    """

    def __init__(self, per_second: float, burst: float) -> None:
        self.per_second = per_second
        self.burst = burst
        self._tokens = burst
        self._at = monotonic()

    def wait_seconds(self) -> float:
        """How long until there is a token; 0 where there is one."""
        now = monotonic()
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.per_second)
        self._at = now
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) / self.per_second

    def take(self, tokens: int) -> None:
        """Take so many."""
        self._tokens -= tokens


class Grant(msgspec.Struct):
    """What a key may do; `refusal` is why it may do nothing, `until` how long that is known."""

    key_id: str
    refusal: str | None
    scopes: frozenset[str]
    every_device: bool
    # meters and vehicles that it may speak for, as far as was asked
    meters: set[str]
    vehicles: set[str]
    bucket: Bucket | None
    until: float
    # when the key itself ends, by the same clock
    expires: float = math.inf

    def denial(self, scope: str) -> KeyRefused | None:
        """What to answer instead of doing what needs `scope`; None where it may be done."""
        if self.refusal is not None:
            return KeyRefused(
                self.refusal,
                HTTPStatus.UNAUTHORIZED,
                _UNKNOWN[self.refusal],
                "Ask for a key: `wattledger key create` makes one.",
                [_CHALLENGE],
            )
        if scope not in self.scopes:
            return KeyRefused(
                "scope",
                HTTPStatus.FORBIDDEN,
                f'this needs a key with the scope "{scope}"',
                f"This key has: {', '.join(sorted(self.scopes))}.",
            )
        if self.bucket is not None and (wait := self.bucket.wait_seconds()):
            return KeyRefused(
                "rate",
                HTTPStatus.TOO_MANY_REQUESTS,
                f"this key may send {self.bucket.per_second:g} readings or other requests a second;"
                " nothing of this request was done",
                "Send it again later.",
                [(b"retry-after", b"%d" % max(1, math.ceil(wait)))],
            )
        return None

    def covers(self, meters: Iterable[str], vehicles: Iterable[str]) -> bool:
        """Whether it is known that the key may speak for all of these."""
        return self.every_device or (
            self.meters.issuperset(meters) and self.vehicles.issuperset(vehicles)
        )

    def charge(self, tokens: int) -> None:
        """Count what was asked for against the key's rate; less than nothing gives it back."""
        if self.bucket is not None:
            self.bucket.take(tokens)


def no_key() -> KeyRefused:
    """What a request without a key hears."""
    return KeyRefused(
        "missing",
        HTTPStatus.UNAUTHORIZED,
        "an API key is missing, or is not of the form wl_<id>_<secret>",
        "Send the header Authorization: Bearer and the key.",
        [_CHALLENGE],
    )


def another_device(side: str, device_ids: Iterable[str]) -> KeyRefused:
    """What a request hears for devices of a side that its key does not cover."""
    first = min(device_ids)
    return KeyRefused(
        "device",
        HTTPStatus.FORBIDDEN,
        f'this key may not speak for the {side} "{first}"; nothing of this request was done',
        "Use the key of that device, or one that covers it.",
    )


def all_devices() -> KeyRefused:
    """What a request for the whole fleet hears from a key for some devices."""
    return KeyRefused(
        "fleet",
        HTTPStatus.FORBIDDEN,
        "this key is for some devices only, and this answers for all",
        "Ask for one device by its id, or use a key without such a limit.",
    )
