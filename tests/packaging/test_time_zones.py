"""No result depends on the session's time zone by a span of days, a truncation or a cast."""

import re

import pytest

from tests.packaging.places import MIGRATIONS, ROOT, SERVICE, SQL

FILES = sorted([*MIGRATIONS.glob("*.sql"), *SQL.rglob("*.sql"), *SERVICE.rglob("*.py")])

# PostgreSQL adds days, weeks, months and years to a moment in the session's time zone, where a day
# may have 23 or 25 hours: say hours, or use telemetry.utc_minus
CALENDAR = r"INTERVAL '[^']*\b(?:day|week|mon|month|year|decade|centur)\w*'"
BESIDE = re.compile(rf"(?P<left>[\w.]+|\))\s*[-+]\s*{CALENDAR}|{CALENDAR}\s*[-+]", re.IGNORECASE)
# any other span may have days in it, unless it is told in hours or less
CLOCK = re.compile(
    r"\b(?:now|clock_timestamp|statement_timestamp|transaction_timestamp)\(\)\s*[-+]\s*"
    r"(?!INTERVAL '\d+ (?:hour|minute|second|microsecond)s?')(?P<right>[\w.%]+(?:\()?)",
    re.IGNORECASE,
)
# what has a date or a local time in it without a zone said
ZONELESS = re.compile(
    r"\b(?:current_date|current_time|localtime|localtimestamp)\b"
    r"|(?<!\bAT TIME ZONE 'UTC'\))(?<!\bAT TIME ZONE zone\))::date\b",
    re.IGNORECASE,
)

# each looked at by a person: no moment, or no span
REVIEWED = {
    # spans
    ("datasets.sql", "keep + INTERVAL '2 days'"),
    ("datasets.sql", "r.keep + INTERVAL '3 days'"),
    ("retention.sql", "v_finer + INTERVAL '7 days'"),
    ("retention.sql", ") + INTERVAL '7 days'"),
    # no value
    ("explain_hour.sql", "::date"),
    # timestamps without time zone
    ("time_zones.sql", "v_midnight + INTERVAL '1 day'"),
    # the difference of two moments
    ("upkeep.sql", "now() - w.watermark"),
    ("drop.sql", "clock_timestamp() - v_since"),
    ("turns.sql", "clock_timestamp() - v_since"),
    ("metrics.sql", "now() - w.since"),
    ("metrics.sql", "now() - t.since"),
    ("settle_charging.sql", "now() - p.kept_at"),
    ("settle_charging.sql", "now() - k.before"),
    ("settle_charging.sql", "clock_timestamp() - v_began"),
    # minutes
    ("acceptance.sql", "now() + r.clock_skew"),
    ("arrival.sql", "now() + random("),
    ("queue.sql", "now() + random("),
    ("settle_due.sql", "clock_timestamp() + INTERVAL"),
    ("settle_charging.sql", "clock_timestamp() + greatest("),
    ("charging_retention.sql", "clock_timestamp() + INTERVAL"),
    ("settle_before.sql", "clock_timestamp() + INTERVAL"),
}


def code(text: str) -> str:
    """A file without comments and texts of COMMENT ON."""
    bare = re.sub(r"--[^\n]*|^\s*#[^\n]*", "", text, flags=re.MULTILINE)
    return re.sub(r"COMMENT ON [^;]*? IS\s*'(?:[^']|'')*'", "", bare)


def arguments(text: str, start: int) -> list[str]:
    """The arguments of a call whose opening parenthesis is before start."""
    depth, found, current = 1, [], ""
    for character in text[start:]:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            break
        if character == "," and depth == 1:
            found.append(current)
            current = ""
        else:
            current += character
    return [*found, current]


def suspicious(text: str) -> list[str]:
    """Expressions of SQL whose value may depend on the session's time zone."""
    bare = code(text)
    found = [match[0] for match in (*BESIDE.finditer(bare), *CLOCK.finditer(bare))]
    found += [match[0] for match in ZONELESS.finditer(bare)]
    for match in re.finditer(r"date_trunc\(", bare):
        given = arguments(bare, match.end())
        # of a timestamp, whatever the session
        if len(given) < 3 and "timestamp" not in given[1] and not given[1].strip().startswith("v_"):
            found.append(f"date_trunc({','.join(given)})")
    return [re.sub(r"\s+", " ", expression) for expression in found]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_expression_depends_on_the_sessions_time_zone(path):
    found = {(path.name, found) for found in suspicious(path.read_text(encoding="utf-8"))}
    assert found <= REVIEWED


@pytest.mark.parametrize(
    "expression",
    [
        "r.bucket + INTERVAL '1 day'",
        "since - interval '2 weeks'",
        "INTERVAL '1 month' + since",
        "greatest(a, b) - INTERVAL '1 year'",
        "now() - d.keep",
        "now() - telemetry.drop_after(d.keep)",
        "now() - %s::interval",
        "date_trunc('day', r.ts)",
        "r.ts::date",
        "r.ts >= current_date",
    ],
)
def test_what_depends_on_it_is_found(expression):
    assert suspicious(f"SELECT {expression} FROM x")


@pytest.mark.parametrize(
    "expression",
    [
        "r.bucket + INTERVAL '24 hours'",
        "now() - INTERVAL '10 minutes'",
        "telemetry.utc_minus(now(), d.keep)",
        "date_trunc('day', r.ts, 'UTC')",
        "(r.ts AT TIME ZONE 'UTC')::date",
        "public.time_bucket('1 day', r.ts)",
    ],
)
def test_what_does_not_depend_on_it_is_left_alone(expression):
    assert suspicious(f"SELECT {expression} FROM x") == []


def test_every_exemption_is_used():
    found = {
        (path.name, expression)
        for path in FILES
        for expression in suspicious(path.read_text(encoding="utf-8"))
    }
    assert found >= REVIEWED
