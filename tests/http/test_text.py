"""Bodies in every encoding of text: stored as they were meant, or refused with what to fix."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.http import meter

TEXT = "Zähler-№1-🔋"
LATIN = "Zähler"
JSON = "application/json"
NDJSON = "application/x-ndjson"


def dumped(meter_id: str = TEXT) -> str:
    return json.dumps(meter(meter_id), ensure_ascii=False)


def sent(http: httpx.Client, body: bytes, content_type: str = JSON) -> tuple[int, Any]:
    answer = http.post("/v1/ingest", content=body, headers={"Content-Type": content_type})
    return answer.status_code, answer.json()


def stored(http: httpx.Client) -> set[str]:
    return {one["meterId"] for one in http.get("/v1/meters").json()["meters"]}


@pytest.fixture
def nothing_stored(http: httpx.Client) -> Iterator[None]:
    """Nothing that the test sends is stored."""
    before = stored(http)
    yield
    assert stored(http) == before


@pytest.mark.parametrize("media_type", [JSON, NDJSON])
@pytest.mark.parametrize(
    "parameter",
    ["", ";charset=utf-8", "; charset=UTF-8", '; charset="utf-8"', ";CharSet=utf8;x=y"],
)
def test_utf_8_is_stored_as_it_is(http: httpx.Client, media_type: str, parameter: str) -> None:
    assert sent(http, dumped().encode(), media_type + parameter)[0] == 201
    assert TEXT in stored(http)
    assert http.get("/v1/meters/" + TEXT).json()["meterId"] == TEXT


def test_escapes_are_stored_as_what_they_stand_for(http: httpx.Client) -> None:
    text = TEXT + "-escaped"
    assert sent(http, json.dumps(meter(text), ensure_ascii=True).encode())[0] == 201
    assert text in stored(http)


@pytest.mark.parametrize("charset", ["us-ascii", "ASCII"])
def test_ascii_is_utf_8(http: httpx.Client, charset: str) -> None:
    assert sent(http, dumped("M-1").encode(), f"{JSON}; charset={charset}")[0] == 201
    assert "M-1" in stored(http)


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("charset", ["iso-8859-1", "latin1", "utf-16", "utf-32", "x y"])
@pytest.mark.parametrize("media_type", [JSON, NDJSON, "application/msgpack"])
def test_another_charset_is_415_naming_it(
    http: httpx.Client, media_type: str, charset: str
) -> None:
    status, answer = sent(http, dumped("M-1").encode(), f"{media_type}; charset={charset}")
    assert status == 415
    assert "charset" in answer["detail"]
    assert "send UTF-8" in answer["detail"]


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
@pytest.mark.parametrize("media_type", [JSON, NDJSON])
def test_utf_16_and_32_are_400_saying_so(
    http: httpx.Client, media_type: str, encoding: str
) -> None:
    status, answer = sent(http, dumped().encode(encoding), media_type)
    assert status == 400
    assert "it is UTF-16 or UTF-32: send UTF-8" in json.dumps(answer)


@pytest.mark.parametrize("media_type", [JSON, NDJSON])
def test_a_byte_order_mark_is_400_saying_so(http: httpx.Client, media_type: str) -> None:
    status, answer = sent(http, b"\xef\xbb\xbf" + dumped().encode(), media_type)
    assert status == 400
    assert "byte order mark" in answer["detail"]


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize("media_type", [JSON, NDJSON])
def test_latin_1_is_400_saying_that_it_is_not_utf_8(http: httpx.Client, media_type: str) -> None:
    status, answer = sent(http, dumped(LATIN).encode("latin-1"), media_type)
    assert (status, answer["rejected"][0]["detail"]) == (400, "the reading is not valid UTF-8")


BAD_BYTES = {
    "an overlong slash": b"\xc0\xaf",
    "an overlong NUL": b"\xc0\x80",
    "an overlong euro sign": b"\xf0\x82\x82\xac",
    "a surrogate": b"\xed\xa0\x80",
    "a pair of surrogates": b"\xed\xa0\xbd\xed\xb4\x8b",
    "beyond the last character": b"\xf4\x90\x80\x80",
    "a sequence that is cut": b"\xe2\x82",
    "a byte that continues nothing": b"\x80",
    "a byte that is never one": b"\xfe",
}


@pytest.mark.parametrize("case", BAD_BYTES)
@pytest.mark.parametrize("media_type", [JSON, NDJSON, "application/msgpack"])
def test_what_is_no_utf_8_is_refused_alone(http: httpx.Client, media_type: str, case: str) -> None:
    bad = BAD_BYTES[case]
    if media_type == "application/msgpack":
        time = b"\xcf" + (1769860800000).to_bytes(8, "big")
        name = bytes([0xA0 | len(b"M" + bad)]) + b"M" + bad
        spoilt = b"\x83\xa7meterId" + name + b"\xadkwhConsumedAc\x01\xa9timestamp" + time
    else:
        spoilt = dumped("SPOILT").encode().replace(b"SPOILT", b"M" + bad)
    if media_type == NDJSON:
        body = spoilt + b"\n" + dumped("good").encode()
    elif media_type == JSON:
        body = b"[" + spoilt + b"," + dumped("good").encode() + b"]"
    else:
        body = spoilt
    status, answer = sent(http, body, media_type)
    assert status == (400 if media_type == "application/msgpack" else 207)
    [refused] = answer["rejected"]
    assert (refused["index"], refused["reason"]) == (0, "malformed")
    assert refused["detail"] == "the reading is not valid UTF-8"
    assert all(not meter_id.startswith("M\ufffd") for meter_id in stored(http))


@pytest.mark.usefixtures("nothing_stored")
@pytest.mark.parametrize(
    ("escaped", "says"),
    [
        (r"\ud800", "half of a surrogate pair"),
        (r"\udc00\ud800", "half of a surrogate pair"),
        (r"M\ud83d", "half of a surrogate pair"),
        (r"\u0000", "control characters"),
        (r"M\u0000", "control characters"),
        (r"\u001b[31m", "control characters"),
        (r"\u0085", "control characters"),
        ("\\n", "control characters"),
    ],
)
def test_what_no_id_can_hold_is_400_naming_the_field(
    http: httpx.Client, escaped: str, says: str
) -> None:
    body = dumped("ESCAPED").replace("ESCAPED", escaped).encode()
    status, answer = sent(http, body)
    assert status == 400
    assert answer["detail"] == f'"meterId" must not contain {says}'
    link = http.put(
        "/v1/links/V-1",
        content=f'{{"meterId":"{escaped}"}}',
        headers={"Content-Type": JSON},
    )
    assert link.status_code == 400


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ('{"meterId":"M"}'.encode("utf-16"), "UTF-16"),
        (b'{"meterId":"M\xe4"}', "not valid UTF-8"),
        (b'{"meterId":"\\ud800"}', "half of a surrogate pair"),
        (b'{"meterId":"M","meterId":"N"}', '"meterId" is given twice'),
        (b"", "empty"),
        (b"{", "cut short"),
    ],
)
def test_a_link_that_cannot_be_read_is_400_saying_why(
    http: httpx.Client, body: bytes, says: str
) -> None:
    answer = http.put("/v1/links/V-1", content=body, headers={"Content-Type": JSON})
    assert answer.status_code == 400
    assert says in answer.json()["detail"]
