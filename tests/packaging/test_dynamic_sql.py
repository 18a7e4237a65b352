"""No statement is put together from text that could say more than a name or a value."""

import re

import pytest

from tests.packaging.places import MIGRATIONS, ROOT, SERVICE, SQL

FILES = sorted([*MIGRATIONS.glob("*.sql"), *SQL.rglob("*.sql"), *SERVICE.rglob("*.sql")])

# an EXECUTE of PL/pgSQL: not the right of that name, not the function of a trigger
DYNAMIC = re.compile(r"(?<!REVOKE )(?<!GRANT )\bEXECUTE\b(?! FUNCTION\b| ON\b)\s*(.*?);", re.DOTALL)
FORMAT = re.compile(r"format\(\s*'(?P<template>(?:[^']|'')*)'(?P<rest>.*)\)", re.DOTALL)

# places that are filled with something else than a quoted name or value, each looked at by a person
REVIEWED = {
    # a function's arguments as the catalogue writes them
    ("access.sql", "REVOKE ALL ON FUNCTION %I.%I(%s) FROM PUBLIC"),
    ("access.sql", "GRANT EXECUTE ON FUNCTION %I.%I(%s) TO wattledger_owner"),
}
# what was put together by format() before, in the same block
BEFORE = {("move_locks.sql", "v_lock")}


def statements(text: str) -> list[str]:
    """The expressions that a file executes, without comments."""
    bare = re.sub(r"--[^\n]*", "", text)
    return [match[1].strip() for match in DYNAMIC.finditer(bare)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_dynamic_statements_quote_what_they_are_given(path):
    for statement in statements(path.read_text(encoding="utf-8")):
        if (path.name, statement) in BEFORE:
            continue
        found = FORMAT.fullmatch(statement)
        assert found, f"put it together by format() alone: {statement}"
        assert "||" not in found["rest"], statement
        if (path.name, found["template"]) not in REVIEWED:
            places = re.findall(r"%(?:\d+\$)?(.)", found["template"])
            assert set(places) <= {"I", "L"}, statement


def test_some_statements_are_dynamic_and_every_exemption_is_used():
    templates = {
        (path.name, found["template"])
        for path in FILES
        for statement in statements(path.read_text(encoding="utf-8"))
        if (found := FORMAT.fullmatch(statement))
    }
    assert len(templates) > 4
    assert templates >= REVIEWED
    found = {
        (path.name, statement)
        for path in FILES
        for statement in statements(path.read_text(encoding="utf-8"))
    }
    assert found >= BEFORE
