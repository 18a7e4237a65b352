"""Files stay small enough to be read in one go, and say what they are for."""

import ast
from pathlib import Path

import pytest

from tests.packaging.places import MIGRATIONS, ROOT, SERVICE, SQL

MODULES = sorted(SERVICE.rglob("*.py"))


@pytest.mark.parametrize(("folder", "limit"), [(SQL, 300), (MIGRATIONS, 300), (SERVICE, 250)])
def test_no_file_is_longer_than_its_folder_allows(folder: Path, limit: int):
    lengths = {
        path.relative_to(ROOT).as_posix(): path.read_bytes().count(b"\n")
        for path in folder.rglob("*")
        if path.suffix in {".py", ".sql"}
    }
    assert {name: length for name, length in lengths.items() if length > limit} == {}


def test_every_module_opens_with_a_docstring():
    silent = [
        path.relative_to(ROOT).as_posix()
        for path in MODULES
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_every_sql_file_opens_with_a_comment():
    silent = [
        path.relative_to(ROOT).as_posix()
        for path in [*SQL.rglob("*.sql"), *MIGRATIONS.glob("*.sql")]
        if not path.read_text(encoding="utf-8").startswith("-- ")
    ]
    assert silent == []
