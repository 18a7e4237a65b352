"""What a DBA may, as themselves and as the owner, up to the line that SECURITY.md draws."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from tests.privileges.attempts import permitted
from tests.privileges.conftest import Login
from tests.support.readings import Connection

CHANGES = ["UPDATE {} SET energy_mwh = 0", "DELETE FROM {}"]


@pytest.fixture
def owner(login: Login) -> Connection:
    """A DBA's session that has become the owner."""
    session = login("wattledger_dba")
    session.execute("SET ROLE wattledger_owner")
    return session


@pytest.fixture
def readings(superuser: Connection) -> Iterator[list[sql.Composable]]:
    """The tables of readings and their chunks, by name; whole at the end of the test as before."""
    query = "SELECT count(*), sum(energy_mwh) FROM telemetry.meter_reading"
    before = superuser.execute(query).fetchone()
    names: list[sql.Composable] = []
    for table in ("meter_reading", "vehicle_reading"):
        names.append(sql.Identifier("telemetry", table))
        rows = superuser.execute(
            "SELECT c::text FROM show_chunks('telemetry.' || %s) AS c", [table]
        )
        names += [sql.SQL(name) for (name,) in rows]
    assert len(names) >= 4
    yield names
    assert superuser.execute(query).fetchone() == before != (0, None)


def test_a_dba_may_do_what_the_handbook_says(login: Login) -> None:
    dba = login("wattledger_dba")
    for view in ("policies", "jobs", "freshness", "storage", "quarantine"):
        dba.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier("ops", view)))
    dba.execute("SELECT * FROM ops.set_retention('meter_energy_hourly', '6 years', true)")
    dba.execute("SET ROLE wattledger_owner")
    dba.execute("SELECT show_chunks('telemetry.meter_reading')")
    dba.execute("RESET ROLE")
    assert dba.execute("SELECT current_user").fetchone() == ("wattledger_dba",)


def test_the_owner_has_no_right_to_change_a_reading(
    owner: Connection, readings: list[sql.Composable]
) -> None:
    for name in readings:
        statements = [sql.SQL(change).format(name) for change in [*CHANGES, "TRUNCATE {}"]]
        assert permitted(owner, statements) == []


@pytest.mark.parametrize("change", CHANGES)
def test_a_trigger_refuses_even_who_took_that_right_back(
    owner: Connection, readings: list[sql.Composable], change: str
) -> None:
    refused = 0
    for name in readings:
        with owner.transaction(force_rollback=True):
            owner.execute(sql.SQL("GRANT ALL ON {} TO wattledger_owner").format(name))
            with pytest.raises(psycopg.Error) as error, owner.transaction():
                owner.execute(sql.SQL(change).format(name))
            assert error.value.sqlstate == "WL010"
            refused += 1
    assert refused == len(readings)


def test_readings_cannot_be_truncated_with_all_rights(
    owner: Connection, readings: list[sql.Composable]
) -> None:
    for name in readings:
        if "telemetry" in name.as_string():
            with owner.transaction(force_rollback=True):
                owner.execute(sql.SQL("GRANT ALL ON {} TO wattledger_owner").format(name))
                with pytest.raises(psycopg.Error) as error, owner.transaction():
                    owner.execute(sql.SQL("TRUNCATE {}").format(name))
                assert error.value.sqlstate == "WL010"


def test_a_superuser_meets_the_trigger_too(
    superuser: Connection, readings: list[sql.Composable]
) -> None:
    for name in readings:
        for change in CHANGES:
            with pytest.raises(psycopg.Error) as error, superuser.transaction():
                superuser.execute(sql.SQL(change).format(name))
            assert error.value.sqlstate == "WL010"


def test_an_owner_who_takes_the_guard_down_on_purpose_can_change_history(
    owner: Connection, readings: list[sql.Composable]
) -> None:
    """Nothing keeps an owner from it. Should this ever fail, SECURITY.md may promise more."""
    with owner.transaction(force_rollback=True):
        owner.execute("GRANT ALL ON telemetry.meter_reading TO wattledger_owner")
        owner.execute("DROP TRIGGER append_only ON telemetry.meter_reading")
        assert owner.execute("DELETE FROM telemetry.meter_reading").rowcount > 0
