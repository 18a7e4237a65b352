"""What commands of a DBA share: a cursor, its errors in words, and tables."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Any, cast

import click
import psycopg
from psycopg.rows import dict_row

from service.cli.databases import connect_as_admin

Cursor = psycopg.Cursor[dict[str, Any]]


def as_dba(what: str) -> Callable[[], AbstractContextManager[Cursor]]:
    """What opens a cursor as a DBA's; it raises click.ClickException for what goes wrong on it.

    `what` is done by those who may, such as "keys are made".
    """

    @contextmanager
    def cursor() -> Generator[Cursor]:
        try:
            with (
                connect_as_admin() as connection,
                connection.cursor(row_factory=dict_row) as opened,
            ):
                yield opened
        except psycopg.errors.InsufficientPrivilege as error:
            raise click.ClickException(
                f"{error.diag.message_primary}: {what} by a superuser or wattledger_dba"
            ) from error
        except (psycopg.errors.UndefinedFunction, psycopg.errors.UndefinedTable) as error:
            raise click.ClickException(
                "the database is not of this version: run `wattledger migrate`"
            ) from error
        except psycopg.Error as error:
            sentence = error.diag.message_primary or str(error)
            if error.diag.message_hint:
                sentence = f"{sentence}. {error.diag.message_hint}"
            raise click.ClickException(sentence) from error

    return cursor


def echo_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows under their columns' names."""
    table = [list(columns), *([_shown(row[name]) for name in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ",".join(cast("list[str]", value))
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M")
    return str(value)
