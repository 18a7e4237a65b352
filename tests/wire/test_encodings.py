"""Compressed bodies: whole, in pieces, cut, corrupt, and larger than they look."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import tracemalloc
import zlib

import pytest
from backports import zstd

from service.wire import (
    BodyTooLarge,
    Decoder,
    MalformedBody,
    UndecodableBody,
    UnknownEncoding,
)
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
    with pytest.raises(MalformedBody, match="has something else behind it"):
        decompress(COMPRESSORS[encoding](TEXT) + b"garbage", encoding, step=step)


@pytest.mark.parametrize("step", [1, 513, 1 << 20])
def test_zeros_that_fill_up_a_block_behind_gzip_are_ignored(step: int) -> None:
    for zeros in (1, 512, 100_000):
        sent = gzip.compress(TEXT) + gzip.compress(b"more") + bytes(zeros)
        assert decompress(sent, "gzip", step=step) == TEXT + b"more"


@pytest.mark.parametrize("step", [1, 1 << 20])
@pytest.mark.parametrize("last", [b"x", gzip.compress(TEXT, mtime=0)], ids=["byte", "member"])
def test_what_is_behind_the_zeros_is_malformed(step: int, last: bytes) -> None:
    with pytest.raises(MalformedBody, match="behind the zeros"):
        decompress(gzip.compress(TEXT) + bytes(600) + last, "gzip", step=step)


def test_zeros_behind_zstd_or_alone_are_malformed() -> None:
    with pytest.raises(MalformedBody):
        decompress(zstd.compress(TEXT) + bytes(512), "zstd")
    with pytest.raises(MalformedBody):
        decompress(bytes(512), "gzip")


@pytest.mark.skipif(shutil.which("gzip") is None, reason="there is no gzip")
@pytest.mark.parametrize(
    "behind",
    [bytes(512), gzip.compress(b"more", mtime=0), b"garbage", bytes(9) + b"x"],
    ids=["zeros", "member", "garbage", "zeros and garbage"],
)
def test_what_gzip_decompresses_without_a_warning_is_taken(behind: bytes) -> None:
    sent = gzip.compress(TEXT) + behind
    told = subprocess.run(["gzip", "-d"], input=sent, capture_output=True, check=False)
    if told.returncode == 0:
        assert decompress(sent, "gzip") == told.stdout
    else:
        with pytest.raises(MalformedBody):
            decompress(sent, "gzip")


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
    with pytest.raises(
        MalformedBody, match=f"^the body is not valid {encoding}: it does not start"
    ):
        decompress(TEXT, encoding)


def undecodable(sent: bytes, encoding: str, step: int = 1 << 20) -> UndecodableBody:
    with pytest.raises(UndecodableBody) as caught:
        decompress(sent, encoding, step=step)
    return caught.value


@pytest.mark.parametrize("step", [1, 1 << 20])
@pytest.mark.parametrize("encoding", COMPRESSED)
@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (b' [{"meterId":"M"}]', "it is JSON that is not compressed: compress it, or leave out"),
        (b"\x83\xa7meterId", "it is MessagePack that is not compressed: compress it, or"),
        (b"\xdd\x00\x00\x00\x01", "it is MessagePack that is not compressed"),
        (zlib.compress(b"[]"), "it is compressed with zlib, which is not taken: send gzip or zstd"),
    ],
)
def test_what_is_not_compressed_as_its_header_says_is_named(
    encoding: str, sent: bytes, found: str, step: int
) -> None:
    error = undecodable(sent, encoding, step)
    assert str(error).startswith(f"the body is not valid {encoding}: {found}")
    assert error.sent == sent


def test_one_compression_in_place_of_the_other_is_named() -> None:
    assert "send the header Content-Encoding: zstd" in str(undecodable(zstd.compress(TEXT), "gzip"))
    assert "send the header Content-Encoding: gzip" in str(undecodable(gzip.compress(TEXT), "zstd"))


@pytest.mark.parametrize("encoding", COMPRESSED)
def test_what_is_compressed_twice_is_told_so(encoding: str) -> None:
    twice = COMPRESSORS[encoding](gzip.compress(TEXT))
    assert str(undecodable(twice, encoding)) == f"the {encoding} body holds gzip: compress it once"


@pytest.mark.parametrize("step", [1, 100, 1 << 20])
@pytest.mark.parametrize("encoding", COMPRESSED)
def test_what_cannot_be_decompressed_comes_back_as_it_was_sent(encoding: str, step: int) -> None:
    whole = COMPRESSORS[encoding](TEXT)
    for sent in (whole[:-5], whole + b"garbage" * 100, whole[:12] + b"\xff" * 50 + whole[30:]):
        assert undecodable(sent, encoding, step).sent == sent


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
