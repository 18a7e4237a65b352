"""Parquet, by Apache Arrow: each column with its type, energies as decimals, times in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any, BinaryIO

from service.exports.history import Column

# in one row group, which readers take as a whole
_GROUP_ROWS = 65_536


class ParquetNotInstalled(Exception):
    """Parquet needs the extra parquet: pip install 'wattledger[parquet]'."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class Parquet:
    """A Parquet file, compressed by Zstandard. Raises ParquetNotInstalled."""

    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        # it has no types of its own
        self._arrow: Any = arrow()
        self._csv: Any = import_module("pyarrow.csv")
        parquet: Any = import_module("pyarrow.parquet")
        fields = [(column.shown, self._type(column)) for column in columns]
        schema = self._arrow.schema(fields)
        self._named: Any = self._csv.ReadOptions(column_names=schema.names, use_threads=False)
        # a quoted text may have the end of a line in it
        self._parsed: Any = self._csv.ParseOptions(newlines_in_values=True)
        self._typed: Any = self._csv.ConvertOptions(
            column_types=schema,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        self._writer: Any = parquet.ParquetWriter(file, schema, compression="zstd")
        self._lines: list[bytes] = []

    def write(self, lines: list[bytes]) -> None:
        self._lines += lines
        if len(self._lines) >= _GROUP_ROWS:
            self._write_group()

    def close(self) -> None:
        if self._lines:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        text = self._arrow.py_buffer(b"".join(self._lines))
        self._lines.clear()
        table = self._csv.read_csv(
            self._arrow.BufferReader(text),
            read_options=self._named,
            parse_options=self._parsed,
            convert_options=self._typed,
        )
        self._writer.write_table(table)

    def _type(self, column: Column) -> Any:
        arrow = self._arrow
        match column.kind:
            case "time":
                return arrow.timestamp("us", tz="UTC")
            case "date":
                return arrow.date32()
            case "exact":
                return arrow.decimal128(column.precision, column.scale)
            case "whole":
                return arrow.int64()
            case "real":
                return arrow.float64()
            case "truth":
                return arrow.bool_()
            case "text" | "json":
                return arrow.string()


def arrow() -> Any:
    """Apache Arrow's package. Raises ParquetNotInstalled."""
    try:
        return import_module("pyarrow")
    except ImportError as error:
        raise ParquetNotInstalled from error
