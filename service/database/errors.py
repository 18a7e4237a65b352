"""Errors of the database, by SQLSTATE: whose trouble each is, and whether to try again."""

import logging
import math
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from enum import Enum, auto
from time import monotonic

import psycopg
from psycopg_pool import PoolTimeout

from service.recent import Recent

_log = logging.getLogger(__name__)

_COMPLAINT_SECONDS = 60.0

# when the operator was told what
_complained: Recent[str, float] = Recent(100)


class DatabaseError(Exception):
    """The database did not do what it was asked."""


class DatabaseUnavailable(DatabaseError):
    """The database is away or too busy; the same call may succeed later."""


class DatabaseBusy(DatabaseUnavailable):
    """Others were at the same rows; the same call may succeed at once."""


class DatabaseSlow(DatabaseUnavailable):
    """The call took too long, or no connection became free for it; another may succeed."""


class RuleViolation(DatabaseError):
    """A function of ours refused the call: an error of the caller, with the cure in `hint`."""

    def __init__(self, code: str, message: str, hint: str | None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class Meaning(Enum):
    """What an error says of the call that met it."""

    # the server's trouble, or an operator's: the same call may succeed later
    AWAY = auto()
    # it took too long, or waited too long for others: likewise
    SLOW = auto()
    # others were at the same rows: the same call may succeed at once
    IN_THE_WAY = auto()
    # the functions miss a row that they work by, or one another: the operator's to put right
    INCOMPLETE = auto()
    # a function, a column or a right is missing, which no caller can help
    OTHER_VERSION = auto()
    # a function of ours refused what the caller asked for
    RULE = auto()
    # what the statement itself causes: another one may pass
    STATEMENT = auto()


# by the first characters of a SQLSTATE; the longest counts, and what is not here is the statement's
_BY_SQLSTATE: dict[str, tuple[Meaning, str]] = {
    # the connection, or making one
    "08": (Meaning.AWAY, "the database is away"),
    "28": (Meaning.AWAY, "the database is away"),
    "3D": (Meaning.AWAY, "the database is away"),
    # an operator, a start, a stop or a crash
    "57": (Meaning.AWAY, "the database is away"),
    # a standby, or a primary that was made one; the reading is good
    "25006": (Meaning.AWAY, "the database takes no changes now"),
    # full disks, no memory, no connection left; an answer of "not stored" for ever would be wrong
    "53": (Meaning.AWAY, "the database has no disk, memory or connections left"),
    # disks that cannot be read or written
    "58": (Meaning.AWAY, "the database has trouble with its disk"),
    "F0": (Meaning.AWAY, "the database has trouble with its disk"),
    "XX001": (Meaning.AWAY, "the database has trouble with its disk"),
    "XX002": (Meaning.AWAY, "the database has trouble with its disk"),
    # but for a limit on what one statement does, such as TimescaleDB's on compressed rows
    "53400": (Meaning.STATEMENT, ""),
    # statement_timeout, lock_timeout, and those of idle or long transactions
    "57014": (Meaning.SLOW, "the database did not answer in time"),
    # what is to be changed is in use, or not in a state for it
    "55": (Meaning.AWAY, "the database cannot be changed now"),
    "55P03": (Meaning.SLOW, "the database did not answer in time"),
    "25P03": (Meaning.SLOW, "the database did not answer in time"),
    "25P04": (Meaning.SLOW, "the database did not answer in time"),
    # deadlocks, and on a replica what the primary changed meanwhile
    "40001": (Meaning.IN_THE_WAY, "others were at the same rows"),
    "40P01": (Meaning.IN_THE_WAY, "others were at the same rows"),
    "3F": (Meaning.OTHER_VERSION, "the database is not of this version: run wattledger migrate"),
    "42": (Meaning.OTHER_VERSION, "the database is not of this version: run wattledger migrate"),
    "WL": (Meaning.RULE, ""),
    "WL05": (Meaning.INCOMPLETE, "the database's configuration is incomplete"),
    "WL051": (Meaning.INCOMPLETE, "the database's functions do not fit together"),
    "WL052": (Meaning.INCOMPLETE, "the database's transactions are not READ COMMITTED"),
}


def meaning_of(error: psycopg.Error) -> tuple[Meaning, str]:
    """What an error means, and what to tell who must try again."""
    code = error.sqlstate
    if code is None:
        # a connection that broke tells no code; what else has none is the driver's, of the call
        broken = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return (Meaning.AWAY, "the database is away") if broken else (Meaning.STATEMENT, "")
    for length in (5, 4, 2):
        if (found := _BY_SQLSTATE.get(code[:length])) is not None:
            return found
    return Meaning.STATEMENT, ""


@asynccontextmanager
async def translated_errors() -> AsyncGenerator[None, None]:
    """Turn the driver's errors into ours, by SQLSTATE, never by text.

    What the statement itself caused stays a psycopg.Error.
    """
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseSlow("no database connection became free in time") from error
    except psycopg.Error as error:
        meaning, text = meaning_of(error)
        if meaning is Meaning.STATEMENT:
            raise
        message, hint = error.diag.message_primary or "", error.diag.message_hint
        if meaning is Meaning.RULE:
            raise RuleViolation(error.sqlstate or "", message, hint) from error
        if meaning is Meaning.IN_THE_WAY:
            raise DatabaseBusy(text) from error
        if meaning is Meaning.SLOW:
            raise DatabaseSlow(text) from error
        if meaning is Meaning.INCOMPLETE:
            text = f"{text}: {message}"
            _complain(text, hint)
        raise DatabaseUnavailable(text) from error


def _complain(text: str, hint: str | None) -> None:
    """Tell the operator what every request meets, now and then."""
    now = monotonic()
    if now - _complained.get(text, -math.inf) >= _COMPLAINT_SECONDS:
        _complained.put(text, now)
        _log.error("%s; %s", text, hint or "requests are answered with 503 meanwhile")
