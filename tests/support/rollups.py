"""Compare the rollups with what plain SQL makes of the raw readings."""

from __future__ import annotations

from typing import Any

from tests.support.readings import Connection

_MEASURES = {
    "meter": [("voltage", "v", "mv")],
    "vehicle": [("soc", "percent", "mpct"), ("battery_temp", "c", "mc")],
}
_APPORTIONED = "sum(CASE WHEN r.reason = 'apportioned' THEN r.energy_mwh ELSE 0 END)"


def _recomputed(kind: str, unit: str) -> str:
    bucket = f"date_trunc('{unit}', r.ts, 'UTC')"
    columns = [
        f"{bucket} AS bucket",
        *([] if unit == "hour" else [f"({bucket} AT TIME ZONE 'UTC')::date AS {unit}"]),
        f"r.{kind}_id",
        "sum(r.energy_mwh) / 1000000 AS energy_kwh",
        f"{_APPORTIONED} / 1000000.0 AS apportioned_kwh",
        "sum(r.energy_mwh) AS energy_mwh",
        f"{_APPORTIONED} AS apportioned_mwh",
        "sum((r.entry = 0)::int) AS samples",
        "min(CASE WHEN r.entry = 0 THEN r.ts END) AS first_reading_at",
        "max(CASE WHEN r.entry = 0 THEN r.ts END) AS last_reading_at",
        "max(r.received_at) AS last_received_at",
    ]
    for name, shown, stored in _MEASURES[kind]:
        value = f"CASE WHEN r.entry = 0 THEN r.{name}_{stored} END"
        columns += [
            f"min({value}) / 1000.0 AS {name}_{shown}_min",
            f"round(avg({value}) / 1000, 3) AS {name}_{shown}_avg",
            f"max({value}) / 1000.0 AS {name}_{shown}_max",
            f"count({value}) AS {name}_samples",
            f"sum({value}) AS {name}_{stored}_sum",
        ]
    readings = f"telemetry.{kind}_reading AS r"
    return f"SELECT {', '.join(columns)} FROM {readings} GROUP BY {bucket}, r.{kind}_id"


def differences(connection: Connection) -> list[tuple[str, Any]]:
    """Rows of bi's energy relations that raw readings do not give, and those that are missing."""
    found: list[tuple[str, Any]] = []
    for kind in ("meter", "vehicle"):
        for grain, unit in (("hourly", "hour"), ("daily", "day"), ("monthly", "month")):
            relation = f"bi.{kind}_energy_{grain}"
            shown, expected = f"SELECT * FROM {relation}", _recomputed(kind, unit)
            for what, query in (
                ("unexpected", f"({shown}) EXCEPT ({expected})"),
                ("missing", f"({expected}) EXCEPT ({shown})"),
            ):
                found += [
                    (f"{what} in {relation}", row) for row in connection.execute(query).fetchall()
                ]
    return found
