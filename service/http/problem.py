"""Errors as RFC 9457 problem documents, always saying what to fix."""

from http import HTTPStatus
from typing import Annotated, Any, cast

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, ValidationException

from service.database.pool import DatabaseUnavailable, RuleViolation
from service.http.head_method import with_head
from service.keys.grant import Denied
from service.routes.paging import PLACE_OR_ID_PATTERN, PLACE_OR_ID_RULE
from service.wire.readings import ID_PATTERN, ID_RULE

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1

_RULE_STATUS = {
    "WL002": HTTPStatus.BAD_REQUEST,
    "WL003": HTTPStatus.CONFLICT,
    "WL004": HTTPStatus.BAD_REQUEST,
    "WL005": HTTPStatus.FORBIDDEN,
    "WL006": HTTPStatus.BAD_REQUEST,
    "WL007": HTTPStatus.CONFLICT,
    "WL008": HTTPStatus.BAD_REQUEST,
}


encode = msgspec.json.Encoder().encode


class Problem(msgspec.Struct, omit_defaults=True, kw_only=True):
    """A problem document (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: Annotated[int, msgspec.Meta(ge=400, le=599)]
    detail: Annotated[str, msgspec.Meta(description="What is wrong.")]
    hint: Annotated[str | None, msgspec.Meta(description="What to do about it.")] = None


def problem(status: int, detail: str, hint: str | None = None) -> Problem:
    """The problem document of an HTTP status, with what to fix in `detail`."""
    return Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, hint=hint)


def _respond(document: Problem, headers: dict[str, str] | None = None) -> Response[Problem]:
    return Response(
        document, status_code=document.status, media_type=MEDIA_TYPE, headers=headers or {}
    )


def _on_http(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    detail = error.detail
    if isinstance(error, MethodNotAllowedException):
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        allowed = with_head(headers.get("allow", "others"))
        detail = f"{request.method} does nothing here: {allowed} do"
    elif detail == HTTPStatus.NOT_FOUND.phrase:
        detail = "nothing is there: /docs lists what is"
    return _respond(problem(error.status_code, detail), error.headers)


def _on_any(_: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    return _respond(
        problem(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "an error of the service",
            hint="Send the same request again later; the service's log says more.",
        )
    )


def _on_validation(_: Request[Any, Any, Any], error: ValidationException) -> Response[Problem]:
    faults = cast("list[dict[str, str]]", error.extra or [])
    sentences = [f"{_place(fault)}: {_sentence(fault)}" for fault in faults]
    return _respond(problem(error.status_code, "; ".join(sentences) or error.detail))


def _place(fault: dict[str, str]) -> str:
    key = fault.get("key", "data")
    return "the body" if key == "data" else f'"{key}"'


def _sentence(fault: dict[str, str]) -> str:
    message = fault.get("message", "is not valid")
    # the only patterns that there are; who has to fix an id wants to read no regular expression
    if repr(PLACE_OR_ID_PATTERN) in message:
        return PLACE_OR_ID_RULE
    return ID_RULE if repr(ID_PATTERN) in message else message


def _on_rule(_: Request[Any, Any, Any], error: RuleViolation) -> Response[Problem]:
    status = _RULE_STATUS.get(error.code, HTTPStatus.BAD_REQUEST)
    return _respond(problem(status, error.message, error.hint))


def _on_away(_: Request[Any, Any, Any], error: DatabaseUnavailable) -> Response[Problem]:
    return _respond(
        problem(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}; nothing was changed, try again"),
        {"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def _on_denied(_: Request[Any, Any, Any], error: Denied) -> Response[Problem]:
    headers = {name.decode(): value.decode() for name, value in error.headers}
    return _respond(problem(error.status, error.detail, error.hint), headers)


HANDLERS: dict[Any, Any] = {
    Denied: _on_denied,
    Exception: _on_any,
    HTTPException: _on_http,
    ValidationException: _on_validation,
    RuleViolation: _on_rule,
    DatabaseUnavailable: _on_away,
}
