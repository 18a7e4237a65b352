"""Document of the API: Litestar's own, and what it cannot know of our routes."""

from decimal import Decimal
from functools import cached_property
from typing import Any

import msgspec
from litestar._openapi.schema_generation import SchemaCreator
from litestar.openapi.spec import (
    OpenAPI,
    OpenAPIHeader,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Parameter,
    PathItem,
    RequestBody,
    Schema,
)
from litestar.openapi.spec.enums import OpenAPIType
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from service.ingest.answers import PATH
from service.openapi import common, ingest, shapes
from service.page.session import SignIn
from service.routes.csv_lines import CSV
from service.routes.device_files import NewDeviceFile
from service.routes.links import NewLink
from service.routes.records import Cancellation, NewRecord

# of what has a body
_OF_BODY = {
    "408": "The request's head, or its body, did not come in time.",
    "413": "The body is too large.",
    "415": "The content type, its charset or the content encoding is not known.",
}
_OF_OLD_HOUR = {"410": "Not even the hour is kept any more: its day is."}
_BODIES = {
    ("put", "/v1/links/{vehicle_id}"): NewLink,
    ("put", "/v1/devices/meters/{meter_id}"): NewDeviceFile,
    ("put", "/v1/devices/vehicles/{vehicle_id}"): NewDeviceFile,
    ("post", "/v1/records"): NewRecord,
    ("post", "/v1/records/{number}/cancel"): Cancellation,
    ("post", "/session"): SignIn,
}
_ANSWERS = {
    **dict.fromkeys(_BODIES, _OF_BODY),
    ("put", "/v1/links/{vehicle_id}"): {
        **_OF_BODY,
        "409": "The vehicle or the meter is linked elsewhere in that time; the hint helps.",
    },
    ("get", "/v1/explain/meters/{meter_id}"): _OF_OLD_HOUR,
    ("get", "/v1/explain/vehicles/{vehicle_id}"): _OF_OLD_HOUR,
    ("delete", "/v1/links/{vehicle_id}"): {
        "409": "One link of the vehicle ends at that time, and another starts.",
    },
    ("post", "/session"): {
        "401": "The API key is malformed, not known, revoked or expired.",
        "403": "The API key lacks the scope read, or the request comes from another site.",
        **_OF_BODY,
        "429": "The API key is over its rate: nothing was done, try again.",
    },
    ("delete", "/session"): {"403": "The request comes from another site."},
    ("get", "/health/live"): {"503": "Too many connections are open: try again."},
}
_SET_COOKIE = OpenAPIHeader(
    schema=Schema(type=OpenAPIType.STRING),
    description="The cookie of who is signed in; an empty one that has ended where nobody is.",
    required=False,
)
# open to all, and of no database, or always of the same one
_READ_NOTHING = ("/health/live", "/health/ready", "/v1/events")


class Document(OpenAPI):
    """Litestar's document, completed when it is first asked for: to start needs none of it."""

    def to_schema(self) -> dict[str, Any]:
        """The whole document, the same however often it is asked for."""
        return self._whole

    @cached_property
    def _whole(self) -> dict[str, Any]:
        complete(self)
        return super().to_schema()


def complete(schema: OpenAPI) -> None:
    """Add what Litestar cannot know: the hot path, errors, and what our own code reads."""
    paths = schema.paths or {}
    named = schema.components.schemas
    derived = common.schemas() | ingest.schemas() | shapes.of_structs(*_BODIES.values())
    named |= shapes.components(derived)
    for path, item in paths.items():
        for method in ("get", "put", "delete", "post"):
            operation: Operation | None = getattr(item, method)
            if operation is not None:
                common.complete(path, operation, _ANSWERS.get((method, path), {}))
                if method == "get" and path not in _READ_NOTHING:
                    common.describe_source(operation)
                _describe_parameters(operation, named)
                if (body := _BODIES.get((method, path))) is not None:
                    _describe_body(operation, body)
    _describe_answers(
        paths["/v1/links/{vehicle_id}"].put,
        "Link",
        "The link was there: only its end was moved.",
        "The link is new.",
    )
    for path in ("/v1/records", "/v1/records/{number}/cancel"):
        _describe_answers(
            paths[path].post, "Record", "That very record was made already.", "It is new."
        )
    _describe_sign_in(paths["/session"])
    for path in ("/health/ready", "/health/reads"):
        _describe_readiness(paths[path])
    _describe_csv(paths["/v1/sessions"], is_paged=True)
    _describe_csv(paths["/v1/reports/month"], is_paged=False)
    schema.paths = {PATH: ingest.path_item(), **paths}


