"""Every SQL block of the guides runs as the role that it is for, and shows what it says."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from service.embedded import places
from tests.editions.test_ops import fill_days, refresh
from tests.support.documents import DOCS, Block, sql_blocks, table
from tests.support.ledger import settle
from tests.support.readings import Connection

BLOCKS = sql_blocks()


def of(document: str) -> list[Block]:
    return [block for block in BLOCKS if block.document == document]


def statements(text: str) -> list[str]:
    """One statement each, as psql sends them."""
    return [part for part in text.split(";\n") if part.strip()]


def run(db: Connection, block: Block) -> psycopg.Cursor | None:
    """Run the block's statements; return the last one's cursor."""
    cursor = None
    for statement in statements(block.statements):
        cursor = db.execute(statement)
    return cursor


def run_as_dba(db: Connection, blocks: list[Block]) -> None:
    """Run blocks as wattledger_dba; those for the Community edition alone say so elsewhere."""
    (community,) = db.execute("SELECT telemetry.has_policies()").fetchone() or (None,)
    db.execute("SET SESSION AUTHORIZATION wattledger_dba")
    for block in blocks:
        if "community" in block.words and not community:
            with pytest.raises(psycopg.Error) as raised:
                run(db, block)
            assert raised.value.sqlstate == "WL022"
            continue
        run(db, block)


def test_every_block_is_run_by_a_test_below() -> None:
    assert {block.document for block in BLOCKS} == {
        "bi.md",
        "dba.md",
        "export.md",
        "keys.md",
        "ledger.md",
        "operations.md",
        "runbooks.md",
        "scale.md",
    }
    assert len([block for block in of("bi.md") if block.result]) == 14


def test_the_answers_in_the_guide_for_analysts_are_those_of_the_demo_data(db: Connection) -> None:
    for statement in statements((DOCS / "demo.sql").read_text(encoding="utf-8")):
        db.execute(statement)
    db.execute("SET SESSION AUTHORIZATION wattledger_bi")
    # as Superset sets it for the schema that was chosen
    db.execute("SET search_path = bi")
    for block in of("bi.md"):
        cursor = run(db, block)
        assert cursor is not None
        assert table(cursor) == block.result, f"docs/bi.md:{block.line}"


def test_the_guide_for_analysts_says_how_long_a_late_reading_waits(db: Connection) -> None:
    """Until both refreshes that it needs have run: of the hours, then of the days from them."""
    (hours, days) = (
        db.execute(
            "SELECT max(d.refresh_every) FROM telemetry.dataset AS d WHERE d.dataset LIKE %s",
            [f"%{grain}"],
        ).fetchone()
        for grain in ("hourly", "daily")
    )
    assert hours is not None
    assert days is not None
    assert (hours[0], days[0]) == (timedelta(minutes=15), timedelta(hours=1))
    text = (DOCS / "bi.md").read_text(encoding="utf-8")
    assert (
        "15 minutes at most until the hours have it, or an hour where it is more than three" in text
    )
    assert "then another hour until the\ndays and months do" in text


def test_the_guide_for_analysts_names_the_ports_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATTLEDGER_DB_PORT", raising=False)
    text = (DOCS / "bi.md").read_text(encoding="utf-8")
    assert f"{places.preferred_port()} with the embedded database" in text
    compose = (DOCS.parent / "docker-compose.yml").read_text(encoding="utf-8")
    assert "${WATTLEDGER_DATABASE_PORT:-5433}:5432" in compose
    assert "port is 5433 of the host with Docker Compose" in text


@pytest.mark.slow_on_webassembly
def test_the_guide_for_dbas_works_from_top_to_bottom(db: Connection) -> None:
    fill_days(db)
    refresh(db)
    run_as_dba(db, of("dba.md"))
    dropped = db.execute("SELECT keep::text FROM ops.policies WHERE dataset = 'meter_reading'")
    assert dropped.fetchone() == ("30 days",)


def test_the_guide_to_the_ledger_shows_what_is_told(db: Connection) -> None:
    for block in of("ledger.md"):
        if "load" not in block.words:
            role = "wattledger_bi" if "bi" in block.words else "wattledger_dba"
            db.execute(f"SET ROLE {role}")
        cursor = run(db, block)
        assert cursor is not None
        if "load" not in block.words:
            assert table(cursor) == block.result, f"docs/ledger.md:{block.line}"
        db.execute("RESET ROLE")
        # as the service does meanwhile
        settle(db)


def test_the_guide_to_scale_works_and_leaves_backlog_to_the_moment_of_asking(
    db: Connection,
) -> None:
    run_as_dba(db, of("scale.md"))
    if db.execute("SELECT telemetry.has_policies()").fetchone() == (True,):
        lags = db.execute(
            "SELECT p.refresh_lag FROM ops.policies AS p WHERE p.dataset LIKE '%hourly'"
        ).fetchall()
        assert lags == [(timedelta(hours=9),)] * 2


def test_the_guide_for_operators_works(db: Connection) -> None:
    for block in of("operations.md"):
        run(db, block)


def test_the_queries_of_the_runbooks_work(db: Connection) -> None:
    # what a superuser alone may do would be of the whole server, which others use meanwhile
    run_as_dba(db, [block for block in of("runbooks.md") if "superuser" not in block.words])


def test_the_guide_to_exports_works(db: Connection) -> None:
    run_as_dba(db, of("export.md"))


def test_the_guide_to_keys_works(db: Connection) -> None:
    db.execute("SET SESSION AUTHORIZATION wattledger_dba")
    for block in of("keys.md"):
        cursor = run(db, block)
        assert cursor is not None
        assert cursor.fetchall() == [("north", ["N-*", "vehicle:V-17"])]
