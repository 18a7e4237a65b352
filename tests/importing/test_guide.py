"""The commands of docs/import.md, as somebody types them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg

_GUIDE = Path(__file__).parents[2] / "docs" / "import.md"


def test_the_commands_of_the_guide_work(
    database_url: str, connection: psycopg.Connection[Any], tmp_path: Path
) -> None:
    [block] = re.findall(r"```sh\n(.*?)```", _GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run(
        ["sh", "-e", "-c", block.replace(".venv/bin", str(Path(sys.executable).parent))],
        env=os.environ | {"DATABASE_URL": database_url},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2 would be stored" in done.stdout
    assert "3 read, 2 stored, 0 there already, 2 linked" in done.stdout
    assert '"none"" is not a number"' in done.stdout
    assert connection.execute(
        "SELECT c.session_id, c.vehicle_id, c.ac_kwh::float8,"
        " to_char(c.started_at, 'HH24:MI:SS'), to_char(c.ended_at, 'HH24:MI:SS')"
        " FROM bi.charging_session AS c ORDER BY 1"
    ).fetchall() == [
        ("S-1", "CARD-1", 16.5, "08:00:00", "09:30:00"),
        ("S-2", "CARD-2", 9.25, "09:30:00", "11:00:00"),
    ]
