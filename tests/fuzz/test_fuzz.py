"""What the fuzzer found stays fixed, and a short run of it finds nothing."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.case import check

CORPUS = Path(__file__).with_name("corpus")


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_a_body_of_the_corpus_is_taken_or_refused(path: Path) -> None:
    check(path.read_bytes())


def test_a_promise_that_is_broken_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    # as if a reading that is no object had been passed over
    monkeypatch.setattr("tests.fuzz.case.raw_readings", lambda body, media_type: [])
    with pytest.raises(AssertionError, match="raw readings"):
        check((CORPUS / "three-json").read_bytes())


@pytest.mark.slow
@pytest.mark.skipif(not importlib.util.find_spec("atheris"), reason="atheris is not on this system")
def test_a_short_run_finds_nothing_and_reaches_more_than_the_corpus(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--runs", "3000", "--seed", "1", "--out", tmp_path],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert list((tmp_path / "FOUND").iterdir()) == []
    assert list((tmp_path / "reached").iterdir()) != []
