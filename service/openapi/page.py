"""The OpenAPI document and its page, which works without the internet."""

import inspect
from decimal import Decimal
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from litestar import Litestar, Router
from litestar._openapi.schema_generation import SchemaCreator
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, SwaggerRenderPlugin
from litestar.openapi.spec import (
    Components,
    License,
    OpenAPIMediaType,
    Operation,
    Parameter,
    PathItem,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
    Tag,
)
from litestar.openapi.spec.enums import OpenAPIType
from litestar.plugins import OpenAPISchemaPlugin
from litestar.static_files import (
    create_static_files_router,  # pyright: ignore[reportUnknownVariableType]
)
from litestar.typing import FieldDefinition

from service.ingest import answers
from service.keys.guard import OPEN
from service.openapi import common as documented
from service.openapi import ingest as document
from service.routes.links import NewLink
from service.routes.paging import PLACE_OR_ID_PATTERN

PATH = "/docs"
_ASSETS = f"{PATH}/assets"
_ICON = (
    '<link rel="icon" href="data:image/svg+xml,'
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>"
    "<path d='M9 0 3 9h4l-1 7 7-9H9z' fill='%23e0a000'/></svg>\">"
)


def _root(request: Any) -> str:
    """The path prefix below which a reader reaches the service; empty for none."""
    return request.scope.get("root_path", "")


def _placed(request: Any, schema: dict[str, Any]) -> dict[str, Any]:
    """The document for that reader."""
    return {**schema, "servers": [{"url": _root(request) or "/"}]}


class _Document(JsonRenderPlugin):
    """The document, whose paths are below the prefix of the request."""

    def render(self, request: Any, openapi_schema: dict[str, Any]) -> bytes:
        """The document as JSON."""
        placed = _placed(request, openapi_schema)
        return self.render_json(request, placed)  # pyright: ignore[reportUnknownMemberType]


class _Page(SwaggerRenderPlugin):
    """The page, whose assets are below the prefix of the request too."""

    def render(self, request: Any, openapi_schema: dict[str, Any]) -> bytes:
        """The page as HTML."""
        placed = _placed(request, openapi_schema)
        page = super().render(request, placed)  # pyright: ignore[reportUnknownMemberType]
        return page.replace(f'="{_ASSETS}/'.encode(), f'="{_root(request)}{_ASSETS}/'.encode())


def config() -> OpenAPIConfig:
    """The document's head, and its page with assets that we serve ourselves."""
    return OpenAPIConfig(
        title="Wattledger",
        version=version("wattledger"),
        description="The ledger of a charging fleet's energy: AC drawn from the grid, DC that"
        " reached the battery, and what was lost between. Errors are RFC 9457 problem documents."
        " Every path that has GET answers HEAD too, the same without the body.",
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        path=PATH,
        openapi_router=Router(
            PATH, route_handlers=[], include_in_schema=False, dto=None, return_dto=None, opt=OPEN
        ),
        components=Components(
            security_schemes={
                "key": SecurityScheme(
                    type="http",
                    scheme="bearer",
                    description="An API key: `wattledger key create` makes one.",
                )
            }
        ),
        security=[{"key": []}],
        tags=[
            Tag("ingest", "Devices and their gateways post readings."),
            Tag("state", "The latest reading of each device."),
            Tag("links", "Which meter feeds which vehicle, and when."),
            Tag("analytics", "Energy, efficiency and loss."),
            Tag("health", "Is it alive, is it ready."),
        ],
        render_plugins=[
            _Page(
                js_url=f"{_ASSETS}/swagger-ui-bundle.js",
                standalone_preset_js_url=f"{_ASSETS}/swagger-ui-standalone-preset.js",
                css_url=f"{_ASSETS}/swagger-ui.css",
                favicon=_ICON,
                path="/",
            ),
            _Document(path="/openapi.json"),
        ],
    )


def assets() -> Router:
    """The page's scripts and styles, from the package that brings them."""
    found = find_spec("swagger_ui")
    locations = found.submodule_search_locations if found else None
    directory = Path(next(iter(locations or []))) / "static"
    return create_static_files_router(
        path=_ASSETS, directories=[directory], include_in_schema=False, tags=[], opt=OPEN
    )


