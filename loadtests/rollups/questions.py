"""Questions that rollups answer, and the same asked of the raw readings: answers must be equal."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, LiteralString, NamedTuple

import psycopg

Connection = psycopg.Connection[Any]
Parameters = Mapping[str, object]

_RAW_SUM: LiteralString = """
SELECT trim_scale(ac.energy_mwh * 0.000001), trim_scale(dc.energy_mwh * 0.000001)
FROM (
    SELECT coalesce(sum(m.energy_mwh), 0) AS energy_mwh
    FROM telemetry.charging_link AS l
    JOIN telemetry.meter_reading AS m ON m.meter_id = l.meter_id AND l.during @> m.ts
    WHERE {vehicle} m.ts >= %(since)s AND m.ts < %(until)s
) AS ac
CROSS JOIN (
    SELECT coalesce(sum(v.energy_mwh), 0) AS energy_mwh
    FROM telemetry.charging_link AS l
    JOIN telemetry.vehicle_reading AS v ON v.vehicle_id = l.vehicle_id AND l.during @> v.ts
    WHERE {vehicle} v.ts >= %(since)s AND v.ts < %(until)s
) AS dc
"""


class Question(NamedTuple):
    """Two statements with the same answer."""

    rolled_up: LiteralString
    raw: LiteralString


PERFORMANCE = Question(
    "SELECT p.ac_kwh, p.dc_kwh FROM api.performance(%(vehicle_id)s, %(since)s, %(until)s) AS p",
    _RAW_SUM.replace("{vehicle}", "l.vehicle_id = %(vehicle_id)s AND"),
)
FLEET_DAY = Question(
    "SELECT trim_scale(f.ac_kwh), trim_scale(f.dc_kwh)"
    " FROM bi.fleet_efficiency_daily AS f WHERE f.bucket = %(since)s",
    _RAW_SUM.replace("{vehicle}", ""),
)


class Latency(NamedTuple):
    """Median milliseconds of one execution."""

    rolled_up: float
    raw: float


class AnswersDiffer(Exception):
    """The rollups and the raw readings disagree."""


def ask(
    connection: Connection, question: Question, asked: Sequence[Parameters], rounds: int
) -> Latency:
    """Ask both ways in turns; return the medians. Raises AnswersDiffer."""
    taken: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        for parameters in asked:
            answers = []
            for statement, times in zip(question, taken, strict=True):
                began = time.perf_counter()
                answers.append(connection.execute(statement, parameters).fetchall())
                if turn:  # the first time warms the caches up
                    times.append(1000 * (time.perf_counter() - began))
            if answers[0] != answers[1]:
                raise AnswersDiffer(f"{answers[0]} is not {answers[1]}, of {dict(parameters)}")
    return Latency(median(taken[0]), median(taken[1]))
