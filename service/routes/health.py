"""Liveness and readiness."""

from typing import Literal

import msgspec
from litestar import Response, get
from litestar.datastructures import State

from service.database.replica import Replica, Source
from service.keys.guard import OPEN
from service.migrate.fitness import trouble
from service.routes.parameters import FromDatabase, FromReadiness


class Health(msgspec.Struct, omit_defaults=True):
    """Whether all is well, and what is not; `warnings` are of what is served all the same.

    `reads` says what answers them, where there is a replica for reads.
    """

    status: Literal["ok", "unavailable"]
    problems: list[str] = []
    warnings: list[str] = []
    reads: Source | None = None


@get("/health/live", tags=["health"], opt=OPEN, security=[{}], sync_to_thread=False)
def live() -> Health:
    """The process answers."""
    return Health("ok")


@get("/health/ready", tags=["health"], opt=OPEN, security=[{}])
async def ready(readiness: FromReadiness, state: State) -> Response[Health]:
    """The database answers, this version can work with it, and readings can be written.

    A replica for reads that is away is a warning: the database itself answers them meanwhile. So is
    a database that is away where a buffer takes readings.
    """
    replica: Replica | None = state.replica
    found = await trouble(readiness)
    problems = [] if state.settings.buffer else found
    if not problems and not state.writer.connected:
        problems.append(
            "the buffer takes no readings"
            if state.settings.buffer
            else "no connection for writing readings yet"
        )
    health = Health("unavailable" if problems else "ok", problems)
    if state.settings.buffer:
        health.warnings.extend(found)
    if replica is not None:
        if replica.trouble:
            health.warnings.append(f"reads go to the primary: {replica.trouble}")
        health.reads = replica.source
    return Response(health, status_code=503 if problems else 200)


@get("/health/reads", tags=["health"], opt=OPEN, security=[{}])
async def reads(database: FromDatabase, state: State) -> Response[Health]:
    """What is read is answered, by the database or its replica, whether or not readings are taken.

    For load balancers in front of a service with a replica.
    """
    replica: Replica | None = state.replica
    problems = await trouble(database)
    health = Health("unavailable" if problems else "ok", problems)
    if replica is not None and not problems:
        health.reads = replica.source
    return Response(health, status_code=503 if problems else 200)


HANDLERS = [live, ready, reads]
