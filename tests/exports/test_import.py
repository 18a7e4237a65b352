"""What `wattledger export` writes, `wattledger import` takes, and the ledger is the same."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from service.cli import main
from tests.exports.running import fill, run
from tests.exports.test_round_trip import all_of
from tests.support.server import Server


@pytest.mark.parametrize("ending", ["csv", "csv.zst", "ndjson", "ndjson.gz"])
def test_exported_readings_are_imported_as_they_were(
    database_url: str,
    database_server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with psycopg.connect(database_url, autocommit=True) as db:
        fill(db)
    with database_server.clone() as target:
        for side in ("meters", "vehicles"):
            file = f"{side}.{ending}"
            assert run(database_url, "readings", f"--{side}", "--output", file).exit_code == 0
            taken = CliRunner().invoke(main, ["import", file], env={"DATABASE_URL": target})
            assert taken.exit_code == 0, taken.output
        assert all_of(target) == all_of(database_url)
