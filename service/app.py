"""Composition of the service: its parts, the Litestar application on them, and its front."""

import gc
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from typing import IO, Any

from litestar import Litestar, Request
from litestar.config.app import AppConfig
from litestar.datastructures import State
from litestar.di import Provide
from litestar.logging import LoggingConfig
from litestar.routes import HTTPRoute

from service import settings as environment
from service.buffer.counts import SENDER_FAMILIES
from service.database.errors import (
    DatabaseBusy,
    DatabaseSlow,
    DatabaseUnavailable,
    RuleViolation,
)
from service.database.pool import Calls, Database
from service.database.replica import Reader
from service.http import counts
from service.http.access_log import AccessLog
from service.http.body import ClientGone
from service.http.front import Front, Routed, note_of
from service.http.head_method import READING_METHODS
from service.http.problem import Fault
from service.http.proxy import Proxies
from service.http.server import end_with_supervisor
from service.ingest import answers, endpoint
from service.ingest.counts import FAMILIES as INGEST_FAMILIES
from service.keys.counts import FAMILIES as KEY_FAMILIES
from service.keys.grant import KeyRefused
from service.keys.guard import guard
from service.metrics.board import claim_or_count_alone, supervisors_board
from service.openapi import document, page
from service.page import events as page_events
from service.page import files as page_files
from service.page import routes as page_routes
from service.page import session as page_session
from service.parts import started
from service.routes import (
    alerts,
    analytics,
    chargers,
    data_health,
    device_files,
    devices,
    errors,
    explain,
    fleet,
    fleet_meters,
    health,
    hours,
    links,
    metrics,
    read_from,
    records,
    register_events,
    reports,
    sessions,
)
from service.routes.exact import ExactResponse
from service.settings import Settings, SettingsError
from service.traces.environment import tracing
from service.vitals import FAMILIES as VITAL_FAMILIES
from service.vitals import STANDBY_FAMILIES, note_start
from service.webhooks.counts import FAMILIES as WEBHOOK_FAMILIES

# our own messages, and every exception that becomes a 500; what a client did wrong is no news
_LOGGING = LoggingConfig(
    root={"level": "WARNING", "handlers": ["queue_listener"]},
    loggers={
        "service": {"level": "INFO"},
        "uvicorn.error": {"level": "ERROR"},
        # each attempt to connect, all through an outage that others have told
        "psycopg.pool": {"level": "ERROR"},
    },
    log_exceptions="always",
    disable_stack_trace={
        *range(400, 500),
        *(Fault, ClientGone, KeyRefused, RuleViolation),
        *(DatabaseUnavailable, DatabaseBusy, DatabaseSlow),
    },
)


class _Framework(Litestar):
    """Litestar without its own tracing, which it imports where it only can."""

    @staticmethod
    def _patch_opentelemetry_middleware(config: AppConfig) -> AppConfig:
        return config


def create_app(
    database_url: str | None = None,
    settings: Settings | None = None,
    read_database_url: str | None = None,
) -> Litestar:
    """The application on a database, perhaps with a replica; from the environment unless given.

    Raises SettingsError where DATABASE_URL is missing or a setting cannot be used.
    """
    settings = settings or environment.load()
    traces = tracing()
    write_url = database_url or environment.database_url()
    # what the environment says goes with the database that it names
    read_url = read_database_url or (None if database_url else environment.read_database_url())
    if not write_url:
        raise SettingsError("DATABASE_URL is not set: name the database to serve")

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None, None]:
        state = app.state
        async with started(write_url, read_url, settings, state.board, state.slab, traces) as parts:
            state.update(parts)
            yield

    def provide_database(state: State, request: Request[Any, Any, Any]) -> Calls:
        # by the method, so that no route can send a change to a replica
        if request.method not in READING_METHODS:
            return state.primary
        if state.replica is None:
            return state.reads
        return Reader(state.replica, partial(read_from.tell, note_of(request.scope)))

    def provide_readiness(state: State) -> Database:
        return state.readiness

    app = _Framework(
        route_handlers=[
            endpoint.route,
            page.assets(),
            *page_routes.HANDLERS,
            *page_session.HANDLERS,
            *page_events.HANDLERS,
            *devices.HANDLERS,
            *device_files.HANDLERS,
            *hours.HANDLERS,
            *links.HANDLERS,
            *analytics.HANDLERS,
            *fleet.HANDLERS,
            *fleet_meters.HANDLERS,
            *chargers.HANDLERS,
            *records.HANDLERS,
            *register_events.HANDLERS,
            *explain.HANDLERS,
            *data_health.HANDLERS,
            *reports.HANDLERS,
            *sessions.HANDLERS,
            *alerts.HANDLERS,
            *health.HANDLERS,
            *metrics.HANDLERS,
        ],
        guards=[guard],
        dependencies={
            "database": Provide(provide_database, sync_to_thread=False),
            "readiness": Provide(provide_readiness, sync_to_thread=False),
        },
        exception_handlers=errors.HANDLERS,
        lifespan=[lifespan],
        response_class=ExactResponse,
        openapi_config=page.config(),
        plugins=[document.DecimalSchemaPlugin()],
        logging_config=_LOGGING,
        state=State({"settings": settings, "traces": traces, "page": page_files.Files()}),
    )
    board = supervisors_board()
    families = (
        *counts.families(_routes(app), [("POST", answers.PATH)]),
        *(*INGEST_FAMILIES, *KEY_FAMILIES, *VITAL_FAMILIES, *WEBHOOK_FAMILIES),
        *(STANDBY_FAMILIES if read_url else ()),
        *(SENDER_FAMILIES if settings.buffer else ()),
    )
    slab = claim_or_count_alone(board, families)
    note_start(slab)
    app.state.update({"board": board, "slab": slab})
    return app


def _routes(app: Litestar) -> dict[str, tuple[str, ...]]:
    """The methods of each route."""
    found: dict[str, tuple[str, ...]] = {answers.PATH: ("POST",)}
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            methods = {*route.methods, "HEAD"} if "GET" in route.methods else route.methods
            found[route.path_format] = tuple(sorted(methods))
    return found


def logged(app: Litestar, settings: Settings, stream: IO[str] | None = None) -> Front:
    """The application behind its front, with an access log on `stream` or standard output.

    Ingestion goes past the framework, whose dispatch would cost as much as storing a reading does.
    """

    async def ingest(scope: Any, receive: Any, send: Any) -> None:
        scope["litestar_app"] = app
        await endpoint.ingest(scope, receive, send)

    log = AccessLog(
        as_json=settings.log_format == "json",
        slow_seconds=settings.slow_milliseconds / 1000,
        write=settings.access_log,
        stream=stream,
        traces=app.state.traces,
    )
    proxies = Proxies(Routed(app), settings.root_path, settings.trusted_proxies)
    requests = counts.Requests(app.state.slab, _routes(app))

    def stopping() -> None:
        app.state.changes.end()

    return Front(app, {answers.PATH: ingest}, log, proxies, requests, stopping)


def create_served_app() -> Front:
    """What the server's workers run: the application from the environment, behind its front."""
    settings = environment.load()
    app = logged(create_app(settings=settings), settings)
    end_with_supervisor()
    # what lives as long as the process need not be looked through for garbage again and again, and
    # a request leaves next to none that only the collector finds
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    return app
