"""Content encodings, undone piece by piece within a bound, whatever the body expands to."""

import zlib
from collections.abc import Callable
from typing import Protocol

from backports import zstd

from service.wire.errors import BodyTooLarge, UndecodableBody, UnknownEncoding
from service.wire.signatures import compression_of, instead_of_compressed

# 8 MiB: what RFC 9659 asks every decoder of HTTP bodies for, and no more
_ZSTD_WINDOW_LOG = 23
# what follows a member is copied for the next, so a long piece of many short members is slow
_SLICE_BYTES = 64 * 1024
_MOST_MEMBERS = 1000
_SHOWN_CHARACTERS = 64


class _Member(Protocol):
    """One gzip member or zstd frame."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _gzip_member() -> _Member:
    return zlib.decompressobj(wbits=31)


def _zstd_member() -> _Member:
    return zstd.ZstdDecompressor(
        options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
    )


_MEMBERS: dict[str, Callable[[], _Member] | None] = {
    "identity": None,
    "gzip": _gzip_member,
    "zstd": _zstd_member,
}
_OTHER_NAMES = {"x-gzip": "gzip"}


class _Fault(Exception):
    """What is wrong with a compressed body; without a text, it is not compressed like that."""


class Decoder:
    """Undoes one content encoding: `feed` the pieces as they come, then `finish`."""

    def __init__(self, encoding: str, max_bytes: int) -> None:
        """`max_bytes` bounds the decompressed body. Raises UnknownEncoding."""
        name = _OTHER_NAMES.get(encoding, encoding)
        if name not in _MEMBERS:
            raise UnknownEncoding(
                f'the content encoding "{encoding[:_SHOWN_CHARACTERS]}" is not known:'
                " send gzip, zstd or none"
            )
        self._encoding = name
        self._new_member = _MEMBERS[name]
        self._member: _Member | None = None
        self._members = 0
        self._padding = False
        self._max_bytes = max_bytes
        self._body = bytearray()
        # as it came, for whoever looks at what could not be decompressed
        self._sent: list[bytes] = []
        self._fault: _Fault | None = None

    def feed(self, data: bytes) -> None:
        """Take a piece of the body as sent. Raises BodyTooLarge."""
        self._sent.append(data)
        if self._fault is not None:
            return
        try:
            for start in range(0, len(data), _SLICE_BYTES):
                piece = data[start : start + _SLICE_BYTES]
                if self._new_member is None:
                    self._take(piece)
                else:
                    self._decompress(piece, self._new_member)
        except _Fault as fault:
            self._fault = fault

    def finish(self) -> bytes:
        """Return the decompressed body. Raises UndecodableBody, with all that was fed."""
        body = bytes(self._body)
        if self._new_member is None:
            return body
        if self._fault is None and not (self._member and self._member.eof):
            self._fault = _Fault(f"the {self._encoding} body is cut short")
        if self._fault is None and (inner := compression_of(body)) is not None:
            self._fault = _Fault(f"the {self._encoding} body holds {inner}: compress it once")
        if self._fault is not None:
            sent = b"".join(self._sent)
            raise UndecodableBody(str(self._fault) or self._invalid(sent), self._encoding, sent)
        return body

    def _take(self, piece: bytes) -> None:
        self._body += piece
        if len(self._body) > self._max_bytes:
            raise BodyTooLarge(f"the body is larger than {self._max_bytes} bytes")

    def _decompress(self, data: bytes, new_member: Callable[[], _Member]) -> None:
        while data:
            member = self._member
            if member is None or member.eof:  # one member may follow another
                if self._is_padding(data):
                    return
                self._count_member()
                member = self._member = new_member()
            # one byte more than there is room for tells a body that fits from one that does not;
            # so what is left of the input, if any, belongs to a member after this
            room = self._max_bytes - len(self._body) + 1
            try:
                piece = member.decompress(data, room)
            except (zlib.error, zstd.ZstdError, EOFError, ValueError) as error:
                raise _Fault from error
            self._take(piece)
            data = member.unused_data if member.eof else b""

    def _is_padding(self, data: bytes) -> bool:
        """Whether zeros behind the last gzip member fill up a block, which `gzip -d` ignores too.

        Anything behind them is refused: it may be a member that was damaged, with its readings.
        """
        if self._member is None or self._encoding != "gzip":
            return False
        if not self._padding and data[0] != 0:
            return False
        self._padding = True
        if data.strip(b"\0"):
            raise _Fault("the gzip body has something behind the zeros that follow it")
        return True

    def _invalid(self, sent: bytes) -> str:
        if self._members > 1:
            return f"the {self._encoding} body has something else behind it"
        found = instead_of_compressed(sent, self._encoding)
        return f"the body is not valid {self._encoding}: {found}"

    def _count_member(self) -> None:
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise _Fault(
                f"the {self._encoding} body has more than {_MOST_MEMBERS} members:"
                " compress it as one"
            )