def _describe_parameters(operation: Operation, named: dict[str, Schema]) -> None:
    """Refer to the schemas that a parameter's title names: such a parameter is never null."""
    for parameter in operation.parameters or []:
        if isinstance(parameter, Parameter) and isinstance(parameter.schema, Schema):
            parameter.description = parameter.description or parameter.schema.description
            titles = (parameter.schema.title or "").split(" or ")
            if set(titles) <= set(named):
                found = [shapes.reference(title) for title in titles]
                parameter.schema = found[0] if len(found) == 1 else Schema(any_of=found)


def _describe_body(operation: Operation, body: type[msgspec.Struct]) -> None:
    """A body that a function of ours reads."""
    operation.request_body = RequestBody(
        required=True,
        content={"application/json": OpenAPIMediaType(schema=shapes.reference(body.__name__))},
    )


def _describe_sign_in(item: PathItem) -> None:
    """The cookie that comes and goes."""
    assert item.post is not None and item.delete is not None  # noqa: S101, PT018  see service.page
    for operation in (item.post, item.delete):
        good = (operation.responses or {})["204"]
        assert isinstance(good, OpenAPIResponse)  # noqa: S101  Litestar's own
        good.headers = {**(good.headers or {}), "Set-Cookie": _SET_COOKIE}
        good.content = None


def _describe_answers(operation: Operation | None, schema: str, known: str, new: str) -> None:
    """Both of the good answers to what may be there already."""
    assert operation is not None  # noqa: S101  see service.routes
    good = {"200": common.answer(known, schema), "201": common.answer(new, schema)}
    operation.responses = {**good, **(operation.responses or {}), **good}


def _describe_readiness(item: PathItem) -> None:
    """503 says what is not ready, unless the connection itself is one too many."""
    assert item.get is not None  # noqa: S101  see service.routes.health
    responses = item.get.responses or {}
    busy = common.problem_response("503", "It is not ready, or too many connections are open.")
    assert busy.content is not None  # noqa: S101  a problem document
    busy.content["application/json"] = OpenAPIMediaType(schema=shapes.reference("Health"))
    assert busy.headers is not None  # noqa: S101  Retry-After, which not being ready has not
    busy.headers.pop("Retry-After")
    responses["503"] = busy


def _describe_csv(item: PathItem, *, is_paged: bool) -> None:
    """It is CSV too; of a page, the header Link leads to the one that follows."""
    assert item.get is not None  # noqa: S101  see service.routes
    good = (item.get.responses or {})["200"]
    assert isinstance(good, OpenAPIResponse)  # noqa: S101  Litestar's own
    assert good.content is not None  # noqa: S101  a document
    good.content[CSV] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
    good.headers = {
        **(good.headers or {}),
        "Vary": OpenAPIHeader(schema=Schema(type=OpenAPIType.STRING, const="Accept")),
    }
    if is_paged:
        good.headers["Link"] = OpenAPIHeader(
            schema=Schema(type=OpenAPIType.STRING),
            description="Of CSV: where the page that follows is, unless this is the last.",
        )


class DecimalSchemaPlugin(OpenAPISchemaPlugin):
    """Schemas of decimals as what they are on the wire: numbers, with all their digits."""

    @staticmethod
    def is_plugin_supported_type(value: object) -> bool:
        """Whether it is Decimal."""
        return value is Decimal

    def to_openapi_schema(
        self, field_definition: FieldDefinition, schema_creator: SchemaCreator
    ) -> Schema:
        """A number."""
        return Schema(type=OpenAPIType.NUMBER)
