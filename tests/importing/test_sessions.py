"""Charging sessions of a public operator: what is told of them is what is in the file."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from service.cli import main
from tests.support import operator_export
from tests.support.operator_export import ZONE, Session

# below it none is shown
SMALLEST_KWH = Decimal("0.1")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, which is empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def imported(url: str, *arguments: str) -> str:
    done = CliRunner().invoke(main, ["import", "export.csv", *arguments], env={"DATABASE_URL": url})
    assert done.exit_code == 0, done.output
    return done.stdout


def check_sessions(connection: psycopg.Connection[Any], told: list[Session]) -> None:
    """See that each session is there once, whole, with its start, end, energy and card."""
    found = {
        row[0]: row[1:]
        for row in connection.execute(
            "SELECT session_id, meter_id, vehicle_id, started_at, ended_at, ac_kwh"
            " FROM bi.charging_session"
        )
    }
    shown = [session for session in told if session.kwh >= SMALLEST_KWH]
    rows = connection.execute("SELECT count(*) FROM bi.charging_session").fetchone()
    assert rows == (len(shown),)
    free_since: dict[str, datetime] = {}
    for session in told:
        # where a clock had it overlap with the one before, it starts when that had ended
        since = max(session.since, free_since.get(session.meter_id, session.since))
        free_since[session.meter_id] = session.until
        if session.kwh >= SMALLEST_KWH:
            assert found[session.session_id] == (
                *(session.meter_id, session.vehicle_id, since, session.until, session.kwh),
            )


def check_months(connection: psycopg.Connection[Any], told: list[Session]) -> None:
    """See that months add up: of the energy, what flowed in each by the time that it took."""
    expected: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    free_since: dict[str, datetime] = {}
    for session in told:
        since = max(session.since, free_since.get(session.meter_id, session.since))
        free_since[session.meter_id] = session.until
        whole = session.until - since
        at = since
        while at < session.until:
            start = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
            end = min((start + timedelta(days=32)).replace(day=1), session.until)
            part = Decimal((end - at) // timedelta(seconds=1)) / (whole // timedelta(seconds=1))
            expected[session.meter_id, f"{at:%Y-%m}"] += session.kwh * part
            at = end
    found = {
        (meter_id, month): kwh
        for meter_id, month, kwh in connection.execute(
            "SELECT m.meter_id, to_char(m.month, 'YYYY-MM'), m.energy_kwh"
            " FROM bi.meter_energy_monthly AS m"
        )
    }
    assert found.keys() >= {key for key, kwh in expected.items() if kwh}
    for key, kwh in found.items():
        # a session across midnight of a month is cut to whole milliwatt-hours
        assert abs(kwh - expected[key]) <= Decimal("0.00001"), key


def test_sessions_and_months_are_as_in_the_file(
    database_url: str, connection: psycopg.Connection[Any]
) -> None:
    first = datetime.now(UTC).replace(microsecond=0) - timedelta(days=26)
    told = operator_export.sessions(first, 20, chargers=2)
    repeated = operator_export.write(Path("export.csv"), told, offset=True)
    done = imported(database_url, "--link")
    assert f"{len(told):,} stored, {repeated} there already, {len(told):,} linked" in done
    assert "not used: Address" in done
    check_sessions(connection, told)
    check_months(connection, told)
    again = imported(database_url, "--link")
    assert f"0 stored, {len(told) + repeated:,} there already" in again
    assert "linked" not in again
    check_sessions(connection, told)


def test_without_link_no_card_is_stored_and_sessions_are_the_same(
    database_url: str, connection: psycopg.Connection[Any]
) -> None:
    first = datetime.now(UTC).replace(microsecond=0) - timedelta(days=12)
    told = operator_export.sessions(first, 8, chargers=1)
    operator_export.write(Path("export.csv"), told, offset=True)
    assert "not used: Card ID, Address" in imported(database_url)
    check_sessions(connection, [session._replace(vehicle_id=None) for session in told])


@pytest.mark.slow
def test_a_year_is_imported_by_one_command(
    database_url: str, connection: psycopg.Connection[Any]
) -> None:
    first = datetime.now(UTC).replace(microsecond=0) - timedelta(days=370)
    told = operator_export.sessions(first, 365, chargers=1)
    # of the hour that clocks are set back to, only those are there that can be told apart
    told = [session for session in told if not session.is_ambiguous]
    operator_export.write(Path("export.csv"), told)
    connection.execute("CALL ops.maintain()")
    done = imported(database_url, "--link", "--zone", str(ZONE), "--as-history")
    assert f"{len(told):,} stored" in done
    check_sessions(connection, told)
    check_months(connection, told)
    # of three months readings are kept; of the others what follows from them
    row = connection.execute("SELECT min(m.ts) FROM telemetry.meter_reading AS m").fetchone()
    assert row is not None
    assert row[0] > datetime.now(UTC) - timedelta(days=95)
    connection.execute("CALL ops.maintain()")
    check_sessions(connection, told)
    check_months(connection, told)
