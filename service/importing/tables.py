"""Tables of CSV: each row a reading, or a session's summary, with columns by name."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

import msgspec

from service.importing import columns
from service.importing.blocks import RECORDS, Block, Charge
from service.importing.errors import NotImportable
from service.importing.source import TABLE, Source
from service.importing.values import (
    REFUSE,
    Moments,
    Unreadable,
    chosen,
    number_reader,
    time_reader,
)
from service.wire import Batch, Refusal, Rows
from service.wire.faults import json_fault
from service.wire.readings import Normalised, Row, WireReading, normalise

_DELIMITERS = (",", ";", "\t", "|")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# columns that a file of refused rows begins with, so that it can be imported again
_REFUSED = ("refused_line", "refused_reason", "refused_detail")


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """How a table is to be read. None: as it says itself, of the zone that each time must."""

    given: Mapping[str, str]
    delimiter: str | None = None
    decimal: str = "."
    unit: str | None = None
    zone: ZoneInfo | None = None
    ambiguous: str = REFUSE
    time_format: str | None = None
    encoding: str | None = None
    link: bool = False


class TableReader:
    """Reads a table; `used` and `unused` tell what its columns were taken for."""

    suffix = TABLE

    def __init__(self, source: Source, table: Table) -> None:
        """Raises NotImportable where a column is not there."""
        self._source = source
        self._table = table
        encoding = table.encoding or ("utf-16" if source.head.startswith(_UTF_16) else "utf-8-sig")
        try:
            text = io.TextIOWrapper(source.data, encoding, newline="")
            start = source.head.decode(encoding, "replace")
        except LookupError as error:
            raise NotImportable(f'--encoding: "{encoding}" is not known') from error
        self._delimiter = table.delimiter or _delimiter_of(start)
        self._rows = csv.reader(text, delimiter=self._delimiter)
        self._header = [name.strip() for name in next(self._rows, list[str]())]
        self._places = columns.found(self._header, table.given)
        if table.link and columns.VEHICLE not in self._places:
            raise NotImportable(
                "--link: no column is of the vehicle that was charged: say it by --map"
                f" vehicle=COLUMN. Columns: {columns.named(self._header)}"
            )
        if not table.link:
            self._places.pop(columns.VEHICLE, None)
        self._readers = [
            (place, field, self._reader(field, place)) for field, place in self._places.items()
        ]
        self._width = len(self._header)

    @property
    def used(self) -> list[str]:
        """What each column that is used was taken for."""
        return [
            f"{field} = {self._header[place]}{self._unit_told(field, place)}"
            for field, place in self._places.items()
        ]

    @property
    def unused(self) -> list[str]:
        """The columns that no field is of."""
        used = set(self._places.values())
        return [name for place, name in enumerate(self._header) if place not in used]

    def blocks(self, skipped: int) -> Iterator[Block]:
        """Blocks of rows after so many records; rows without a value are none."""
        records, taken = skipped, list[list[str]]()
        lines = list[int]()
        try:
            for number, row in self._numbered():
                if skipped:
                    skipped -= 1
                    continue
                lines.append(number)
                taken.append(row)
                if len(taken) == RECORDS:
                    records += RECORDS
                    yield self._block(taken, lines, records)
                    taken, lines = [], []
        except Exception:
            # what could be read is stored
            if taken:
                yield self._block(taken, lines, records + len(taken))
            raise
        if taken:
            yield self._block(taken, lines, records + len(taken))

    def refused_head(self) -> str:
        """The names of the columns, and of those that tell why a row was refused."""
        return _line([*_REFUSED, *(n for n in self._header if n not in _REFUSED)], self._delimiter)

    def refused(self, raw: str, line: int, reason: str, detail: str) -> str:
        """The row, behind the line where it was and why it was refused."""
        return _line([str(line), reason, detail], self._delimiter)[:-2] + self._delimiter + raw

    def _numbered(self) -> Iterator[tuple[int, list[str]]]:
        number = self._rows.line_num + 1
        try:
            for row in self._rows:
                if any(row):
                    yield number, row
                number = self._rows.line_num + 1
        except csv.Error as error:
            raise NotImportable(
                f"{self._source.name}, line {number}: {error}; what is before that is stored"
            ) from error

    def _block(self, taken: list[list[str]], lines: list[int], records: int) -> Block:
        meters, vehicles = Rows([], []), Rows([], [])
        refused: list[Refusal] = []
        charges: list[Charge] = []
        for index, cells in enumerate(taken):
            try:
                is_vehicle, row, vehicle_id = self._take(cells)
            except Unreadable as fault:
                refused.append(Refusal(index, "malformed", str(fault)))
                continue
            side = vehicles if is_vehicle else meters
            side.indexes.append(index)
            side.rows.append(row)
            if vehicle_id is not None and not is_vehicle and row[4] is not None:
                charges.append(Charge(index, vehicle_id, row[0], row[4], row[1]))
        batch = Batch(len(taken), meters, vehicles, refused)
        return Block(batch, lines, self._raw_of(taken), charges, records, self._source.bytes_read)

    def _raw_of(self, taken: Sequence[list[str]]) -> Callable[[int], str]:
        # a file of refused rows that is imported again loses what it said of them
        told = [place for place, name in enumerate(self._header) if name in _REFUSED]

        def raw(index: int) -> str:
            cells = [cell for place, cell in enumerate(taken[index]) if place not in told]
            return _line(cells, self._delimiter)

        return raw

    def _take(self, cells: list[str]) -> tuple[bool, Row, str | None]:
        """Whether a row is a vehicle's, its row for the database, and whom it charged."""
        if len(cells) != self._width:
            raise Unreadable(
                f"it has {len(cells)} cells, where the table has {self._width} columns"
            )
        values: dict[str, Any] = {}
        for place, field, read in self._readers:
            if text := cells[place].strip():
                try:
                    values[field] = read(text) if read is not None else text
                except Unreadable as fault:
                    raise Unreadable(f'"{self._header[place]}": {fault}') from fault
        vehicle_id = cast("str | None", values.pop(columns.VEHICLE, None))
        since, until = values.get("from"), values.get("timestamp")
        if isinstance(since, Moments) or isinstance(until, Moments):
            self._choose(values)
        normalised = _normalised(values)
        return normalised[0], normalised[1], vehicle_id

    def _choose(self, values: dict[str, Any]) -> None:
        """Put one moment in the place of those that are two."""
        zone = self._table.zone
        assert zone is not None  # noqa: S101  without one nothing is ambiguous
        if "timestamp" in values:
            since, values["timestamp"] = chosen(
                values.get("from"), values["timestamp"], self._table.ambiguous, zone.key
            )
            if since is not None:
                values["from"] = since
        else:
            values["from"] = values["from"].earlier

    def _reader(self, field: str, place: int) -> Callable[[str], object] | None:
        if field in columns.TIMES:
            return time_reader(self._table.zone, self._table.time_format)
        if field in columns.TEXTS:
            return None
        divisor = 1000 if field in columns.ENERGIES and self._unit(place) == "Wh" else 1
        return number_reader(self._table.decimal, divisor)

    def _unit(self, place: int) -> str:
        return self._table.unit or columns.unit_of(self._header[place]) or "kWh"

    def _unit_told(self, field: str, place: int) -> str:
        return f" in {self._unit(place)}" if field in columns.ENERGIES else ""


def _normalised(values: dict[str, Any]) -> Normalised:
    """The row of a reading's values by their names on the wire. Raises Unreadable."""
    try:
        found = normalise(msgspec.convert(values, WireReading))
    except msgspec.ValidationError:
        found = None
    if found is not None:
        return found
    told: dict[str, Any] = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }
    raise Unreadable(json_fault(msgspec.json.encode(told)) or "it is no reading")


def _delimiter_of(start: str) -> str:
    """The delimiter that parts the first line most often."""
    first = start.splitlines()[0] if start else ""

    def columns_by(delimiter: str) -> int:
        return len(next(csv.reader([first], delimiter=delimiter), list[str]()))

    return max(_DELIMITERS, key=columns_by)


def _line(cells: Sequence[str], delimiter: str) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerow(cells)
    return text.getvalue()
