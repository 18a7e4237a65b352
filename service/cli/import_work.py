"""Work of `wattledger import`: a file is read, stored and settled, and its totals are told."""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack
from pathlib import Path

import click
import msgspec

from service import settings
from service.cli.databases import admin_url
from service.cli.import_shown import Shown, echo_left_out, echo_totals, status
from service.demo import posting, settling
from service.importing.blocks import Reader
from service.importing.errors import NotImportable
from service.importing.history import History, LeftOut
from service.importing.lines import LineReader
from service.importing.mark import Place, Totals
from service.importing.running import Import
from service.importing.source import LINES, STANDARD_INPUT, Source, base_name, opened
from service.importing.storing import Stores
from service.importing.tables import Table, TableReader


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for all files."""

    table: Table
    form: str | None
    refused: Path | None
    resume: bool
    dry: bool
    as_history: bool
    connections: int


def import_file(name: str, url: str, asked: Asked) -> Totals:
    """Import a file, and tell what became of it.

    Raises NotImportable, WireError, DatabaseError, psycopg.Error, OSError.
    """
    with opened(name) as source:
        reader = _reader(source, asked)
        path = asked.refused or Path(f"{base_name(name)}.refused.{reader.suffix}")
        if name != STANDARD_INPUT and path.exists() and path.samefile(name):
            raise NotImportable(f"{name} is where its own refused records would go: say --refused")
        with Shown(source) as shown:
            running = Import(source, reader, path, _place(name, asked), shown.tell)
            if running.begun_with:
                click.echo(f"{name}: going on after {running.begun_with:,} records")
            left_out = asyncio.run(_run(name, running, url, asked))
        echo_totals(source.name, running, dry=asked.dry)
        echo_left_out(source.name, left_out)
        for one in left_out:
            running.totals.refuse("history", one.readings)
        return running.totals


async def _run(name: str, running: Import, url: str, asked: Asked) -> list[LeftOut]:
    label = _label(name)
    async with AsyncExitStack() as opened_too:
        history = None
        if asked.as_history:
            history = await History.begin(admin_url(), label)
            opened_too.push_async_callback(history.close)
        stores = Stores(url, settings.load(), asked.connections, dry=asked.dry, history=history)
        opened_too.push_async_callback(stores.close)
        await stores.connect()
        await running.run(stores)
        left_out: list[LeftOut] = []
        if history is not None:
            with status("folding history") as shown:
                left_out = await history.finish(lambda told: shown.update(f"folding: {told}"))
        running.end()
        return left_out


def _label(name: str) -> str:
    """What an import of history is called, the same when it goes on."""
    return name if name == STANDARD_INPUT else os.path.realpath(name)


def _reader(source: Source, asked: Asked) -> Reader:
    if (asked.form or source.form()) == LINES:
        if asked.table.given or asked.table.link:
            raise NotImportable(f"{source.name} is NDJSON: --map and --link are of tables")
        return LineReader(source)
    reader = TableReader(source, asked.table)
    click.echo(f"{source.name}: {', '.join(reader.used)}")
    if reader.unused:
        click.echo(f"{source.name}: not used: {', '.join(reader.unused)}")
    return reader


def _place(name: str, asked: Asked) -> Place | None:
    if name == STANDARD_INPUT or asked.dry:
        return None
    # whatever makes other records of the same file
    table = msgspec.structs.replace(asked.table, zone=None)
    zone = asked.table.zone.key if asked.table.zone else None
    place = Place(Path(name), f"{asked.form} {zone} {table} {asked.refused} {asked.as_history}")
    if not asked.resume:
        place.remove()
    return place


def settle(url: str) -> None:
    """Settle what was stored, and keep charging, as the service does. Raises psycopg.Error."""
    with posting.connect(url) as connection, status("settling") as shown:
        settling.settle(
            connection, lambda left: shown.update(f"settling: {left:,} days of devices are left")
        )
        settling.keep_charging(
            connection, lambda kept: shown.update(f"keeping charging: {kept:,} devices")
        )
    click.echo("settled")
