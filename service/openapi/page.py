"""Page of the OpenAPI document, which works without the internet, and the document's head."""

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from litestar import Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, SwaggerRenderPlugin
from litestar.openapi.spec import Components, License, OpenAPI, SecurityScheme, Tag
from litestar.static_files import (
    create_static_files_router,  # pyright: ignore[reportUnknownVariableType]
)

from service.keys.guard import OPEN
from service.openapi.document import Document

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


class _Config(OpenAPIConfig):
    """What Litestar starts a document from: its head, in a document that completes itself."""

    def to_openapi_schema(self) -> OpenAPI:
        """The head alone; Litestar adds paths and schemas."""
        return Document(**vars(super().to_openapi_schema()))


def config() -> OpenAPIConfig:
    """The document's head, and its page with assets that we serve ourselves."""
    return _Config(
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
            Tag("devices", "What people call devices, where they are, and when they retired."),
            Tag("ledger", "What people told the ledger, and why an hour has its energy."),
            Tag("links", "Which meter feeds which vehicle, and when."),
            Tag("analytics", "Energy, efficiency and loss."),
            Tag("session", "A person signs in by a key; a cookie carries it then."),
            Tag("health", "Is it alive, is it ready, and what has it counted."),
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
