"""`wattledger import`, as a user meets it."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from backports import zstd
from click.testing import CliRunner, Result

from service.cli import main
from tests.support.process import COMMAND

STORED = (
    "SELECT meter_id, telemetry.kwh(coalesce(register_mwh, energy_mwh))::float8, ts, interval_start"
    " FROM telemetry.meter_reading WHERE entry = 0 ORDER BY meter_id, ts"
)
# a full hour, so that what is made of it in any zone has no fraction
NOON = (datetime.now(UTC) - timedelta(days=3)).replace(hour=12, minute=0, second=0, microsecond=0)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, which is empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(url: str, *arguments: str, given: bytes | None = None) -> Result:
    return CliRunner().invoke(
        main, ["import", "--no-settle", *arguments], env={"DATABASE_URL": url}, input=given
    )


def line(number: int, minutes: int = 0, **others: object) -> str:
    """A reading of a meter as the wire has it, with its end of the line."""
    at = (NOON + timedelta(minutes=minutes)).isoformat()
    return (
        json.dumps({"meterId": f"M-{number}", "kwhConsumedAc": 0.5, "timestamp": at} | others)
        + "\n"
    )


def test_a_table_of_another_country_is_read_by_names_that_are_like_ours(
    database_url: str, connection: psycopg.Connection[Any], folder: Path
) -> None:
    Path("a.csv").write_bytes(
        "Ladepunkt;Beginn;Ende;Energie (Wh)\r\n"
        f"L-1;{NOON:%d.%m.%Y} 10:15;{NOON:%d.%m.%Y} 12:00;12.345,5\r\n".encode("cp1252")
    )
    done = run(
        *(database_url, "a.csv", "--map", "meterId=Ladepunkt", "--map", "from=Beginn"),
        *("--map", "timestamp=Ende", "--map", "kwhConsumedAc=Energie (Wh)", "--decimal", ","),
        *("--time-format", "%d.%m.%Y %H:%M", "--zone", "Asia/Kolkata", "--encoding", "cp1252"),
    )
    assert (done.exit_code, done.stderr) == (0, "")
    assert "kwhConsumedAc = Energie (Wh) in Wh" in done.stdout
    assert "1 read, 1 stored, 0 there already" in done.stdout
    half_past_six = NOON - timedelta(hours=5, minutes=30)
    assert connection.execute(STORED).fetchall() == [
        ("L-1", 12.3455, half_past_six, half_past_six - timedelta(minutes=105))
    ]
    assert list(folder.iterdir()) == [folder / "a.csv"]


def test_registers_of_vehicles_and_meters_may_be_in_one_table(
    database_url: str, connection: psycopg.Connection[Any]
) -> None:
    at = NOON.isoformat()
    Path("a.tsv").write_text(
        "meter_id\tvehicle_id\tkwh_total_ac\tkwh_session_dc\tsession\tsoc\ttimestamp\n"
        f"M-1\t\t1234.5\t\t\t\t{at}\n\n\tV-1\t\t3.5\tS1\t80\t{at}\nM-2\t\t\t3.5\tS1\t\t{at}\n",
        encoding="utf-8",
    )
    done = run(database_url, "a.tsv")
    assert done.exit_code == 3
    assert "3 read, 2 stored" in done.stdout
    assert "refused: 1 malformed; they are in a.refused.csv" in done.stdout
    assert '"kwhSessionDc"" does not go with ""meterId"' in Path("a.refused.csv").read_text()
    told = connection.execute(
        "SELECT 'meter', kind::text, telemetry.kwh(coalesce(register_mwh, energy_mwh))::float8"
        " FROM telemetry.meter_reading"
        " UNION ALL"
        " SELECT 'vehicle', kind::text, telemetry.kwh(coalesce(register_mwh, energy_mwh))::float8"
        " FROM telemetry.vehicle_reading ORDER BY 1"
    ).fetchall()
    assert told == [("meter", "lifetime_register", 1234.5), ("vehicle", "session_counter", 3.5)]


@pytest.mark.parametrize("packed", ["plain", "gzip", "zstd", "standard input"])
def test_ndjson_is_read_however_it_comes(
    database_url: str, connection: psycopg.Connection[Any], packed: str
) -> None:
    text = "".join(line(number) for number in range(3)).encode()
    data = {"gzip": gzip.compress, "zstd": zstd.compress}.get(packed, bytes)(text)
    # its name says nothing
    name = "-" if packed == "standard input" else "readings"
    Path("readings").write_bytes(data)
    done = run(database_url, name, given=text)
    assert (done.exit_code, done.stderr) == (0, "")
    assert "3 read, 3 stored, 0 there already" in done.stdout
    assert [row[0] for row in connection.execute(STORED)] == ["M-0", "M-1", "M-2"]
    again = run(database_url, name, given=text)
    assert "3 read, 0 stored, 3 there already" in again.stdout


def test_what_is_refused_goes_to_a_file_from_where_it_can_be_imported(
    database_url: str, connection: psycopg.Connection[Any]
) -> None:
    later = datetime.now(UTC) + timedelta(days=2)
    Path("a.csv").write_text(
        "charger,note,energy,end\n"
        f'M-1,"two\nlines",half,{NOON.isoformat()}\n'
        f"M-2,fine,0.5,{NOON.isoformat()}\n"
        f"M-3,too soon,0.5,{later.isoformat()}\n"
        f"M-4,short,0.5\n",
        encoding="utf-8",
    )
    done = run(database_url, "a.csv")
    assert done.exit_code == 3
    assert "4 read, 1 stored, 0 there already" in done.stdout
    assert "refused: 1 future, 2 malformed; they are in a.refused.csv" in done.stdout
    told = Path("a.refused.csv").read_bytes().decode()
    assert told.startswith("refused_line,refused_reason,refused_detail,charger,note,energy,end\r\n")
    assert '2,malformed,"""energy"": ""half"" is not a number",M-1,"two\nlines",half,' in told
    assert "\r\n5,future," in told
    assert '6,malformed,"it has 3 cells, where the table has 4 columns",M-4,short,0.5' in told
    Path("a.refused.csv").write_bytes(told.replace("half", "0.75").encode())
    again = run(database_url, "a.refused.csv")
    assert again.exit_code == 3
    assert "3 read, 1 stored, 0 there already" in again.stdout
    assert [row[:2] for row in connection.execute(STORED)] == [("M-1", 0.75), ("M-2", 0.5)]
    assert Path("a.refused.refused.csv").read_text().startswith("refused_line,")


