"""What schemathesis has to know of Wattledger beyond the OpenAPI document."""

from __future__ import annotations

import math
import re
import time
from typing import Any

import msgspec
import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.support.keys import the_key

# of several parameters together, or fields
_RULES = (
    "from is when the interval starts that ends at the reading's time, and not after it",
    "the window must begin before it ends",
    "a charging link must begin before it ends",
    "a charging link is of the years 2000 to 2099",
    'the place in "after" cannot be read, or is of another list or order',
    "the window is longer than a year",
    "the answer has a time that is not of the years 1 to 9999",
    "a report is of one vehicle or of one meter",
)
# of what no schema lists
_SAID_OF_ZONES_AND_MONTHS = re.compile(
    r"a record is .*|this file of .* cannot be kept|"
    r'there is no time zone ".*"|".*" is an abbreviation: .*|hours of .* are no longer kept'
)
_KEPT_MILLISECONDS = 60 * 24 * 3600 * 1000


def _rejected(body: Any) -> set[str]:
    """The reasons, but for what is malformed by a rule that no schema can say."""
    return {
        "a rule" if refused["detail"] in _RULES else refused["reason"]
        for refused in body.get("rejected", [])
    }


@schemathesis.check
def valid_data_is_accepted(ctx: Any, response: Any, case: Any) -> bool | None:
    """As the check of schemathesis's own, but for rules that no schema can say."""
    if response.status_code == 410:
        # of hours that are kept no more
        return None
    if response.status_code == 400 and case.operation.label == "POST /v1/records":
        # most of what it says is of devices and readings that are stored
        return None
    if response.status_code == 400:
        body = response.json()
        detail = body.get("detail", "")
        if detail in _RULES or _SAID_OF_ZONES_AND_MONTHS.fullmatch(detail):
            return None
        reasons = _rejected(body)
        if reasons and "malformed" not in reasons:
            return None
    return positive_data_acceptance(ctx, response, case)


@schemathesis.check
class EveryOperationSucceeds:
    """What was never answered well was not looked at but for its errors."""

    def __init__(self) -> None:
        self.succeeded: set[str] = set()
        self.called: set[str] = set()

    def after_response(self, ctx: Any, response: Any, case: Any) -> None:
        self.called.add(case.operation.label)
        if 200 <= response.status_code < 300:
            self.succeeded.add(case.operation.label)

    def after_run(self, ctx: Any) -> None:
        # a record is about what is stored: tests/service/test_records.py makes some
        never = sorted(self.called - self.succeeded - {"POST /v1/records"})
        assert not never, f"never answered with 2xx: {', '.join(never)}"


@schemathesis.serializer("application/msgpack")
def messagepack(context: Any, value: Any) -> bytes:
    """A body in MessagePack; of what it cannot hold, in JSON, which is refused all the same."""
    try:
        return msgspec.msgpack.encode(value)
    except (OverflowError, TypeError, ValueError):
        return msgspec.json.encode(str(value))


@schemathesis.serializer("application/x-ndjson")
def lines(context: Any, value: Any) -> bytes:
    """A body of one value a line."""
    values = value if isinstance(value, list) else [value]
    return b"\n".join(msgspec.json.encode(one) for one in values)


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Let many readings be of late and in range, since nearly any time and number is neither.

    An integer is written without a fraction: 1.0 is one to JSON Schema, and none to the service.
    """
    for document in body if isinstance(body, list) else [body]:
        if not isinstance(document, dict):
            continue
        # no other one signs anybody in
        if isinstance(document.get("key"), str) and len(document["key"]) % 2 == 0:
            document["key"] = the_key()
        for name in ("timestamp", "from", "to", "at", "retiredAt"):
            given = document.get(name)
            if isinstance(given, float) and given.is_integer():
                document[name] = int(given)
        given = document.get("timestamp")
        if type(given) is int and given >= 0 and given % 4:
            document["timestamp"] = int(time.time()) * 1000 - given % _KEPT_MILLISECONDS
            for name, value in document.items():
                if (
                    name not in ("timestamp", "from")
                    and type(value) in (int, float)
                    and math.isfinite(value)
                ):
                    document[name] = abs(value) % 100
        # an interval starts before it ends, which no schema can say
        if "from" in document and type(document["from"]) is type(document.get("timestamp", ())):
            document["from"] = document["timestamp"]
    return body
