"""Faults that errors without a status are to a client: the database's, by SQLSTATE, and defects."""

from __future__ import annotations

from http import HTTPStatus

from service.database.errors import DatabaseUnavailable, RuleViolation
from service.http.problem import RETRY_LATER, Fault

# what our SQL functions raise: the status, and what follows their own sentence
_RULES: dict[str, tuple[HTTPStatus, str]] = {
    "WL002": (HTTPStatus.BAD_REQUEST, ""),
    "WL003": (HTTPStatus.CONFLICT, ""),
    "WL004": (HTTPStatus.BAD_REQUEST, ""),
    "WL005": (HTTPStatus.FORBIDDEN, ""),
    "WL006": (HTTPStatus.BAD_REQUEST, ""),
    "WL007": (HTTPStatus.CONFLICT, ""),
    "WL008": (HTTPStatus.BAD_REQUEST, ""),
    "WL011": (HTTPStatus.CONFLICT, ""),
    "WL012": (HTTPStatus.BAD_REQUEST, ""),
    "WL014": (HTTPStatus.GONE, ""),
    "WL026": (HTTPStatus.BAD_REQUEST, ""),
    "WL027": (HTTPStatus.BAD_REQUEST, ""),
    # more is ahead of the clock than can be kept until its time
    "WL040": (HTTPStatus.SERVICE_UNAVAILABLE, ": send the same request again"),
}


def fault_of(error: RuleViolation) -> Fault | None:
    """The fault that it is to break a rule of the database's; None for one that is not listed."""
    if error.code not in _RULES:
        return None
    status, then = _RULES[error.code]
    headers = [RETRY_LATER] if status is HTTPStatus.SERVICE_UNAVAILABLE else []
    return Fault(status, f"{error.message}{then}", error.hint, headers)


def away(error: DatabaseUnavailable, then: str, hint: str | None = None) -> Fault:
    """The fault of a database that is away; `then` says what follows, `hint` what to do."""
    return Fault(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}{then}", hint, [RETRY_LATER])


def defect(then: str = "") -> Fault:
    """The fault of what nobody foresaw; `then` says what follows."""
    return Fault(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        f"an error of the service{then}",
        "Send the same request again later; the service's log says more.",
    )
