"""Signatures of bodies that are not what their headers say: what they are, and what to send."""

import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE

_TAKEN = ("gzip", "zstd")
# Brotli has none; no body of JSON or MessagePack starts with one of these
_SIGNATURES = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"PK\x03\x04": "zip",
    b"\x04\x22\x4d\x18": "lz4",
    b"\xff\x06\x00\x00sNaPpY": "snappy",
    b"\x1f\x9d": "compress",
}
# UTF-32 in the usual order of bytes starts as UTF-16 in that order does
_WIDE_TEXT = (BOM_UTF16_LE, BOM_UTF16_BE, BOM_UTF32_BE)
_SPACE = b" \t\r\n"

_FIRST_BYTES = frozenset(
    [signature[:1] for signature in (*_SIGNATURES, *_WIDE_TEXT)] + [b"x"]  # zlib's
)


def compression_of(data: bytes) -> str | None:
    """The compression whose signature the data starts with; None where it has none."""
    for signature, name in _SIGNATURES.items():
        if data.startswith(signature):
            return name
    return "zlib" if _is_zlib(data) else None


def instead_of_readings(data: bytes) -> str | None:
    """What a body is that can be of no media type, and what to send; None where it may be."""
    if data[:1] not in _FIRST_BYTES:
        return None
    if (name := compression_of(data)) is not None:
        if name in _TAKEN:
            return f"it is compressed with {name}: send the header Content-Encoding: {name}"
        return (
            f"it is compressed with {name}, which is not taken: send gzip or zstd, and the header"
            " Content-Encoding that says which"
        )
    if data.startswith(_WIDE_TEXT):
        return "it is UTF-16 or UTF-32: send UTF-8"
    return None


def instead_of_json(data: bytes) -> str | None:
    """What a body is that is not JSON; None where its first bytes do not tell."""
    if found := instead_of_readings(data):
        return found
    if data.startswith(BOM_UTF8):
        return "it begins with a byte order mark: send UTF-8 without one"
    if _is_msgpack(data):
        return "it looks like MessagePack: send the content type application/msgpack"
    if 0 in data[:4]:
        return "it is UTF-16 or UTF-32: send UTF-8"
    return None


def instead_of_msgpack(data: bytes) -> str | None:
    """What a body is that is not MessagePack; None where its first bytes do not tell."""
    if found := instead_of_readings(data):
        return found
    if _is_json(data.removeprefix(BOM_UTF8)):
        return "it looks like JSON: send the content type application/json"
    return None


def instead_of_compressed(data: bytes, encoding: str) -> str:
    """What a body is that cannot be decompressed as its Content-Encoding says."""
    name = compression_of(data)
    if name == encoding:
        return "it is damaged: compress it anew"
    if name is not None:
        return instead_of_readings(data) or name
    kind = "JSON" if _is_json(data) else "MessagePack" if _is_msgpack(data) else None
    found = f"it is {kind} that is not compressed" if kind else "it does not start as such"
    return f"{found}: compress it, or leave out the header Content-Encoding"


def _is_json(data: bytes) -> bool:
    return data.lstrip(_SPACE)[:1] in (b"{", b"[")


def _is_msgpack(data: bytes) -> bool:
    """Whether it starts as a map or an array of MessagePack does, and no text of UTF-8."""
    if not data or not (0x80 <= data[0] <= 0x9F or 0xDC <= data[0] <= 0xDF):
        return False
    try:
        data[:2].decode()
    except UnicodeDecodeError:
        return True
    return False  # a letter such as ß


def _is_zlib(data: bytes) -> bool:
    """Whether it is zlib's, which HTTP calls deflate: its first two bytes may be text as well."""
    if not data.startswith(b"x"):
        return False
    try:
        return bool(zlib.decompressobj().decompress(data, 1))
    except zlib.error:
        return False
