"""Exceptions that end a request to a route, each answered as the fault that it is."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, cast

from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, ValidationException

from service.database.errors import DatabaseUnavailable, RuleViolation
from service.faults import away, defect, fault_of
from service.http.head_method import READING_METHODS, with_head
from service.http.problem import MEDIA_TYPE, Fault, answer_to
from service.routes.paging import (
    PLACE_OR_ID_PATTERN,
    PLACE_OR_ID_RULE,
    PLACE_PATTERN,
    PLACE_RULE,
)
from service.routes.reports import MONTH_PATTERN, MONTH_RULE, ZONE_PATTERN, ZONE_RULE
from service.wire.labels import LABEL_PATTERN, LABEL_RULE
from service.wire.readings import ID_PATTERN, ID_RULE

_Request = Request[Any, Any, Any]
# the only patterns that there are; who has to fix an id wants to read no regular expression
_RULES = {
    PLACE_OR_ID_PATTERN: PLACE_OR_ID_RULE,
    PLACE_PATTERN: PLACE_RULE,
    ID_PATTERN: ID_RULE,
    LABEL_PATTERN: LABEL_RULE,
    MONTH_PATTERN: MONTH_RULE,
    ZONE_PATTERN: ZONE_RULE,
}


def _on_fault(_: _Request, fault: Fault) -> Response[bytes]:
    answer = answer_to(fault)
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, status_code=answer.status, media_type=MEDIA_TYPE, headers=headers)


def _on_http(request: _Request, error: HTTPException) -> Response[bytes]:
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    detail = error.detail
    if isinstance(error, MethodNotAllowedException):
        allowed = with_head(headers.get("allow", "others"))
        detail = f"{request.method} does nothing here: {allowed} do"
    elif detail == HTTPStatus.NOT_FOUND.phrase:
        detail = "nothing is there: /docs lists what is"
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    return _on_fault(request, Fault(error.status_code, detail, headers=encoded))


def _on_validation(request: _Request, error: ValidationException) -> Response[bytes]:
    faults = cast("list[dict[str, str]]", error.extra or [])
    sentences = [f"{_place(fault)}: {_sentence(fault)}" for fault in faults]
    return _on_fault(request, Fault(error.status_code, "; ".join(sentences) or error.detail))


def _place(fault: dict[str, str]) -> str:
    key = fault.get("key", "data")
    return "the body" if key == "data" else f'"{key}"'


def _sentence(fault: dict[str, str]) -> str:
    message = fault.get("message", "is not valid")
    rules = (rule for pattern, rule in _RULES.items() if repr(pattern) in message)
    return next(rules, message)


def _on_rule(request: _Request, error: RuleViolation) -> Response[bytes]:
    fault = fault_of(error) or Fault(HTTPStatus.BAD_REQUEST, error.message, error.hint)
    return _on_fault(request, fault)


def _on_away(request: _Request, error: DatabaseUnavailable) -> Response[bytes]:
    # a commit whose answer was lost, or whose standby lacks it, is a change all the same
    is_read = request.method in READING_METHODS
    then = "try again" if is_read else "whether anything was changed is not known, try again"
    return _on_fault(request, away(error, f"; {then}"))


def _on_any(request: _Request, _: Exception) -> Response[bytes]:
    return _on_fault(request, defect())


HANDLERS: dict[Any, Any] = {
    Exception: _on_any,
    HTTPException: _on_http,
    ValidationException: _on_validation,
    RuleViolation: _on_rule,
    DatabaseUnavailable: _on_away,
    Fault: _on_fault,
}