def test_a_refused_line_of_ndjson_stands_beside_its_reason(database_url: str) -> None:
    Path("a.jsonl").write_text(line(1) + '{"meterId": "M-2", \n' + line(3, speed=5))
    done = run(database_url, "a.jsonl", "--refused", "no.ndjson")
    assert done.exit_code == 3
    told = [json.loads(text) for text in Path("no.ndjson").read_text().splitlines()]
    assert [(one["line"], one["reason"]) for one in told] == [(2, "malformed"), (3, "malformed")]
    assert told[0]["reading"] == '{"meterId": "M-2",'
    assert told[1]["reading"] == json.loads(line(3, speed=5))
    assert '"speed" is not a field of a reading' in told[1]["detail"]


@pytest.mark.parametrize(
    ("text", "arguments", "told"),
    [
        ("a,b\n1,2\n", (), "no column is whose energy it is (meterId or vehicleId), nor the"),
        ("a,b\n1,2\n", (), 'Columns: "a", "b"'),
        ("meter,kwh,end\n", ("--map", "meterId=Meter"), 'no column "Meter". Columns: "meter"'),
        ("meter,kwh,end\n", ("--map", "mtr=meter"), '"mtr" is none of type'),
        ("meter,kwh,end\n", ("--link",), "no column is of the vehicle that was charged"),
        ("meter,kwh,end\nM-1,1,2026-01-31 12:00\n", (), 'has no offset: say --zone'),
        ("meter,kwh,end\nM-1,1,31.01.2026 12:00\n", (), "say --time-format"),
        ("meter,kwh,end\nM-1,1,2026-01-31 12:00\n", ("--zone", "Mars"), "is not a time zone"),
        ("meter,kwh,end\nM-1,1;5,2026-01-31 12:00\n", ("--encoding", "x"), '"x" is not known'),
        ('[{"meterId": "M-1"}]', (), "holds a JSON array"),
        ("", (), "is empty"),
        ("PK\x03\x04", (), "is neither CSV nor NDJSON"),
        ("meter,kwh,end\nM-1,1,2026-01-31 12:00\n", ("nowhere.csv",), "No such file"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_stores_nothing_and_says_what_to_do(
    database_url: str, text: str, arguments: tuple[str, ...], told: str
) -> None:
    Path("a.csv").write_text(text)
    done = run(database_url, *([] if "nowhere.csv" in arguments else ["a.csv"]), *arguments)
    assert done.exit_code in (1, 2)
    assert told in done.stderr
    assert [path.name for path in Path().iterdir()] == ["a.csv"]


@pytest.mark.slow
def test_a_damaged_file_is_stored_up_to_the_damage(
    database_url: str, connection: psycopg.Connection[Any]
) -> None:
    text = "".join(line(number) for number in range(30_000)).encode()
    packed = gzip.compress(text, 1)
    Path("a.ndjson.gz").write_bytes(packed[: len(packed) // 2])
    done = run(database_url, "a.ndjson.gz")
    assert done.exit_code == 1
    assert "is damaged or cut short" in done.stderr
    row = connection.execute("SELECT count(*) FROM telemetry.meter_reading").fetchone()
    assert row is not None
    assert 12_000 < row[0] < 18_000
    assert row[0] % 12_000
    Path("a.ndjson.gz").write_bytes(packed)
    assert run(database_url, "a.ndjson.gz").exit_code == 1
    whole = run(database_url, "a.ndjson.gz", "--no-resume")
    assert f"{30_000 - row[0]:,} stored, {row[0]:,} there already" in whole.stdout


def test_a_dry_run_stores_nothing_and_says_what_would_be(
    database_url: str, connection: psycopg.Connection[Any]
) -> None:
    Path("a.ndjson").write_text(line(1) + line(2, 9_999_999))
    done = run(database_url, "a.ndjson", "--dry-run")
    assert done.exit_code == 3
    assert "2 read, 1 would be stored, 0 there already" in done.stdout
    assert connection.execute(STORED).fetchall() == []
    assert "would be" not in run(database_url, "a.ndjson").stdout


def test_a_local_time_that_is_twice_or_never_is_told(database_url: str) -> None:
    connection = psycopg.connect(database_url, autocommit=True)
    with connection:
        connection.execute("SELECT ops.set_retention('meter_reading', '4 years', TRUE)")
        Path("a.csv").write_text(
            "charger,start,end,kwh,session\n"
            "M-1,2024-10-27 02:30,2024-10-27 04:00,1,ambiguous\n"
            "M-2,2024-10-27 02:50,2024-10-27 02:10,2,told by its end\n"
            "M-3,2024-10-27 02:30+02:00,2024-10-27 04:00,3,told\n"
            "M-4,2025-03-30 02:30,2025-03-30 04:00,4,never\n"
        )
        done = run(database_url, "a.csv", "--zone", "Europe/Berlin")
        assert done.exit_code == 3
        refused = Path("a.refused.csv").read_text()
        assert '""2024-10-27 02:30"" is twice in Europe/Berlin' in refused
        assert '""2025-03-30 02:30"" does not exist in Europe/Berlin' in refused
        assert "refused: 2 malformed" in done.stdout
        later = run(database_url, "a.csv", "--zone", "Europe/Berlin", "--ambiguous", "later")
        assert "4 read, 1 stored, 2 there already" in later.stdout
        assert [row[2:] for row in connection.execute(STORED)] == [
            (at(3), at(1, 30)),
            (at(1, 10), at(0, 50)),
            (at(3), at(0, 30)),
        ]


def at(hour: int, minute: int = 0) -> datetime:
    """A time of the day on which clocks were set back in Berlin."""
    return datetime(2024, 10, 27, hour, minute, tzinfo=UTC)


def test_an_import_goes_on_only_with_the_same_file_and_options(
    database_url: str, folder: Path
) -> None:
    Path("a.csv").write_text(f"charger,kwh,end\nM-1,1,{NOON.isoformat()}\n" * 2)
    kept = Path("a.csv.wattledger-import")
    status = Path("a.csv").stat()
    mark = {"size": status.st_size, "changed_ns": 0, "head": "", "asked": "", "records": 7}
    kept.write_text(json.dumps(mark))
    done = run(database_url, "a.csv")
    assert done.exit_code == 1
    assert "changed since its import was stopped at record 7: --no-resume" in done.stderr
    kept.write_text("not a mark")
    assert run(database_url, "a.csv").exit_code == 1
    assert run(database_url, "a.csv", "--no-resume").exit_code == 3
    assert not kept.exists()


def test_a_file_never_takes_its_own_refused_records(database_url: str) -> None:
    Path("a.csv").write_text(f"charger,kwh,end\nM-1,1,{NOON.isoformat()}\n")
    done = run(database_url, "a.csv", "--refused", "a.csv")
    assert done.exit_code == 1
    assert "is where its own refused records would go" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_an_import_that_was_stopped_goes_on_where_it_was(
    database_url: str, connection: psycopg.Connection[Any], ended_by: signal.Signals
) -> None:
    readings = 72_000
    with Path("a.ndjson").open("w") as file:
        for number in range(readings):
            # one in a block is refused
            others = {"speed": 1} if number % 12_000 == 5 else {}
            file.write(line(number % 100, number // 100, **others))
    refused = len(range(5, readings, 12_000))
    kept = Path("a.ndjson.wattledger-import")
    environment = {**os.environ, "DATABASE_URL": database_url}
    command = [COMMAND, "import", "--no-settle", "a.ndjson"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not kept.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(ended_by)
    assert process.wait(60) == (-9 if ended_by == signal.SIGKILL else 130)
    stored = json.loads(kept.read_bytes())["records"]
    assert 0 < stored < readings
    done = run(database_url, "a.ndjson")
    assert f"going on after {stored:,} records" in done.stdout
    assert f"refused: {refused:,} malformed" in done.stdout
    assert done.exit_code == 3
    assert not kept.exists()
    told = [json.loads(text)["line"] for text in Path("a.refused.ndjson").read_text().splitlines()]
    assert told == [number + 1 for number in range(5, readings, 12_000)]
    count = connection.execute("SELECT count(*) FROM telemetry.meter_reading").fetchone()
    assert count == (readings - refused,)
