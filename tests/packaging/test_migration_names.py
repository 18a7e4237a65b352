"""Migrations are named so that none is passed over, and definitions are listed so that none is."""

import re

from tests.packaging.places import MIGRATIONS, SQL

NAMES = sorted(path.name for path in MIGRATIONS.iterdir())


def test_every_migration_has_four_digits_and_a_plain_title():
    assert [name for name in NAMES if not re.fullmatch(r"\d{4}\.[a-z0-9-]+\.sql", name)] == []


def test_migrations_are_numbered_from_one_without_gap_or_duplicate():
    assert [int(name[:4]) for name in NAMES] == list(range(1, len(NAMES) + 1))


def test_load_order_lists_every_definition_once():
    lines = (SQL / "load_order").read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if line.strip() and not line.startswith("#")]
    present = [path.relative_to(SQL).as_posix() for path in SQL.rglob("*.sql")]
    assert sorted(listed) == sorted(present)
