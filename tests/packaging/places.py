"""Where the files are that these tests read."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MIGRATIONS = ROOT / "migrations"
SQL = ROOT / "sql"
SERVICE = ROOT / "service"
