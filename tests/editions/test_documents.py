"""Every SQL block of the guides runs as the role that it is for, and shows what it says."""

from __future__ import annotations

import psycopg
import pytest

from tests.editions.test_ops import fill_days, refresh
from tests.support.documents import DOCS, Block, sql_blocks, table
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


def test_every_block_is_run_by_a_test_below() -> None:
    assert {block.document for block in BLOCKS} == {"bi.md", "dba.md", "keys.md", "operations.md"}
    assert len([block for block in of("bi.md") if block.result]) == 10


def test_the_answers_in_the_guide_for_analysts_are_those_of_the_demo_data(db: Connection) -> None:
    for statement in statements((DOCS / "demo.sql").read_text(encoding="utf-8")):
        db.execute(statement)
    db.execute("SET SESSION AUTHORIZATION wattledger_bi")
    for block in of("bi.md"):
        cursor = run(db, block)
        assert cursor is not None
        assert table(cursor) == block.result, f"docs/bi.md:{block.line}"


def test_the_guide_for_dbas_works_from_top_to_bottom(db: Connection) -> None:
    fill_days(db)
    refresh(db)
    (community,) = db.execute("SELECT telemetry.has_policies()").fetchone() or (None,)
    db.execute("SET SESSION AUTHORIZATION wattledger_dba")
    for block in of("dba.md"):
        if "community" in block.words and not community:
            with pytest.raises(psycopg.Error) as raised:
                run(db, block)
            assert raised.value.sqlstate == "WL022"
            continue
        run(db, block)
    dropped = db.execute("SELECT keep::text FROM ops.policies WHERE dataset = 'meter_reading'")
    assert dropped.fetchone() == ("30 days",)


def test_the_guide_for_operators_works(db: Connection) -> None:
    for block in of("operations.md"):
        run(db, block)


def test_the_guide_to_keys_works(db: Connection) -> None:
    db.execute("SET SESSION AUTHORIZATION wattledger_dba")
    for block in of("keys.md"):
        cursor = run(db, block)
        assert cursor is not None
        assert cursor.fetchall() == [("north", ["N-*", "V-17"])]
