"""Compressed bodies: whole, in pieces, cut, corrupt, and larger than they look."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest
from backports import zstd

from service.wire import BodyTooLarge, Decoder, MalformedBody, UnknownEncoding
from tests.wire.bodies import COMPRESSORS, decompress

TEXT = b"energy " * 1000
COMPRESSED = ["gzip", "zstd"]


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("encoding", COMPRESSORS)
def test_a_body_in_pieces_of_any_size_comes_out_whole(encoding: str, step: int) -> None:
    assert decompress(COMPRESSORS[encoding](TEXT), encoding, step=step) == TEXT


def test_x_gzip_is_another_name_of_gzip() -> None:
    assert decompress(gzip.compress(TEXT), "x-gzip") == TEXT


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_an_empty_body_that_is_compressed_comes_out_empty(encoding: str) -> None:
    assert decompress(COMPRESSORS[encoding](b""), encoding) == b""


@pytest.mark.parametrize("step", [1, 1 << 20])
@pytest.mark.parametrize("encoding", COMPRESSED)
def test_members_that_follow_one_another_come_out_joined(encoding: str, step: int) -> None:
    compress = COMPRESSORS[encoding]
    sent = compress(TEXT) + compress(b"") + compress(b"more")
    assert decompress(sent, encoding, step=step) == TEXT + b"more"


@pytest.mark.parametrize("encoding", COMPRESSED)
@pytest.mark.parametrize("kept", [0, 1, 10, -1])
def test_a_body_cut_short_is_malformed(encoding: str, kept: int) -> None:
    with pytest.raises(MalformedBody, match=f"^the {encoding} body is cut short$"):
        decompress(COMPRESSORS[encoding](TEXT)[:kept], encoding)


@pytest.mark.parametrize("step", [1, 1 << 20])
@pytest.mark.parametrize("encoding", COMPRESSED)
def test_garbage_behind_a_body_is_malformed(encoding: str, step: int) -> None:
    with pytest.raises(MalformedBody):
        decompress(COMPRESSORS[encoding](TEXT) + b"garbage", encoding, step=step)
    with pytest.raises(MalformedBody):
        decompress(COMPRESSORS[encoding](TEXT) + b"\0", encoding, step=step)


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_a_corrupt_body_is_malformed(encoding: str) -> None:
    # a zstd frame has a checksum only where its sender asks for one
    checked = {"zstd": zstd.compress(TEXT, options={zstd.CompressionParameter.checksum_flag: 1})}
    sent = bytearray(checked.get(encoding) or COMPRESSORS[encoding](TEXT))
    sent[len(sent) // 2] ^= 0xFF
    with pytest.raises(MalformedBody):
        decompress(bytes(sent), encoding)


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_a_body_that_is_not_compressed_is_malformed(encoding: str) -> None:
    with pytest.raises(MalformedBody, match=f"^the body is not valid {encoding}$"):
        decompress(TEXT, encoding)


def test_a_wrong_checksum_is_malformed() -> None:
    sent = gzip.compress(TEXT)
    with pytest.raises(MalformedBody):
        decompress(sent[:-8] + b"\0\0\0\0" + sent[-4:], "gzip")


@pytest.mark.parametrize("step", [1, 1 << 20])
@pytest.mark.parametrize("encoding", COMPRESSORS)
def test_a_body_of_the_largest_size_is_taken_and_one_byte_more_is_too_large(
    encoding: str, step: int
) -> None:
    sent = COMPRESSORS[encoding](TEXT)
    assert decompress(sent, encoding, max_bytes=len(TEXT), step=step) == TEXT
    with pytest.raises(BodyTooLarge, match="larger than 6999 bytes"):
        decompress(sent, encoding, max_bytes=len(TEXT) - 1, step=step)


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_members_together_too_large_are_too_large(encoding: str) -> None:
    with pytest.raises(BodyTooLarge):
        decompress(COMPRESSORS[encoding](TEXT) * 2, encoding, max_bytes=len(TEXT) * 2 - 1)


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_a_bomb_is_too_large_and_takes_little_memory(encoding: str) -> None:
    sent = COMPRESSORS[encoding](bytes(100 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            decompress(sent, encoding, max_bytes=1 << 20)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_members_without_end_are_malformed(encoding: str) -> None:
    sent = COMPRESSORS[encoding](b"") * 1001
    with pytest.raises(MalformedBody, match="more than 1000 members"):
        decompress(sent, encoding)


def test_a_zstd_window_larger_than_http_allows_is_malformed() -> None:
    options = {zstd.CompressionParameter.window_log: 24}
    sent = zstd.ZstdCompressor(options=options)
    with pytest.raises(MalformedBody):
        decompress(sent.compress(TEXT) + sent.flush(), "zstd")


@pytest.mark.parametrize("encoding", ["br", "deflate", "", "GZIP", "gzip, gzip"])
def test_an_unknown_encoding_is_refused(encoding: str) -> None:
    with pytest.raises(UnknownEncoding, match="send gzip, zstd or none"):
        Decoder(encoding, 1)
