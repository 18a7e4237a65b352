"""Values of a table's cells: numbers as people write them, and times of a zone."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from service.importing.errors import NotImportable
from service.wire import printable

_FORMS = {
    # with groups of three digits, and without
    ".": re.compile(r"[+-]?(\d{1,3}(,\d{3})+(\.\d*)?|\d+(\.\d*)?([eE][+-]?\d+)?|\.\d+)"),
    ",": re.compile(r"[+-]?(\d{1,3}([. ]\d{3})+(,\d*)?|\d+(,\d*)?([eE][+-]?\d+)?|,\d+)"),
}
_DATE = 10  # characters of a date alone
EARLIER, LATER, REFUSE = "earlier", "later", "refuse"


class Unreadable(ValueError):
    """A cell cannot be read as what its column is; the message says why."""


class Moments(NamedTuple):
    """A time that may be one of two, where a clock was set back."""

    text: str
    earlier: datetime
    later: datetime


def number_reader(decimal: str, divisor: int = 1) -> Callable[[str], float]:
    """A reader of numbers with that decimal separator, which it divides; it raises Unreadable."""
    form = _FORMS[decimal]
    grouping = "," if decimal == "." else "."

    def read(text: str) -> float:
        if form.fullmatch(text) is None:
            other = "" if decimal == "," or "," not in text else ": say --decimal , if so it is"
            raise Unreadable(f'"{printable(text)}" is not a number{other}')
        bare = text.replace(grouping, "").replace(" ", "").replace(",", ".")
        return float(bare) / divisor

    return read


def zone_named(name: str) -> ZoneInfo:
    """A zone such as Europe/Berlin. Raises NotImportable."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise NotImportable(
            f'"{printable(name)}" is not a time zone: say one such as Europe/Berlin or UTC'
        ) from error


def time_reader(
    zone: ZoneInfo | None, form: str | None = None
) -> Callable[[str], datetime | int | Moments]:
    """A reader of times: RFC 3339 and its kin, epoch milliseconds, or a form of strptime.

    What has no offset is of the zone. The reader raises Unreadable.
    """

    def read(text: str) -> datetime | int | Moments:
        if form is None and text.isdecimal():
            return int(text)
        try:
            found = _parsed(text, form)
        except ValueError as error:
            told = f'"{printable(text)}" is not a time'
            how = f" of the form {form}" if form else " of RFC 3339: say --time-format"
            raise Unreadable(told + how) from error
        if found.tzinfo is not None:
            return found.astimezone(UTC)
        if zone is None:
            raise Unreadable(f'"{printable(text)}" has no offset: say --zone')
        return _in_zone(text, found, zone)

    return read


def _parsed(text: str, form: str | None) -> datetime:
    if form is not None:
        return datetime.strptime(text, form)  # noqa: DTZ007  the caller sees to it
    if len(text) <= _DATE:
        raise ValueError("a date alone is no time")
    return datetime.fromisoformat(text)


def _in_zone(text: str, local: datetime, zone: ZoneInfo) -> datetime | Moments:
    aware = local.replace(tzinfo=zone)
    first, second = aware.utcoffset(), aware.replace(fold=1).utcoffset()
    assert first is not None  # noqa: S101  a zone has offsets
    assert second is not None  # noqa: S101
    earlier = (local - first).replace(tzinfo=UTC)
    if first == second:
        return earlier
    if first < second:
        raise Unreadable(f'"{printable(text)}" does not exist in {zone.key}: clocks were set on')
    return Moments(text, earlier, (local - second).replace(tzinfo=UTC))


def chosen(
    since: datetime | int | Moments | None, until: datetime | int | Moments, choice: str, zone: str
) -> tuple[datetime | int | None, datetime | int]:
    """The start, if any, and the end of an interval, where either may be one of two moments.

    What only one choice makes an interval of is that; else `choice` says. Raises Unreadable.
    """
    ends = _candidates(until)
    starts: Sequence[datetime | int | None] = [None] if since is None else _candidates(since)
    # what is no interval in any case is told by whoever stores it
    pairs = [(start, end) for start in starts for end in ends if not _is_after(start, end)]
    if len(pairs) > 1 and choice == REFUSE:
        twice = since if isinstance(since, Moments) else until
        assert isinstance(twice, Moments)  # noqa: S101  only such have two
        raise Unreadable(
            f'"{printable(twice.text)}" is twice in {zone}, where clocks were set back: write the'
            " offset, or say --ambiguous"
        )
    if not pairs:
        return starts[0], ends[0]
    return pairs[0] if choice != LATER else pairs[-1]


def _candidates(value: datetime | int | Moments) -> list[datetime | int]:
    return [value.earlier, value.later] if isinstance(value, Moments) else [value]


def _is_after(start: datetime | int | None, end: datetime | int) -> bool:
    return isinstance(start, datetime) and isinstance(end, datetime) and start > end
