"""Liveness and readiness."""

from functools import cache
from typing import Literal

import msgspec
from litestar import Response, get
from litestar.datastructures import State

from service.database.errors import DatabaseUnavailable
from service.database.pool import Calls
from service.database.replica import Replica, Source
from service.keys.guard import OPEN
from service.migrate.edition import Edition
from service.migrate.files import definitions_hash, migration_hashes
from service.routes.parameters import FromDatabase, FromReadiness


class Health(msgspec.Struct, omit_defaults=True):
    """Whether all is well, and what is not; `warnings` are of what is served all the same.

    `reads` says what answers them, where there is a replica for reads.
    """

    status: Literal["ok", "unavailable"]
    problems: list[str] = []
    warnings: list[str] = []
    reads: Source | None = None


# the functions of api as this version calls them; what goes up together with it is in
# sql/api/installed_version.sql
CONTRACT = 1


# named, so that a newer function may return more
_INSTALLED = (
    "SELECT i.last_migration, i.definitions_sha256, i.earlier_definitions_sha256,"
    " i.contract, i.oldest_contract, i.edition FROM api.installed_version() AS i"
)


class _Installed(msgspec.Struct):
    last_migration: str | None
    definitions_sha256: str | None
    earlier_definitions_sha256: list[str]
    contract: int
    oldest_contract: int
    edition: Edition


@cache
def _shipped(edition: Edition) -> tuple[str, str]:
    """The last migration and the definitions' hash that this version brings, read once."""
    return max(migration_hashes(edition)), definitions_hash(edition)


def _unfit(installed: _Installed) -> str | None:
    """Why this version cannot work with the database, None if it can: also with a newer one."""
    last, definitions = _shipped(installed.edition)
    present = installed.last_migration or ""
    if present < last:
        return f"the database is not at migration {last}: run wattledger migrate"
    if installed.contract < CONTRACT:
        return (
            "the database's functions are older than this version of the service needs:"
            " run wattledger migrate"
        )
    if installed.oldest_contract > CONTRACT:
        return (
            "the database's functions are too new for this version of the service:"
            " replace it by the version that the database was migrated by"
        )
    if present > last or installed.contract > CONTRACT:
        return None
    # the same numbers: then it is not older if it has, or once had, what this version brings
    if definitions in (installed.definitions_sha256, *installed.earlier_definitions_sha256):
        return None
    return "the database has other definitions: run wattledger migrate"


@get("/health/live", tags=["health"], opt=OPEN, security=[{}], sync_to_thread=False)
def live() -> Health:
    """The process answers."""
    return Health("ok")


async def _trouble(database: Calls) -> list[str]:
    """Why what a database is asked cannot be answered; nothing if it can."""
    try:
        installed = await database.one(_Installed, _INSTALLED)
    except DatabaseUnavailable as error:
        return [str(error)]
    assert installed is not None  # noqa: S101  the function returns one row
    unfit = _unfit(installed)
    return [unfit] if unfit else []


@get("/health/ready", tags=["health"], opt=OPEN, security=[{}])
async def ready(readiness: FromReadiness, state: State) -> Response[Health]:
    """The database answers, this version can work with it, and readings can be written.

    A replica for reads that is away is a warning: the database itself answers them meanwhile. So is
    a database that is away where a buffer takes readings.
    """
    replica: Replica | None = state.replica
    trouble = await _trouble(readiness)
    problems = [] if state.settings.buffer else trouble
    if not problems and not state.writer.connected:
        problems.append(
            "the buffer takes no readings"
            if state.settings.buffer
            else "no connection for writing readings yet"
        )
    health = Health("unavailable" if problems else "ok", problems)
    if state.settings.buffer:
        health.warnings.extend(trouble)
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
    problems = await _trouble(database)
    health = Health("unavailable" if problems else "ok", problems)
    if replica is not None and not problems:
        health.reads = replica.source
    return Response(health, status_code=503 if problems else 200)


HANDLERS = [live, ready, reads]
