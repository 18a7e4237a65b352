"""Migrations are named so that none is passed over, and definitions are listed so that none is."""

import re

import pytest

from service.migrate.edition import EDITIONS, Edition, belongs_to
from tests.packaging.places import MIGRATIONS, SQL

FILES = sorted(MIGRATIONS.iterdir())


def test_every_migration_has_four_digits_a_plain_title_and_perhaps_an_edition():
    pattern = rf"\d{{4}}\.[a-z0-9-]+(\.({'|'.join(EDITIONS)}))?\.sql"
    assert [path.name for path in FILES if not re.fullmatch(pattern, path.name)] == []


@pytest.mark.parametrize("edition", EDITIONS)
def test_migrations_of_an_edition_are_numbered_from_one_without_gap_or_duplicate(edition: Edition):
    numbers = [
        int(path.name[:4]) for path in FILES if belongs_to(path.relative_to(MIGRATIONS), edition)
    ]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_migration_for_one_edition_has_a_counterpart_for_the_other():
    titles = [path.stem.rpartition(".")[0] for path in FILES if path.stem.endswith(EDITIONS)]
    assert {title: titles.count(title) for title in titles} == dict.fromkeys(titles, len(EDITIONS))


def test_load_order_lists_every_definition_once():
    lines = (SQL / "load_order").read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if line.strip() and not line.startswith("#")]
    present = [path.relative_to(SQL).as_posix() for path in SQL.rglob("*.sql")]
    assert sorted(listed) == sorted(present)
