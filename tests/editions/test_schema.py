"""The schema of a migrated database is the one that is kept as a file, on each edition."""

from __future__ import annotations

import difflib

from service.migrate import edition
from tests.support.readings import Connection
from tests.support.schema import described, kept

CHANGED = """
the schema is not that of {file} any more. If it should be so, renew the file:

    just schema

{difference}"""


def test_the_schema_is_the_one_that_is_kept(db: Connection) -> None:
    file = kept(edition.recorded(db) or "")
    now = described(db)
    then = file.read_text(encoding="utf-8") if file.is_file() else ""
    difference = "\n".join(
        difflib.unified_diff(then.splitlines(), now.splitlines(), "kept", "now", lineterm="")
    )
    assert difference == "", CHANGED.format(file=file.name, difference=difference)