def complete(app: Litestar) -> None:
    """Add what Litestar cannot know: the hot path, errors, and what our own code reads."""
    schema = app.openapi_schema
    paths = schema.paths or {}
    for path, item in paths.items():
        for method in ("get", "put", "delete"):
            operation: Operation | None = getattr(item, method)
            if operation is not None:
                documented.complete(path, operation, _ANSWERS.get((method, path), {}))
                _plain_parameters(operation)
    _describe_link(paths["/v1/links/{vehicle_id}"], schema.components.schemas)
    _describe_readiness(paths["/health/ready"])
    schema.paths = {answers.PATH: document.path_item(), **paths}
    schema.components.schemas.update(documented.schemas() | document.schemas())


_ANSWERS = {
    ("put", "/v1/links/{vehicle_id}"): {
        "408": "The request's head, or its body, did not come in time.",
        "409": "The vehicle or the meter is linked elsewhere in that time; the hint helps.",
        "413": "The body is too large.",
        "415": "The content type, its charset or the content encoding is not known.",
    },
    ("delete", "/v1/links/{vehicle_id}"): {
        "409": "One link of the vehicle ends at that time, and another starts.",
    },
    ("get", "/health/live"): {"503": "Too many connections are open: try again."},
}


def _plain_parameters(operation: Operation) -> None:
    """Let parameters that may be left out be what they are where they are not, never null."""
    for parameter in operation.parameters or []:
        if not isinstance(parameter, Parameter) or not isinstance(parameter.schema, Schema):
            continue
        found = parameter.schema
        if documented.MOMENT_WORDS in (parameter.description or ""):
            parameter.schema = documented.reference(documented.MOMENT)
        elif found.pattern == PLACE_OR_ID_PATTERN:
            names = (documented.PLACE, documented.DEVICE_ID)
            parameter.schema = Schema(any_of=[documented.reference(name) for name in names])
        elif found.pattern is not None:
            parameter.schema = documented.reference(documented.DEVICE_ID)
        parameter.description = parameter.description or found.description


def _describe_link(item: PathItem, schemas: dict[str, Schema]) -> None:
    """The body of a new link, which a function of ours reads, and both of its good answers."""
    assert item.put is not None  # noqa: S101  see service.routes.links
    moment = documented.reference(documented.MOMENT)
    ends: dict[str, Schema | Reference] = {
        name: Schema(any_of=[moment, Schema(type=OpenAPIType.NULL)]) for name in ("from", "to")
    }
    schemas["NewLink"] = Schema(
        type=OpenAPIType.OBJECT,
        description=inspect.getdoc(NewLink),
        required=["meterId"],
        properties={
            "meterId": documented.reference(documented.DEVICE_ID),
            **ends,
            "replace": Schema(type=OpenAPIType.BOOLEAN, default=False),
        },
        additional_properties=False,
    )
    item.put.request_body = RequestBody(
        required=True,
        content={"application/json": OpenAPIMediaType(schema=documented.reference("NewLink"))},
    )
    good = {
        "200": documented.answer("The link was there: only its end was moved.", "Link"),
        "201": documented.answer("The link is new.", "Link"),
    }
    item.put.responses = {**good, **(item.put.responses or {}), **good}


def _describe_readiness(item: PathItem) -> None:
    """503 says what is not ready, unless the connection itself is one too many."""
    assert item.get is not None  # noqa: S101  see service.routes.health
    responses = item.get.responses or {}
    busy = documented.problem_response("503", "It is not ready, or too many connections are open.")
    assert busy.content is not None  # noqa: S101  a problem document
    busy.content["application/json"] = OpenAPIMediaType(schema=documented.reference("Health"))
    assert busy.headers is not None  # noqa: S101  Retry-After, which not being ready has not
    busy.headers.pop("Retry-After")
    responses["503"] = busy


class DecimalSchemaPlugin(OpenAPISchemaPlugin):
    """Describe decimals as what they are on the wire: numbers, with all their digits."""

    @staticmethod
    def is_plugin_supported_type(value: object) -> bool:
        """Whether it is Decimal."""
        return value is Decimal

    def to_openapi_schema(
        self, field_definition: FieldDefinition, schema_creator: SchemaCreator
    ) -> Schema:
        """A number."""
        return Schema(type=OpenAPIType.NUMBER)
