"""Lines of NDJSON, each a reading as the wire has it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from service.importing.blocks import RECORDS, Block
from service.importing.source import LINES, Source
from service.wire import decode

_NDJSON = "application/x-ndjson"
_JSON = msgspec.json.Decoder(msgspec.Raw)


class LineReader:
    """Reads lines of NDJSON; blank ones are no records."""

    suffix = LINES

    def __init__(self, source: Source) -> None:
        self._source = source

    def blocks(self, skipped: int) -> Iterator[Block]:
        """Blocks of lines after so many records. Raises MalformedBody where it is no text."""
        numbers: list[int] = []
        taken: list[bytes] = []
        records = skipped
        left = skipped
        try:
            for number, line in enumerate(self._source.data, 1):
                if line.isspace():
                    continue
                if left:
                    left -= 1
                    continue
                numbers.append(number)
                taken.append(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
                if len(taken) == RECORDS:
                    records += RECORDS
                    yield self._block(taken, numbers, records)
                    numbers, taken = [], []
        except Exception:
            # what could be read is stored
            if taken:
                yield self._block(taken, numbers, records + len(taken))
            raise
        if taken:
            yield self._block(taken, numbers, records + len(taken))

    def refused_head(self) -> None:
        """None: each line tells all of it."""

    def refused(self, raw: str, line: int, reason: str, detail: str) -> str:
        """An object with the reading as it stands there, or its text where it is no JSON."""
        reading: msgspec.Raw | str = raw
        try:
            reading = _JSON.decode(raw.encode())
        except (msgspec.DecodeError, UnicodeEncodeError):
            reading = raw.encode(errors="replace").decode()
        told = {"line": line, "reason": reason, "detail": detail, "reading": reading}
        return msgspec.json.encode(told).decode() + "\n"

    def _block(self, taken: list[bytes], numbers: list[int], records: int) -> Block:
        batch = decode(b"".join(taken), _NDJSON, RECORDS)
        return Block(
            batch,
            numbers,
            lambda place: taken[place].decode(errors="replace").strip(),
            [],
            records,
            self._source.bytes_read,
        )
