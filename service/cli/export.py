"""`wattledger export`: readings, hours or sessions as CSV, NDJSON or Parquet."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Literal

import click

from service.cli.dba import as_dba
from service.cli.ending import interrupted_by_sigterm
from service.cli.export_progress import shown
from service.exports.formats import Csv, Ndjson, Writer
from service.exports.history import History
from service.exports.parquet import Parquet, ParquetNotInstalled, arrow
from service.exports.place import destination
from service.exports.subjects import Devices, Subject, subject

What = Literal["readings", "hours", "sessions"]
Format = Literal["csv", "ndjson", "parquet"]

_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
_FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
}

_cursor = as_dba("history is exported")


@click.command()
@click.argument("what", type=click.Choice(["readings", "hours", "sessions"]))
@click.option("--meter", "meters", metavar="ID", multiple=True, help="Of this meter. Repeatable.")
@click.option(
    "--vehicle", "vehicles", metavar="ID", multiple=True, help="Of this vehicle. Repeatable."
)
@click.option("--meters", "all_meters", is_flag=True, help="Of all meters.")
@click.option("--vehicles", "all_vehicles", is_flag=True, help="Of all vehicles.")
@click.option("--from", "since", metavar="TIME", help="From then on. [default: since ever]")
@click.option("--to", "until", metavar="TIME", help="Before then. [default: without end]")
@click.option(
    "--zone",
    default="UTC",
    show_default=True,
    help="Time zone of --from and --to, such as Europe/Berlin, where these have no offset.",
)
@click.option(
    "--format",
    "wanted",
    type=click.Choice(["csv", "ndjson", "parquet"]),
    help="[default: by the name of FILE, else csv]",
)
@click.option(
    "--output",
    metavar="FILE",
    default="-",
    show_default="standard output",
    help="Where to; it takes the place of a file of that name when it is whole.",
)
@click.option(
    "--compress",
    type=click.Choice(["gzip", "zstd"]),
    help="[default: by the name of FILE: .gz or .zst]",
)
@click.option(
    "--snapshot-minutes",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="How old a snapshot of the database may be when the next day is read.",
)
def export(
    what: What,
    meters: tuple[str, ...],
    vehicles: tuple[str, ...],
    all_meters: bool,
    all_vehicles: bool,
    since: str | None,
    until: str | None,
    zone: str,
    wanted: Format | None,
    output: str,
    compress: str | None,
    snapshot_minutes: float,
) -> None:
    """Write readings, hours or charging sessions to a file.

    \b
      wattledger export readings --meter M-1 --output m-1.ndjson.gz
      wattledger export hours --vehicles --from 2026-01-01 --to 2026-02-01 --output january.parquet
      wattledger export sessions --zone Europe/Berlin --from 2026-01-01 > sessions.csv

    `readings` are what devices reported, as POST /v1/ingest takes it; `hours` and `sessions` have
    the columns of bi.meter_energy_hourly, bi.vehicle_energy_hourly and bi.charging_session.
    Readings and hours are of one side: give devices, or --meters or --vehicles for all. Sessions
    are all of them, or those of the devices that are given; of a meter and a vehicle, those of
    both. An hour or session belongs to the time in which it starts.

    Energy is exact, and times are in UTC. Rows come day by day, in one snapshot of the database or
    a few. Nothing is in FILE until all of it is. Works on DATABASE_URL, a standby too, or the
    embedded database, as a superuser or wattledger_dba. Parquet needs the extra parquet:
    pip install 'wattledger[parquet]'.
    """
    side, devices = _devices(what, meters, vehicles, all_meters, all_vehicles)
    file = None if output == "-" else Path(output)
    form, compression = _form(file, wanted, compress)
    with interrupted_by_sigterm():
        try:
            _write(
                subject(what, side),
                devices,
                (since, until, zone),
                file,
                form,
                compression,
                snapshot_minutes * 60,
            )
        except BrokenPipeError:
            # whoever reads has enough
            raise
        except OSError as error:
            raise click.ClickException(f"nothing was exported: {error}") from error


def _write(
    of: Subject,
    devices: Devices,
    asked: tuple[str | None, str | None, str],
    file: Path | None,
    form: Format,
    compression: str | None,
    seconds: float,
) -> None:
    began = time.monotonic()
    with _cursor() as cursor:
        history = History(cursor.connection, of, devices, seconds=seconds)
        history.look_up(*asked)
        with destination(file, compression) as opened:
            writer: Writer
            if form == "parquet":
                writer = Parquet(opened, history.columns)
            elif form == "ndjson":
                writer = Ndjson(opened, history.columns, is_sparse=of.is_sparse)
            else:
                writer = Csv(opened, history.columns)
            with shown(history) as tell:
                for lines in history.batches():
                    writer.write(lines)
                    tell()
            writer.close()
    moments = "one moment" if history.snapshots == 1 else f"{history.snapshots} moments"
    where = f"{file}, {file.stat().st_size:,} bytes" if file else "standard output"
    click.echo(
        f"{history.rows:,} rows as of {moments} went to {where}, in"
        f" {time.monotonic() - began:.1f} s",
        err=True,
    )


def _devices(
    what: What,
    meters: tuple[str, ...],
    vehicles: tuple[str, ...],
    all_meters: bool,
    all_vehicles: bool,
) -> tuple[str, Devices]:
    """The side, and whose history it is. Raises click.UsageError."""
    if (meters and all_meters) or (vehicles and all_vehicles):
        raise click.UsageError("all devices of a side, or some of them: not both")
    if what == "sessions":
        return "meter", Devices(meters or None, vehicles or None, needs_vehicle=all_vehicles)
    if bool(meters or all_meters) == bool(vehicles or all_vehicles):
        raise click.UsageError(
            f"{what} are of one side: give --meter ID or --meters, or --vehicle ID or --vehicles"
        )
    side = "meter" if meters or all_meters else "vehicle"
    return side, Devices(meters or None, vehicles or None)


def _form(
    file: Path | None, wanted: Format | None, compress: str | None
) -> tuple[Format, str | None]:
    """Format and compression, by what is told and by the file's name. Raises click.UsageError."""
    suffixes = [suffix.lower() for suffix in file.suffixes] if file else []
    by_name = _COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    if by_name:
        suffixes.pop()
    form = wanted or (_FORMATS.get(suffixes[-1], "csv") if suffixes else "csv")
    compression = compress or by_name
    if form == "parquet":
        if compression:
            raise click.UsageError(
                "Parquet is compressed inside: leave out --compress, .gz and .zst"
            )
        try:
            arrow()
        except ParquetNotInstalled as error:
            raise click.ClickException(str(error)) from error
    if file is None and (form == "parquet" or compression) and sys.stdout.isatty():
        raise click.UsageError("that is not for a terminal: name a file by --output")
    return form, compression
