"""Liveness and readiness."""

from typing import Literal

import msgspec
from litestar import Response, get
from litestar.datastructures import State

from service.database.replica import Replica, Source
from service.keys.guard import OPEN
from service.metrics.exposition import BUFFER_DELAY, BUFFER_LAG, BUFFER_WORKERS, published
from service.migrate.fitness import trouble
from service.routes.parameters import FromDatabase, FromReadiness


class BufferHealth(msgspec.Struct):
    """How the buffer is: whether it takes readings of the process that answers, and what waits.

    `lag_records`: records that are not stored; `delay_seconds`: age of the oldest of them;
    `workers`: how many store them. Null where that is not known now.
    """

    connected: bool
    lag_records: int | None
    delay_seconds: float | None
    workers: int | None


class Health(msgspec.Struct, omit_defaults=True):
    """Whether all is well, and what is not; `warnings` are of what is served all the same.

    `reads` says what answers them, where there is a replica for reads, and `buffer` how that is.
    """

    status: Literal["ok", "unavailable"]
    problems: list[str] = []
    warnings: list[str] = []
    reads: Source | None = None
    buffer: BufferHealth | None = None


def _of_buffer(state: State) -> BufferHealth:
    known: dict[str, list[float]] = {}
    found = published(state.board)
    for one in found.buffer if found else ():
        known.setdefault(one.name, []).append(one.value)
    lag, delay, workers = (known.get(name) for name in (BUFFER_LAG, BUFFER_DELAY, BUFFER_WORKERS))
    return BufferHealth(
        state.writer.connected,
        None if lag is None else round(sum(lag)),
        None if delay is None else round(delay[0], 3),
        None if workers is None else round(workers[0]),
    )


@get("/health/live", tags=["health"], opt=OPEN, security=[{}], sync_to_thread=False)
def live() -> Health:
    """The process answers."""
    return Health("ok")


@get("/health/ready", tags=["health"], opt=OPEN, security=[{}])
async def ready(readiness: FromReadiness, state: State) -> Response[Health]:
    """The database answers, this version can work with it, and readings can be written.

    A replica for reads that is away is a warning: the database itself answers them meanwhile. So is
    a database that is away where a buffer takes readings, and a buffer that no worker empties; what
    waits in it is told, and is no problem.
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
        health.buffer = _of_buffer(state)
        if health.buffer.workers == 0:
            health.warnings.append("no worker stores what the buffer holds")
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
