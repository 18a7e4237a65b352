"""Content encodings, undone piece by piece within a bound, whatever the body expands to."""

import zlib
from collections.abc import Callable
from typing import Protocol

from backports import zstd

from service.wire.errors import BodyTooLarge, MalformedBody, UnknownEncoding

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


_MEMBERS = {
    "identity": None,
    "gzip": _gzip_member,
    "x-gzip": _gzip_member,
    "zstd": _zstd_member,
}


class Decoder:
    """Undoes one content encoding: `feed` the pieces as they come, then `finish`."""

    def __init__(self, encoding: str, max_bytes: int) -> None:
        """`max_bytes` bounds the decompressed body. Raises UnknownEncoding."""
        if encoding not in _MEMBERS:
            raise UnknownEncoding(
                f'the content encoding "{encoding[:_SHOWN_CHARACTERS]}" is not known:'
                " send gzip, zstd or none"
            )
        self._encoding = encoding
        self._new_member = _MEMBERS[encoding]
        self._member: _Member | None = None
        self._members = 0
        self._max_bytes = max_bytes
        self._body = bytearray()

    def feed(self, data: bytes) -> None:
        """Take a piece of the body as sent. Raises MalformedBody and BodyTooLarge."""
        for start in range(0, len(data), _SLICE_BYTES):
            piece = data[start : start + _SLICE_BYTES]
            if self._new_member is None:
                self._take(piece)
            else:
                self._decompress(piece, self._new_member)

    def finish(self) -> bytes:
        """Return the decompressed body. Raises MalformedBody where it is not complete."""
        if self._new_member is not None and not (self._member and self._member.eof):
            raise MalformedBody(f"the {self._encoding} body is cut short")
        return bytes(self._body)

    def _take(self, piece: bytes) -> None:
        self._body += piece
        if len(self._body) > self._max_bytes:
            raise BodyTooLarge(f"the body is larger than {self._max_bytes} bytes")

    def _decompress(self, data: bytes, new_member: Callable[[], _Member]) -> None:
        while data:
            member = self._member
            if member is None or member.eof:  # one member may follow another
                self._count_member()
                member = self._member = new_member()
            # one byte more than there is room for tells a body that fits from one that does not;
            # so what is left of the input, if any, belongs to a member after this
            room = self._max_bytes - len(self._body) + 1
            try:
                piece = member.decompress(data, room)
            except (zlib.error, zstd.ZstdError, EOFError, ValueError) as error:
                raise MalformedBody(f"the body is not valid {self._encoding}") from error
            self._take(piece)
            data = member.unused_data if member.eof else b""

    def _count_member(self) -> None:
        self._members += 1
        if self._members > _MOST_MEMBERS:
            raise MalformedBody(
                f"the {self._encoding} body has more than {_MOST_MEMBERS} members:"
                " compress it as one"
            )
