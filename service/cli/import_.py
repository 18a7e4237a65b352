"""`wattledger import`: files of readings and of charging sessions into the ledger."""

from __future__ import annotations

import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import psycopg

from service.cli.databases import service_url
from service.cli.ending import interrupted_by_sigterm
from service.cli.import_work import Asked, import_file, settle
from service.database.conninfo import reason
from service.database.errors import DatabaseError
from service.importing.errors import NotImportable
from service.importing.source import LINES, TABLE, base_name
from service.importing.tables import Table
from service.importing.values import EARLIER, LATER, REFUSE, zone_named
from service.wire import WireError

# some records were refused, and all others are stored
_SOME_REFUSED = 3
_DELIMITERS = {"tab": "\t", "\\t": "\t"}


@click.command(name="import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--format",
    "form",
    type=click.Choice([TABLE, LINES]),
    help="What the files are; told by their content and names unless given.",
)
@click.option(
    "--map",
    "given",
    multiple=True,
    metavar="OURS=THEIRS",
    help='Which column a field is in, such as meterId="Charge point"; repeatable.',
)
@click.option("--zone", metavar="ZONE", help="Of times without an offset, such as Europe/Berlin.")
@click.option(
    "--ambiguous",
    type=click.Choice([EARLIER, LATER, REFUSE]),
    default=REFUSE,
    show_default=True,
    help="Which one, of a local time that is there twice, where clocks are set back.",
)
@click.option("--time-format", metavar="FORM", help='Of times, such as "%d.%m.%Y %H:%M".')
@click.option(
    "--unit",
    type=click.Choice(["Wh", "kWh"]),
    help="Of energies and registers; what a column's name says, else kWh.",
)
@click.option(
    "--decimal", type=click.Choice([".", ","]), default=".", show_default=True, help="In numbers."
)
@click.option("--delimiter", metavar="CHARACTER", help="Between columns; found unless given.")
@click.option("--encoding", metavar="NAME", help="Of a table's text; UTF-8 or UTF-16 unless given.")
@click.option("--link", is_flag=True, help="Link the vehicle of each session to its meter.")
@click.option(
    "--refused",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where refused records go; NAME.refused.csv or .ndjson here unless given.",
)
@click.option(
    "--resume/--no-resume",
    default=True,
    show_default=True,
    help="Go on where an import of the same file was stopped.",
)
@click.option(
    "--as-history",
    is_flag=True,
    help="Also take what is older than raw readings are kept; as a superuser or wattledger_dba.",
)
@click.option("--dry-run", "dry", is_flag=True, help="Try all of it, and store nothing.")
@click.option(
    "--settle/--no-settle",
    "settled",
    default=True,
    show_default=True,
    help="Settle what was stored.",
)
@click.option(
    "--connections",
    type=click.IntRange(1, 16),
    default=2,
    show_default=True,
    help="How many store side by side.",
)
def import_(
    *,
    files: tuple[str, ...],
    form: str | None,
    given: tuple[str, ...],
    zone: str | None,
    ambiguous: str,
    time_format: str | None,
    unit: str | None,
    decimal: str,
    delimiter: str | None,
    encoding: str | None,
    link: bool,
    refused: Path | None,
    resume: bool,
    as_history: bool,
    dry: bool,
    settled: bool,
    connections: int,
) -> None:
    """Store files of readings or charging sessions; - is standard input.

    A file is CSV with the names of its columns in the first line, or NDJSON as POST /v1/ingest
    takes it; either may be compressed by gzip or zstd. Rows are readings, differences as well as
    registers, or summaries of sessions with a start and an end. Columns are found by our names
    (meterId or meter_id, kwhConsumedAc, timestamp, from, session and so on) and by those that
    exports of operators have: charger, station or EVSE id; start and end; energy; session or
    transaction id; vehicle, card or token. What was found is told first; --map says it otherwise.

    Rows are stored by the functions that the service calls, into DATABASE_URL or the embedded
    database, and refused for the same reasons. What is refused goes to a file with its line and
    why, from where it can be imported again once it is put right. What is there already is a
    duplicate, so an import may be repeated. Stopped or killed, the same command goes on where it
    was: FILE.wattledger-import, beside FILE, keeps how far it got, until all is stored.

    What is older than raw readings are kept is refused as too_old. With --as-history it is staged,
    folded into hours, days, sessions and the registers' levels, and not kept itself; devices that
    have energy of that time already are left out.

    The status is 0 where all is in, 3 where some were refused, and 1 where it failed.

    \b
    wattledger import sessions.csv --zone Europe/Berlin --link
    wattledger import export.csv.gz --map meterId="Charge point" --unit Wh --decimal ,
    zcat readings.ndjson.gz | wattledger import -
    """
    table = Table(
        given=_mapping(given),
        delimiter=_delimiter(delimiter),
        decimal=decimal,
        unit=unit,
        zone=_zone(zone),
        ambiguous=ambiguous,
        time_format=time_format,
        encoding=encoding,
        link=link,
    )
    asked = Asked(
        table=table,
        form=form,
        refused=refused,
        resume=resume,
        dry=dry,
        as_history=as_history,
        connections=connections,
    )
    if refused is not None and len(files) > 1:
        raise click.UsageError("--refused is of one file: leave it out, or import one by one")
    if as_history and dry:
        raise click.UsageError("--dry-run cannot try --as-history: leave one of them out")
    if len(set(files)) < len(files):
        raise click.UsageError("a file is named twice")
    if len({base_name(name) for name in files}) < len(files):
        raise click.UsageError(
            "two files have one name, as their refused records would: import one by one"
        )
    url = service_url()
    with interrupted_by_sigterm():
        try:
            totals = [import_file(name, url, asked) for name in files]
            # what was there already may wait since an import that was stopped while it settled
            if not dry and any(one.stored or one.links or one.duplicates for one in totals):
                if settled:
                    settle(url)
                else:
                    click.echo("the service settles it; where none runs: wattledger maintain")
        except KeyboardInterrupt:
            click.echo("\nstopped; the same command goes on where it was", err=True)
            sys.exit(130)
        except (NotImportable, WireError, DatabaseError) as error:
            raise click.ClickException(str(error)) from error
        except psycopg.Error as error:
            raise click.ClickException(f"the import failed: {reason(error)}") from error
        except OSError as error:
            raise click.ClickException(f"{error.filename or 'a file'}: {error.strerror}") from error
    if any(one.refused for one in totals):
        sys.exit(_SOME_REFUSED)


def _mapping(given: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        ours, equals, theirs = text.partition("=")
        if not (ours and equals and theirs):
            raise click.BadParameter(f'"{text}" is not OURS=THEIRS', param_hint="--map")
        if ours in found:
            raise click.BadParameter(f"{ours} is given twice", param_hint="--map")
        found[ours] = theirs
    return found


def _delimiter(text: str | None) -> str | None:
    found = _DELIMITERS.get(text or "", text)
    if found is not None and len(found) != 1:
        raise click.BadParameter("it is one character, or tab", param_hint="--delimiter")
    return found


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else zone_named(name)
    except NotImportable as error:
        raise click.BadParameter(str(error), param_hint="--zone") from error
