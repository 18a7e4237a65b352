"""What docs/export.md shows can be done as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg

from tests.exports.running import fill
from tests.support.documents import DOCS
from tests.support.keys import make_key
from tests.support.process import COMMAND, serving
from tests.support.server import as_service

BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_every_block_can_be_run_in_its_order(database_url: str, tmp_path: Path) -> None:
    blocks = BLOCK.findall((DOCS / "export.md").read_text(encoding="utf-8"))
    assert [language for language, _ in blocks] == ["sh", "python", "sh"]
    with psycopg.connect(database_url, autocommit=True) as db:
        fill(db)
    with serving(as_service(database_url)) as service:
        environment = {
            **os.environ,
            "PATH": f"{COMMAND.parent}{os.pathsep}{os.environ['PATH']}",
            "DATABASE_URL": database_url,
            "KEY": make_key(database_url, "ingest"),
            "URL": service.url,
        }
        said: list[str] = []
        for language, text in blocks:
            command = ["bash", "-eu"] if language == "sh" else [sys.executable, "-"]
            done = subprocess.run(
                command,
                input=text,
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            said.append(done.stdout)
    assert "M-1" in said[1]
    assert said[2] == '{"accepted":0,"duplicates":120}'
    assert {path.name for path in tmp_path.iterdir()} == {
        "m-1.ndjson.gz",
        "vehicles.csv.zst",
        "hours.parquet",
        "sessions.csv",
        "part.ndjson",
    }
