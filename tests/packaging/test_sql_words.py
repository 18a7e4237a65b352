"""Comments of SQL say the same thing by the same word."""

import re

import pytest

from tests.packaging.places import ROOT, SQL

FILES = sorted(SQL.rglob("*.sql"))
COMMENTS = re.compile(r"--[^\n]*|COMMENT ON [^;']*? IS\s*'(?:[^']|'')*'")
AVOIDED = {
    "NULL, not null": r"\b[nN]ulls?\b",
    "start, not begin": r"\b(?:[Bb]egin of|the begin|its begin|begin and end|beginning)\b",
    "one row per dataset, not a row a dataset": r"\ba (?:row|element|chunk) an? ",
    "should, not shall or ought": r"\b(?:shall|ought)\b",
    "fixed, not mended": r"\bmend(?:s|ed)?\b",
}


@pytest.mark.parametrize("word", AVOIDED)
def test_no_comment_uses_the_other_word(word: str):
    found = [
        (path.relative_to(ROOT).as_posix(), comment)
        for path in FILES
        for comment in COMMENTS.findall(path.read_text(encoding="utf-8"))
        if re.search(AVOIDED[word], comment)
    ]
    assert found == []


def test_the_comments_are_found():
    comments = [c for path in FILES for c in COMMENTS.findall(path.read_text(encoding="utf-8"))]
    assert len(comments) > 500
    assert sum("NULL" in comment for comment in comments) > 50
