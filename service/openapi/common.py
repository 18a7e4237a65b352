"""OpenAPI parts shared by all routes: errors, headers, ids, and times."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from litestar.openapi.spec import (
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Reference,
    Schema,
)
from litestar.openapi.spec.enums import OpenAPIType

from service.http.front import REQUEST_ID_PATTERN
from service.http.problem import MEDIA_TYPE
from service.http.request_target import MOST_PARAMETERS, MOST_TARGET_BYTES
from service.openapi.shapes import Described, of_types, reference
from service.routes.paging import Place
from service.routes.parameters import (
    FIRST_LIKELY_SECOND,
    FIRST_MILLISECOND,
    LAST_LIKELY_SECOND,
    MOMENT,
    MOMENT_WORDS,
    DeviceId,
    DeviceIds,
)
from service.routes.read_from import READ_FROM, READ_FROM_PATTERN
from service.wire.labels import Label
from service.wire.readings import LAST_MILLISECOND

# by status: what every route may answer, mostly before it is asked
_OF_ALL = {
    "400": "The request is not HTTP/1.1, a parameter is wrong, there are more than"
    f" {MOST_PARAMETERS} of them, or the path or query is badly escaped.",
    "405": "The path is right and the method is not.",
    "408": "The request's head did not come in time.",
    "414": f"The path and the query together are longer than {MOST_TARGET_BYTES} bytes.",
    "431": "The request's head is too large.",
    "500": "An error of the service.",
    "503": "The database is away, or too many connections are open: try again.",
}
# of those that need a key
_OF_CLOSED = {
    "401": "The API key is missing, malformed, not known, revoked or expired.",
    "403": "The API key lacks the scope, or may not speak for the device.",
    "429": "The API key is over its rate: nothing was done, try again.",
}
_NOT_FOUND = "The path is of no route."

_REQUEST_ID = OpenAPIHeader(
    schema=Schema(type=OpenAPIType.STRING, pattern=f"^{REQUEST_ID_PATTERN}$"),
    description="The X-Request-Id that was sent, if it is harmless, else a new one; the service's"
    " log has it too.",
    required=True,
)
# an answer of the connection itself, which no application sees, has none
_PERHAPS_REQUEST_ID = OpenAPIHeader(
    schema=_REQUEST_ID.schema, description=_REQUEST_ID.description, required=False
)
_RETRY_AFTER = OpenAPIHeader(
    schema=Schema(type=OpenAPIType.INTEGER, minimum=1),
    description="Seconds to wait.",
    required=True,
)
_READ_FROM = OpenAPIHeader(
    schema=Schema(type=OpenAPIType.STRING, pattern=READ_FROM_PATTERN),
    description="Where there is a replica for reads: which database answered, and how many seconds"
    " the standby is behind its primary, or how old what it has is while the primary is away.",
    required=False,
)
_HEADERS = {
    "405": (
        "Allow",
        OpenAPIHeader(
            schema=Schema(type=OpenAPIType.STRING), description="Which do.", required=True
        ),
    ),
    "401": (
        "WWW-Authenticate",
        OpenAPIHeader(
            schema=Schema(type=OpenAPIType.STRING, const="Bearer"),
            description="How a key is sent.",
            required=True,
        ),
    ),
    "429": ("Retry-After", _RETRY_AFTER),
    "503": ("Retry-After", _RETRY_AFTER),
}


def schemas() -> dict[str, Described]:
    """Ids, labels, moments and places in lists: the titles that parameters and fields have."""
    milliseconds = (
        (FIRST_MILLISECOND, FIRST_LIKELY_SECOND - 1),
        (LAST_LIKELY_SECOND + 1, LAST_MILLISECOND),
    )
    return {
        **of_types(DeviceId, DeviceIds, Label, Place),
        MOMENT: {
            "description": f"{MOMENT_WORDS} Integers have no fraction, not even .0, and no"
            " exponent; those between are seconds, and refused.",
            "anyOf": [
                {"type": "string", "format": "date-time"},
                *({"type": "integer", "minimum": a, "maximum": b} for a, b in milliseconds),
            ],
        },
    }


def answer(description: str, *schemas: str) -> OpenAPIResponse:
    """An answer that is a document of one of `schemas`."""
    return OpenAPIResponse(
        description=description,
        headers={"X-Request-Id": _REQUEST_ID},
        content={"application/json": OpenAPIMediaType(schema=_one_of(schemas))},
    )


def problem_response(status: str, description: str, *schemas: str) -> OpenAPIResponse:
    """An answer that is a problem document; of one of `schemas` where they are given."""
    headers: dict[str, OpenAPIHeader | Reference] = {"X-Request-Id": _PERHAPS_REQUEST_ID}
    if status in _HEADERS:
        name, header = _HEADERS[status]
        headers[name] = header
    return OpenAPIResponse(
        description=description,
        headers=headers,
        content={MEDIA_TYPE: OpenAPIMediaType(schema=_one_of(schemas or ("Problem",)))},
    )


def _one_of(schemas: Sequence[str]) -> Reference | Schema:
    found = [reference(name) for name in schemas]
    return found[0] if len(found) == 1 else Schema(any_of=found)


def describe_source(operation: Operation) -> None:
    """Say of a read that its good answer tells which database gave it."""
    good = (operation.responses or {})["200"]
    assert isinstance(good, OpenAPIResponse)  # noqa: S101  Litestar's own
    good.headers = {**(good.headers or {}), READ_FROM: _READ_FROM}


def complete(path: str, operation: Operation, more: Mapping[str, str]) -> None:
    """Give an operation the answers that every route has, and `more`: descriptions by status."""
    responses = operation.responses = operation.responses or {}
    for status, response in responses.items():
        if isinstance(response, OpenAPIResponse) and not response.headers:
            response.headers = {"X-Request-Id": _REQUEST_ID}
            response.description = HTTPStatus(int(status)).phrase
    described = dict(_OF_ALL)
    # a requirement of nothing is how an operation says that it is open
    if operation.security != [{}]:
        described |= _OF_CLOSED
    if "{" in path:
        described["404"] = _NOT_FOUND
    if "404" in responses:
        described["404"] = f"It is not known. {_NOT_FOUND}"
    described |= more
    for status, description in described.items():
        responses[status] = problem_response(status, description)
    operation.responses = dict(sorted(responses.items()))
