"""`POST /v1/ingest` on the wire: what is answered, and that it is stored."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from backports import zstd

from service.settings import Settings
from tests.support.http import meter, milliseconds, vehicle
from tests.support.quarantine import remove_settings
from tests.support.readings import NOW, Connection, meter_history, vehicle_history

PROBLEM = "application/problem+json"


def test_one_reading_is_stored_and_answered_with_201(post: Any, connection: Connection) -> None:
    answer = post(meter())
    assert (answer.status_code, answer.json()) == (201, {"accepted": 1, "duplicates": 0})
    assert meter_history(connection) == [("M-1", NOW, 0, 420000, 231200)]


def test_the_same_again_is_a_duplicate_and_still_201(post: Any) -> None:
    post(vehicle())
    answer = post(vehicle())
    assert (answer.status_code, answer.json()) == (201, {"accepted": 0, "duplicates": 1})


def test_an_array_of_both_kinds_is_stored_together(post: Any, connection: Connection) -> None:
    answer = post([meter(), vehicle(), meter("M-2"), vehicle("V-2")])
    assert (answer.status_code, answer.json()) == (201, {"accepted": 4, "duplicates": 0})
    assert len(meter_history(connection)) == len(vehicle_history(connection)) == 2


def test_the_older_systems_bodies_are_accepted_throughout(
    post: Any, connection: Connection
) -> None:
    for number in range(20):
        ts = milliseconds(NOW + timedelta(seconds=number))
        for body in (
            {
                "type": "vehicle",
                "id": f"vehicle_{number}",
                "value1": 3.2,
                "value2": 31.0,
                "timestamp": ts,
            },
            {
                "type": "meter",
                "id": f"meter_{number}",
                "value1": 4.1,
                "value2": 230,
                "timestamp": ts,
            },
        ):
            assert post(body).status_code == 201
    assert meter_history(connection)[0] == ("meter_0", NOW, 0, 4_100_000, 230_000)
    assert vehicle_history(connection)[0] == ("vehicle_0", NOW, 0, 3_200_000, None, 31_000)


def test_a_body_that_does_not_name_its_content_type_is_read_as_json(client: Any) -> None:
    answer = client.post("/v1/ingest", content=json.dumps(meter()).encode())
    assert answer.status_code == 201


@pytest.mark.parametrize("encoding", ["identity", "gzip", "zstd"])
@pytest.mark.parametrize(
    "media_type", ["application/json", "application/x-ndjson", "application/msgpack"]
)
def test_every_content_type_and_encoding_stores_the_same(
    post: Any, connection: Connection, media_type: str, encoding: str
) -> None:
    readings = [meter(), vehicle(), meter("M-2")]
    body = {
        "application/json": msgspec.json.encode,
        "application/x-ndjson": lambda rows: b"\n".join(map(msgspec.json.encode, rows)),
        "application/msgpack": msgspec.msgpack.encode,
    }[media_type](readings)
    body = {"identity": bytes, "gzip": gzip.compress, "zstd": zstd.compress}[encoding](body)
    answer = post(body, media_type, Content_Encoding=encoding)
    assert (answer.status_code, answer.json()) == (201, {"accepted": 3, "duplicates": 0})
    assert len(meter_history(connection)) == 2


def test_a_reading_ahead_of_the_clock_that_cannot_be_kept_is_the_devices_to_send_again(
    post: Any, connection: Connection
) -> None:
    connection.execute("UPDATE telemetry.quarantine_bounds SET max_bytes_per_key = 10")
    answer = post(meter(timestamp=(NOW + timedelta(hours=1)).isoformat()))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "ahead of the server's clock" in answer.json()["detail"]
    assert connection.execute("SELECT count(*) FROM telemetry.quarantine").fetchone() == (0,)


def test_a_batch_with_refused_readings_is_207_with_their_indexes_and_stores_the_rest(
    post: Any, connection: Connection
) -> None:
    body = [
        meter(),
        meter("M-2", kwhConsumedAc=-1),
        meter("M-3", timestamp="2999-01-01T00:00:00Z"),
        meter("M-4", timestamp="2001-01-01T00:00:00Z"),
        meter("M-1", kwhConsumedAc=9),
        meter("M-5", voltag=1),
        vehicle(),
    ]
    answer = post(body)
    assert answer.status_code == 207
    document = answer.json()
    assert (document["accepted"], document["duplicates"]) == (2, 0)
    assert [(r["index"], r["reason"]) for r in document["rejected"]] == [
        (1, "out_of_range"),
        (2, "future"),
        (3, "too_old"),
        (4, "conflict"),
        (5, "malformed"),
    ]
    assert all(r["detail"] for r in document["rejected"])
    assert '"voltag"' in document["rejected"][4]["detail"]
    assert len(meter_history(connection)) == 1
    kept = connection.execute(
        "SELECT reading_index, reason, convert_from(raw, 'UTF8')"
        " FROM telemetry.quarantine ORDER BY 1"
    ).fetchall()
    assert [row[:2] for row in kept] == [(r["index"], r["reason"]) for r in document["rejected"]]
    assert [json.loads(row[2]) for row in kept] == body[1:6]


@pytest.mark.parametrize("offset", ["+23:59", "-23:59"])
def test_a_refused_reading_is_kept_whatever_the_offset_of_its_time(
    post: Any, connection: Connection, offset: str
) -> None:
    answer = post(meter(timestamp=f"2020-01-31T12:00:00{offset}"))
    assert answer.status_code == 400
    assert answer.json()["rejected"][0]["reason"] == "too_old"
    (read_at,) = connection.execute("SELECT read_at FROM telemetry.quarantine").fetchone() or ()
    assert read_at == datetime.fromisoformat(f"2020-01-31T12:00:00{offset}")


def test_ten_thousand_with_a_bad_one_in_the_middle_lose_only_that_one(
    post: Any, connection: Connection
) -> None:
    body = [meter(f"M-{n % 100}", NOW - timedelta(seconds=n)) for n in range(10_000)]
    body[5_000]["kwhConsumedAc"] = 5000
    first = post(body)
    assert first.status_code == 207
    assert first.json()["accepted"] == 9_999
    assert [r["index"] for r in first.json()["rejected"]] == [5_000]
    again = post(body)
    assert (again.status_code, again.json()["duplicates"]) == (207, 9_999)


def problem_of(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == PROBLEM
    document = answer.json()
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    return document


GOOD = json.dumps(meter()).encode()


@pytest.mark.shares_a_service
@pytest.mark.parametrize(
    ("body", "says"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"   ", "empty", id="blank"),
        pytest.param(b"[]", "no reading", id="no readings"),
        pytest.param(GOOD[:-1], "not valid JSON", id="cut short"),
        pytest.param(b"not json", "not valid JSON", id="no JSON"),
        pytest.param(b"42", "a reading, or an array", id="a number"),
        pytest.param(b'"text"', "a reading, or an array", id="a string"),
        pytest.param(b"null", "a reading, or an array", id="null"),
        pytest.param(b"[" * 100_000, "", id="nested deeply"),
        pytest.param(b'{"meterId":' + b"[" * 100_000, "", id="nested deeply inside"),
        pytest.param(b"[[]]", "must be an object", id="an array in the array"),
        pytest.param(GOOD.replace(b"0.42", b"NaN"), "", id="NaN"),
        pytest.param(GOOD.replace(b"0.42", b"1e400"), "kwhConsumedAc", id="1e400"),
        pytest.param(GOOD.replace(b"0.42", b"-0.42"), "allowed is 0 to 1000", id="negative"),
        pytest.param(GOOD.replace(b"0.42", b"true"), "kwhConsumedAc", id="boolean"),
        pytest.param(GOOD.replace(b"0.42", b'"0.42"'), "kwhConsumedAc", id="number as text"),
        pytest.param(GOOD.replace(b"0.42", b"null"), "kwhConsumedAc", id="null energy"),
        pytest.param(GOOD.replace(b"M-1", b"m" * 10_000), "meterId", id="endless id"),
        pytest.param(GOOD.replace(b"M-1", b""), "meterId", id="empty id"),
        pytest.param(GOOD.replace(b"M-1", b"\\u0000"), "meterId", id="NUL in the id"),
        pytest.param(GOOD.replace(b"M-1", b"a/b"), "meterId", id="slash in the id"),
        pytest.param(GOOD.replace(b"M-1", b".."), "meterId", id="an id that is a path"),
        pytest.param(GOOD.replace(b"M-1", b"\xff"), "", id="no UTF-8"),
        pytest.param(GOOD.replace(b"M-1", b"\\ud800"), "", id="half a surrogate pair"),
        pytest.param(
            json.dumps(meter(timestamp="9999-12-31T23:59:59Z")).encode(), "clock", id="year 9999"
        ),
        pytest.param(json.dumps(meter(timestamp=0)).encode(), "older", id="1970"),
        pytest.param(json.dumps(meter(timestamp=-1)).encode(), "timestamp", id="before 1970"),
        pytest.param(
            json.dumps(meter(timestamp=10**30)).encode(), "timestamp", id="beyond all years"
        ),
        pytest.param(
            json.dumps(meter(timestamp="2026-01-31T12:00:00")).encode(), "offset", id="local time"
        ),
        pytest.param(json.dumps(meter(timestamp=True)).encode(), "timestamp", id="boolean time"),
        pytest.param(GOOD[:-1] + b',"voltage":1}', "voltage", id="a field twice"),
        pytest.param(GOOD.replace(b'"meter"', b'"tram"'), '"type"', id="unknown type"),
        pytest.param(GOOD.replace(b'"voltage"', b'"voltag"'), '"voltag"', id="unknown field"),
        pytest.param(GOOD.replace(b'"voltage"', b'"soc"'), '"soc"', id="the other kind's field"),
        pytest.param(GOOD.replace(b'"meter"', b'"vehicle"'), "vehicle", id="the other type"),
        pytest.param(b"{}", "required", id="no field"),
        pytest.param(json.dumps({"meterId": "M-1"}).encode(), "send one of", id="no energy"),
        pytest.param(
            json.dumps({"id": "M-1", "value1": 1, "timestamp": 1}).encode(), '"type"', id="no type"
        ),
    ],
)
def test_a_bad_body_is_400_saying_what_to_fix_and_the_service_goes_on(
    post: Any, connection: Connection, body: bytes, says: str
) -> None:
    before = meter_history(connection)
    assert says in problem_of(post(body), 400)["detail"]
    good = vehicle(f"V-{uuid4().hex}")
    assert post(good).json() == {"accepted": 1, "duplicates": 0}
    assert meter_history(connection) == before


@pytest.mark.parametrize(
    ("make", "energy", "register"),
    [(meter, "kwhConsumedAc", "kwhTotalAc"), (vehicle, "kwhDeliveredDc", "kwhTotalDc")],
)
def test_a_register_sent_as_a_difference_is_refused_with_the_field_that_it_belongs_in(
    post: Any, make: Any, energy: str, register: str
) -> None:
    assert post(make(ts=NOW - timedelta(minutes=1))).status_code == 201
    answer = post(make(**{energy: 163.63}))
    assert answer.json()["rejected"][0]["reason"] == "out_of_range"
    detail = problem_of(answer, 400)["detail"]
    assert "163.63 kWh in 60 s is 9,818 kW" in detail
    assert f"register is sent as {register}" in detail


@pytest.mark.shares_a_service
@pytest.mark.parametrize(
    "meter_id", ["it's", 'say "M"', "'); DROP TABLE x; --", "🔌", "عداد", "a b", "%s", "\\", "é"]
)
def test_an_unusual_id_round_trips(post: Any, client: Any, meter_id: str) -> None:
    assert post(meter(meter_id)).status_code == 201
    found = client.get(f"/v1/meters/{meter_id.replace('%', '%25')}")
    assert (found.status_code, found.json()["meterId"]) == (200, meter_id)


def test_a_body_that_could_not_be_read_is_kept_in_quarantine_as_it_came(
    post: Any, connection: Connection
) -> None:
    post(b"not json at all")
    assert connection.execute(
        "SELECT reading_index, reason, content_type, raw FROM telemetry.quarantine"
    ).fetchall() == [(None, "malformed", "application/json", b"not json at all")]


class TestBounds:
    """Sizes that are refused."""

    @pytest.fixture
    def settings(self) -> Settings:
        return Settings(max_body_bytes=20_000, max_readings=50)

    def test_a_body_over_the_bound_is_413(self, post: Any) -> None:
        problem_of(post(b"x" * 20_001), 413)

    def test_a_body_over_the_bound_that_does_not_say_its_length_is_413(self, client: Any) -> None:
        answer = client.post("/v1/ingest", content=(b"x" * 1000 for _ in range(30)))
        problem_of(answer, 413)

    @pytest.mark.parametrize("compress", [gzip.compress, zstd.compress])
    def test_a_small_body_that_expands_over_the_bound_is_413(
        self, post: Any, compress: Any
    ) -> None:
        encoding = "gzip" if compress is gzip.compress else "zstd"
        body = compress(b" " * 50_000_000)
        problem_of(post(body[:20_000], Content_Encoding=encoding), 413)

    def test_too_many_readings_are_413(self, post: Any) -> None:
        body = [meter(ts=NOW - timedelta(seconds=n)) for n in range(51)]
        assert "more than 50 readings" in problem_of(post(body), 413)["detail"]

    def test_an_honest_body_below_the_bounds_is_201(self, post: Any) -> None:
        body = [meter(ts=NOW - timedelta(seconds=n)) for n in range(50)]
        assert post(body).status_code == 201


def test_a_ten_megabyte_array_is_413(post: Any) -> None:
    problem_of(post(b"[" + b",".join([GOOD] * (10_000_000 // len(GOOD))) + b"]"), 413)


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "x-gzip"])
def test_a_compressed_body_that_cannot_be_undone_is_kept_as_it_was_sent(
    post: Any, connection: Connection, encoding: str
) -> None:
    compress = zstd.compress if encoding == "zstd" else gzip.compress
    sent = compress(GOOD * 10)[:-5]
    answer = post(sent, "application/x-ndjson", Content_Encoding=encoding)
    assert answer.status_code == 400
    name = encoding.removeprefix("x-")
    assert connection.execute(
        "SELECT reading_index, reason, content_type, raw FROM telemetry.quarantine"
    ).fetchall() == [
        (None, "malformed", f"application/x-ndjson; content-encoding={name}", sent),
    ]


def test_a_compressed_body_of_no_byte_leaves_nothing_in_quarantine(
    post: Any, connection: Connection
) -> None:
    assert post(b"", Content_Encoding="gzip").status_code == 400
    assert connection.execute("SELECT count(*) FROM ops.quarantine").fetchone() == (0,)


def test_gzip_with_zeros_behind_it_is_taken(post: Any, connection: Connection) -> None:
    answer = post(gzip.compress(GOOD) + bytes(10), Content_Encoding="gzip")
    assert (answer.status_code, answer.json()) == (201, {"accepted": 1, "duplicates": 0})
    assert len(meter_history(connection)) == 1


@pytest.mark.shares_a_service
@pytest.mark.parametrize(
    "content_type", ["application/json", "application/x-ndjson", "application/msgpack"]
)
def test_gzip_without_its_header_is_told_which_header(post: Any, content_type: str) -> None:
    answer = post(gzip.compress(GOOD), content_type)
    assert answer.status_code == 400
    assert "send the header Content-Encoding: gzip" in answer.json()["detail"]


@pytest.mark.shares_a_service
def test_a_link_compressed_without_its_header_is_told_which_header(client: Any) -> None:
    answer = client.put("/v1/links/V-1", content=gzip.compress(b'{"meterId":"M-1"}'))
    assert answer.status_code == 400
    assert "send the header Content-Encoding: gzip" in answer.json()["detail"]


@pytest.mark.shares_a_service
@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("damage", ["cut short", "corrupt", "trailing"])
def test_a_damaged_compressed_body_is_400(post: Any, encoding: str, damage: str) -> None:
    whole = {"gzip": gzip.compress, "zstd": zstd.compress}[encoding](GOOD * 10)
    body = {
        "cut short": whole[:-9],
        "corrupt": whole[:12] + b"\0\0\0\0" + whole[16:],
        "trailing": whole + b"rubbish",
    }[damage]
    problem_of(post(body, Content_Encoding=encoding), 400)


@pytest.mark.shares_a_service
def test_an_unknown_content_type_is_415(post: Any) -> None:
    assert "text/csv" in problem_of(post(b"a,b", "text/csv"), 415)["detail"]


@pytest.mark.shares_a_service
def test_an_unknown_content_encoding_is_415(post: Any) -> None:
    assert "br" in problem_of(post(GOOD, Content_Encoding="br"), 415)["detail"]


@pytest.mark.shares_a_service
def test_another_method_is_405_and_names_the_right_one(client: Any) -> None:
    answer = client.get("/v1/ingest")
    problem_of(answer, 405)
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("settings", [Settings(write_timeout_seconds=0.5)])
def test_a_lock_on_the_hot_table_ends_in_503_not_in_a_hanging_request(
    post: Any, database_url: str
) -> None:
    with psycopg.connect(database_url) as blocker:
        blocker.execute("LOCK TABLE telemetry.meter_state IN ACCESS EXCLUSIVE MODE")
        answer = post(meter())
    problem_of(answer, 503)
    assert answer.headers["retry-after"].isdecimal()
    assert post(meter()).status_code == 201


def test_more_ahead_of_the_clock_than_is_kept_is_503_and_stored_once_its_time_has_come(
    post: Any, connection: Connection
) -> None:
    connection.execute("UPDATE telemetry.quarantine_bounds SET max_bytes_per_key = 300")
    ahead = datetime.now(UTC) + timedelta(hours=1)
    batches = [[meter(f"M-{n}", ahead), meter(f"N-{n}")] for n in range(4)]
    statuses = [post(batch).status_code for batch in batches]
    assert statuses == [207, 207, 503, 503]
    answer = post(batches[3])
    assert "set the device's clock" in problem_of(answer, 503)["hint"].lower()
    assert answer.headers["retry-after"].isdecimal()
    connection.execute("UPDATE telemetry.rules SET clock_skew = '2 hours'")
    assert [post(batch).status_code for batch in batches[2:]] == [201, 201]


def test_without_the_bounds_of_the_quarantine_a_refused_reading_is_503(
    post: Any, connection: Connection
) -> None:
    remove_settings(connection, "quarantine_bounds")
    answer = post(meter(kwhConsumedAc=-1))
    assert "incomplete" in problem_of(answer, 503)["detail"]
    assert answer.headers["retry-after"].isdecimal()
    assert post(meter()).status_code == 201
    connection.execute("INSERT INTO telemetry.quarantine_bounds DEFAULT VALUES")
    assert post(meter(kwhConsumedAc=-1)).status_code == 400


def test_a_schema_of_another_version_is_503_and_no_fault_of_the_reading(
    post: Any, connection: Connection
) -> None:
    rename = "ALTER FUNCTION api.{} RENAME TO {}"
    connection.execute(rename.format("ingest_meter_readings", "away"))
    answer = post(meter())
    problem_of(answer, 503)
    assert answer.headers["retry-after"].isdecimal()
    assert connection.execute("SELECT count(*) FROM ops.quarantine").fetchone() == (0,)
    connection.execute(rename.format("away", "ingest_meter_readings"))
    assert post(meter()).status_code == 201
