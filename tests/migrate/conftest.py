"""The SQL that a test may change."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from service.migrate import files


@pytest.fixture
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of migrations/ and sql/ for a test to change, used in place of the real ones."""
    for name, source in (("migrations", files.MIGRATIONS), ("sql", files.DEFINITIONS)):
        shutil.copytree(source, tmp_path / name)
    monkeypatch.setattr(files, "MIGRATIONS", tmp_path / "migrations")
    monkeypatch.setattr(files, "DEFINITIONS", tmp_path / "sql")
    return tmp_path
