"""Fitness of a database for this version: it answers, and was migrated for what calls it."""

from functools import cache

import msgspec

from service.database.errors import DatabaseUnavailable
from service.database.pool import Calls
from service.migrate.edition import Edition
from service.migrate.files import definitions_hash, migration_hashes

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


async def trouble(database: Calls) -> list[str]:
    """Why what a database is asked cannot be answered; nothing if it can."""
    try:
        installed = await database.one(_Installed, _INSTALLED)
    except DatabaseUnavailable as error:
        return [str(error)]
    assert installed is not None  # noqa: S101  the function returns one row
    unfit = _unfit(installed)
    return [unfit] if unfit else []
