"""The database's errors: whose trouble each is, and which readings they may fail."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from service.database import errors
from service.database.errors import DatabaseBusy, DatabaseUnavailable
from service.ingest.store import Outcome
from service.ingest.writer import Writer
from tests.service.test_writer import batch_of, submit_all, with_writer
from tests.support.http import meter
from tests.support.readings import NOW, Connection, meter_history

# of each kind that a statement may cause: a check, a value, a range, a size, a limit, a defect
OF_THE_STATEMENT = ["23514", "22003", "22P02", "54000", "53400", "P0001", "XX000", "0A000", "21000"]
OF_THE_SERVER = {
    "08006": "is away",
    "57P01": "is away",
    "57P03": "is away",
    "53100": "disk",
    "53200": "memory",
    "53300": "connections",
    "58030": "disk",
    "XX001": "disk",
    "XX002": "disk",
    "F0000": "disk",
    "55006": "cannot be changed now",
    "55000": "cannot be changed now",
    "57014": "in time",
    "55P03": "in time",
    "25006": "no changes",
    "42501": "not of this version",
    "40001": "same rows",
    "40P01": "same rows",
}


@pytest.fixture
def raising(connection: Connection) -> Any:
    """Let each reading of the meter `poison` raise an SQLSTATE, so many times if told."""
    connection.execute("CREATE SEQUENCE public.raised")
    connection.execute("GRANT USAGE ON SEQUENCE public.raised TO PUBLIC")

    def set_up(code: str, message: str = "for this test", times: int = 1_000_000) -> None:
        connection.execute("ALTER SEQUENCE public.raised RESTART")
        connection.execute(f"""
            CREATE OR REPLACE FUNCTION public.raise_it() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                -- what a sequence counted is not rolled back
                IF NEW.meter_id = 'poison' AND nextval('public.raised') <= {times} THEN
                    RAISE EXCEPTION '{message}' USING ERRCODE = '{code}';
                END IF;
                RETURN NEW;
            END $$;
            CREATE OR REPLACE TRIGGER raise_it BEFORE INSERT ON telemetry.meter_reading
            FOR EACH ROW EXECUTE FUNCTION public.raise_it()
        """)

    return set_up


def group(number: int) -> list[Any]:
    """Requests of a group, one of which has the poison among good readings."""
    ts = NOW + timedelta(seconds=number)
    return [batch_of(meter("A", ts), meter("poison", ts), meter("B", ts)), batch_of(meter("C", ts))]


def test_what_one_reading_causes_fails_that_reading_alone(
    service_url: str, connection: Connection, raising: Any
) -> None:
    async def use(writer: Writer) -> None:
        for number, code in enumerate(OF_THE_STATEMENT):
            raising(code, f"of {code}")
            first, second = await asyncio.gather(
                *(writer.submit(batch, 100) for batch in group(number))
            )
            assert [(r.index, r.reason) for r in first.refused] == [(1, "malformed")], code
            assert f"of {code}" in first.refused[0].detail
            # so that it can be replayed once the cause is gone
            assert first.decoded[1].device_id == "poison"
            assert second.refused == []

    with_writer(service_url, use)
    assert len(meter_history(connection)) == 3 * len(OF_THE_STATEMENT)


def test_a_good_reading_beyond_a_limit_is_kept_so_that_it_can_be_stored_later(
    service_url: str, raising: Any
) -> None:
    raising("53400")
    [outcome] = submit_all(service_url, [batch_of(meter("A"), meter("poison"))])
    assert [(r.index, "kept" in r.detail) for r in outcome.refused] == [(1, True)]
    assert outcome.decoded[1].device_id == "poison"


@pytest.mark.parametrize("code", OF_THE_SERVER)
def test_what_is_the_servers_trouble_is_503_and_nothing_is_called_malformed(
    service_url: str, connection: Connection, raising: Any, code: str
) -> None:
    raising(code)

    async def use(writer: Writer) -> list[Any]:
        return await asyncio.gather(
            *(writer.submit(batch, 100) for batch in group(0)), return_exceptions=True
        )

    for error in with_writer(service_url, use):
        assert isinstance(error, DatabaseUnavailable)
        assert OF_THE_SERVER[code] in str(error)
    assert meter_history(connection) == []


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_a_group_that_others_are_in_the_way_of_is_tried_again_at_once(
    service_url: str, connection: Connection, raising: Any, code: str
) -> None:
    raising(code, times=2)
    outcomes = submit_all(service_url, group(0))
    assert [outcome.refused for outcome in outcomes] == [[], []]
    assert len(meter_history(connection)) == 4


def test_it_is_not_tried_for_ever(service_url: str, connection: Connection, raising: Any) -> None:
    raising("40P01")
    with pytest.raises(DatabaseBusy):
        submit_all(service_url, group(0)[:1])
    assert connection.execute("SELECT last_value FROM public.raised").fetchone() == (3,)


def test_a_real_deadlock_with_another_session_loses_nothing(
    service_url: str, database_url: str, connection: Connection
) -> None:
    later = NOW + timedelta(seconds=1)
    lock = "SELECT FROM telemetry.meter_state WHERE meter_id = %s FOR UPDATE"

    async def use(writer: Writer) -> Outcome:
        await writer.submit(batch_of(meter("A"), meter("B")), 100)
        async with await psycopg.AsyncConnection.connect(database_url) as other:
            # the writer looks for a deadlock first, and so it is the one to give way
            await other.execute("SET deadlock_timeout = '60s'")
            await other.execute(lock, ["B"])
            group = asyncio.create_task(
                writer.submit(batch_of(meter("A", later), meter("B", later)), 100)
            )
            await asyncio.to_thread(wait_until_the_writer_waits, connection)
            await other.execute(lock, ["A"])
        return await group

    assert with_writer(service_url, use).refused == []
    assert len(meter_history(connection)) == 4


def wait_until_the_writer_waits(connection: Connection) -> None:
    """Return when it waits for a lock of another transaction."""
    waiting: tuple[int] | None = (0,)
    while waiting == (0,):
        time.sleep(0.02)
        waiting = connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = 'wattledger ingest' AND wait_event_type = 'Lock'"
            " AND datname = current_database()"
        ).fetchone()


def test_a_database_that_takes_no_changes_makes_no_reading_malformed(
    service_url: str, connection: Connection
) -> None:
    row = connection.execute("SELECT current_database()").fetchone()
    assert row is not None
    connection.execute(f'ALTER DATABASE "{row[0]}" SET default_transaction_read_only = on')
    with pytest.raises(DatabaseUnavailable, match="takes no changes"):
        submit_all(service_url, [batch_of(meter())])
    assert connection.execute("SELECT count(*) FROM telemetry.quarantine").fetchone() == (0,)


@pytest.fixture
def quiet() -> Iterator[None]:
    """Let what was complained of before be news again."""
    errors._complained.clear()
    yield
    errors._complained.clear()


@pytest.mark.usefixtures("quiet")
def test_an_incomplete_configuration_is_503_that_says_so_and_an_error_in_the_log_now_and_then(
    client: Any, connection: Connection, raising: Any, caplog: pytest.LogCaptureFixture
) -> None:
    raising("WL050", "telemetry.limits has no row for voltage_v")
    sent = [meter("A"), meter("poison"), meter("B")]
    with caplog.at_level(logging.ERROR, logger="service"):
        for _ in range(3):
            answer = client.post("/v1/ingest", json=sent)
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
            assert "configuration is incomplete" in answer.json()["detail"]
            assert "no row for voltage_v" in answer.json()["detail"]
    told = [record for record in caplog.records if "voltage_v" in record.getMessage()]
    assert [record.levelname for record in told] == ["ERROR"]
    assert connection.execute("SELECT count(*) FROM telemetry.quarantine").fetchone() == (0,)
    raising("WL050", times=0)
    assert client.post("/v1/ingest", json=sent).status_code == 201


@pytest.mark.usefixtures("quiet")
def test_an_incomplete_configuration_is_503_for_who_reads_too(
    client: Any, connection: Connection
) -> None:
    connection.execute("""
        CREATE OR REPLACE FUNCTION api.meter_states(
            after text, page_size integer, of_site text DEFAULT NULL, of_group text DEFAULT NULL
        )
        RETURNS TABLE (
            meter_id text, read_at timestamptz, kind text, energy_kwh numeric,
            register_kwh numeric, session_id text, voltage_v numeric, received_at timestamptz,
            open_events integer, name text, site text, groups text[], retired_at timestamptz
        )
        LANGUAGE plpgsql STABLE SECURITY DEFINER
        AS $$ BEGIN RAISE EXCEPTION 'no row of telemetry.rules' USING ERRCODE = 'WL050'; END $$
    """)
    answer = client.get("/v1/meters")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "no row of telemetry.rules" in answer.json()["detail"]
