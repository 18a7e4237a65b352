"""Content encodings, undone piece by piece within a bound, whatever the body expands to."""

import zlib
from typing import Protocol

from backports import zstd

from service.wire.errors import BodyTooLarge, MalformedBody, UnknownEncoding

# 8 MiB: what RFC 9659 asks every decoder of HTTP bodies for, and no more
_ZSTD_WINDOW_LOG = 23


class _Inflater(Protocol):
    def feed(self, data: bytes, room: int) -> bytes: ...

    def needs_more(self) -> bool: ...


class Decoder:
    """Undoes one content encoding: `feed` the pieces as they come, then `finish`."""

    def __init__(self, encoding: str, max_bytes: int) -> None:
        """`max_bytes` bounds the decompressed body. Raises UnknownEncoding."""
        inflaters: dict[str, type[_Gzip] | type[_Zstd]] = {
            "gzip": _Gzip,
            "x-gzip": _Gzip,
            "zstd": _Zstd,
        }
        if encoding not in inflaters:
            raise UnknownEncoding(
                f'the content encoding "{encoding}" is not known: send gzip, zstd or none'
            )
        self._encoding = encoding
        self._inflater: _Inflater = inflaters[encoding]()
        self._max_bytes = max_bytes
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Take a piece of the compressed body. Raises MalformedBody and BodyTooLarge."""
        try:
            # one byte more than there is room for tells a body that fits from one that does not
            piece = self._inflater.feed(data, self._max_bytes - self._size + 1)
        except (zlib.error, zstd.ZstdError, EOFError, ValueError) as error:
            raise MalformedBody(f"the body is not valid {self._encoding}") from error
        self._size += len(piece)
        if self._size > self._max_bytes:
            raise BodyTooLarge(f"the body is larger than {self._max_bytes} bytes")
        self._pieces.append(piece)

    def finish(self) -> bytes:
        """Return the decompressed body. Raises MalformedBody where it is not complete."""
        if self._inflater.needs_more():
            raise MalformedBody(f"the {self._encoding} body is cut short")
        return b"".join(self._pieces)


class _Gzip:
    def __init__(self) -> None:
        self._member = zlib.decompressobj(wbits=31)
        self._begun = False

    def feed(self, data: bytes, room: int) -> bytes:
        produced: list[bytes] = []
        while data and room > 0:
            if self._member.eof:  # gzip allows one member after another
                self._member = zlib.decompressobj(wbits=31)
            self._begun = True
            piece = self._member.decompress(data, room)
            produced.append(piece)
            room -= len(piece)
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
        return b"".join(produced)

    def needs_more(self) -> bool:
        return not (self._begun and self._member.eof)


class _Zstd:
    def __init__(self) -> None:
        self._frame = self._new_frame()
        self._begun = False

    @staticmethod
    def _new_frame() -> zstd.ZstdDecompressor:
        return zstd.ZstdDecompressor(
            options={zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
        )

    def feed(self, data: bytes, room: int) -> bytes:
        produced: list[bytes] = []
        while room > 0:
            if self._frame.eof and data:  # zstd allows one frame after another
                self._frame = self._new_frame()
            elif not data and (self._frame.eof or self._frame.needs_input):
                break
            self._begun = True
            piece = self._frame.decompress(data, room)
            produced.append(piece)
            room -= len(piece)
            data = self._frame.unused_data if self._frame.eof else b""
        return b"".join(produced)

    def needs_more(self) -> bool:
        return not (self._begun and self._frame.eof)
