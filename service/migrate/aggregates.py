"""Continuous aggregates that are filled beside the present rollups, while everybody goes on."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

from service.migrate.errors import MigrationError
from service.migrate.patience import Patience

# days stand after the hours that they are computed from. What a rollup is computed from is all
# there from within the UTC day that begins with `copied` and ends with `computed`: what is older is
# copied at leisure, that day in the switch, since readings of it may still come, and the rest is
# computed. Null: nothing was ever dropped, and all is computed. The end is that of the refreshes by
# job, which could not reach late readings of what lies behind it
_ROLLUPS = """
SELECT
    r.name,
    s.dataset,
    CASE WHEN s.complete_since > '-infinity' THEN telemetry.floor_day(s.complete_since) END,
    CASE WHEN s.complete_since > '-infinity' THEN telemetry.ceiling_day(s.complete_since) END,
    e.until,
    telemetry.ceiling_day(s.complete_since) > e.until - r.width
FROM (
    VALUES
    (1, 'meter_energy_hourly', INTERVAL '1 hour'),
    (2, 'meter_energy_daily', INTERVAL '24 hours'),
    (3, 'vehicle_energy_hourly', INTERVAL '1 hour'),
    (4, 'vehicle_energy_daily', INTERVAL '24 hours')
) AS r (place, name, width)
JOIN telemetry.dataset AS d ON d.dataset = r.name
JOIN telemetry.dataset AS s ON s.dataset = telemetry.source_of(r.name)
CROSS JOIN LATERAL (
    SELECT public.time_bucket(r.width, telemetry.utc_minus(now(), d.refresh_lag)) AS until
) AS e
ORDER BY r.place
"""
# as telemetry.refresh_wholly, which this edition does not have yet
_REFRESH_WHOLLY = """
SELECT set_config(s.name, 'off', FALSE)
FROM pg_settings AS s
WHERE s.name = 'timescaledb.enable_merge_on_cagg_refresh' AND s.setting = 'on'
"""
# chunks of about a gigabyte together; before the first and between two there may be open hours
_PIECES = """
WITH edge AS (
    SELECT telemetry.floor_day(max(p.chunk_end)) AS moment
    FROM (
        SELECT c.chunk_end, floor(sum(c.bytes) OVER (ORDER BY c.chunk_start) / 1e9) AS piece
        FROM telemetry.chunks_before(%(dataset)s, %(until)s) AS c
    ) AS p
    GROUP BY p.piece
    UNION
    SELECT %(until)s
)
SELECT coalesce(lag(e.moment) OVER (ORDER BY e.moment), %(since)s), e.moment
FROM edge AS e
WHERE %(since)s IS NULL OR e.moment > %(since)s
ORDER BY e.moment
"""
_TARGET = """
SELECT
    c.materialization_hypertable_schema,
    c.materialization_hypertable_name,
    ARRAY(
        SELECT a.attname::text
        FROM pg_attribute AS a
        WHERE a.attrelid = ('bi.' || c.view_name)::regclass AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
    )
FROM timescaledb_information.continuous_aggregates AS c
WHERE c.view_schema = 'moving' AND c.view_name = %s
"""
# TimescaleDB moves it to the last bucket that it computed, and looks for what is later in the raw
# readings alone: without any to compute it would not show what was copied
_SHOW_COPIED = """
UPDATE _timescaledb_catalog.continuous_aggs_watermark AS w
SET watermark = (extract(EPOCH FROM %(computed)s::timestamptz) * 1000000)::bigint
FROM _timescaledb_catalog.continuous_agg AS c
WHERE c.mat_hypertable_id = w.mat_hypertable_id
    AND c.user_view_schema = 'moving' AND c.user_view_name = %(name)s
    AND w.watermark < (extract(EPOCH FROM %(computed)s::timestamptz) * 1000000)::bigint
"""


class Rollup(NamedTuple):
    """A relation of bi, what it is computed from, and of which time; see _ROLLUPS."""

    name: str
    source: str
    copied: datetime | None
    computed: datetime | None
    until: datetime
    is_too_young: bool


def fill(
    connection: psycopg.Connection[Any], report: Callable[[str], None], patience: Patience
) -> list[Rollup]:
    """Fill the aggregates of the schema moving, which have nothing yet; return what was done.

    Raises MigrationError where too little is left to compute from.
    """
    connection.execute(_REFRESH_WHOLLY)
    rollups = patience.attempt("looking how far back it goes", partial(current, connection))
    for number, rollup in enumerate(rollups, 1):
        if rollup.is_too_young:
            raise MigrationError(
                f"{rollup.source} was dropped up to {rollup.computed:%Y-%m-%d}, and a move needs"
                " the last two whole days of it: try again the day after tomorrow"
            )
        since = "" if rollup.computed is None else f" from {rollup.computed:%Y-%m-%d} on"
        report(
            f"filling the continuous aggregate {rollup.name} ({number} of {len(rollups)}),"
            f" computed{since} from {rollup.source}"
        )
        if rollup.copied is not None:
            for piece in _pieces(connection, rollup.name, None, rollup.copied):
                patience.attempt(
                    f"copying {rollup.name}", partial(copy, connection, rollup, *piece)
                )
        for piece in _pieces(connection, rollup.source, rollup.computed, rollup.until):
            patience.attempt(
                f"filling {rollup.name}", partial(_refresh, connection, rollup, *piece)
            )
        if rollup.computed is not None:
            connection.execute(_SHOW_COPIED, {"name": rollup.name, "computed": rollup.computed})
    # what came meanwhile, so that little is left for after the switch
    for rollup in patience.attempt("looking how far it is", partial(current, connection)):
        patience.attempt(
            f"filling {rollup.name}",
            partial(_refresh, connection, rollup, rollup.computed, rollup.until),
        )
    return rollups


def current(connection: psycopg.Connection[Any]) -> list[Rollup]:
    """The rollups as they are to be filled now, each after what it is computed from."""
    # chunks that somebody dropped past ops are noted only now
    connection.execute("SELECT telemetry.note_dropped()")
    return [Rollup(*row) for row in connection.execute(_ROLLUPS)]


def _pieces(
    connection: psycopg.Connection[Any], dataset: str, since: datetime | None, until: datetime
) -> list[tuple[datetime | None, datetime]]:
    """The time between two moments, the first of which may be that of all time, in parts."""
    return connection.execute(
        _PIECES, {"dataset": dataset, "since": since, "until": until}
    ).fetchall()


def copy(
    connection: psycopg.Connection[Any],
    rollup: Rollup,
    since: datetime | None,
    until: datetime | None,
) -> None:
    """Copy what the rollup has between two moments into its aggregate, which has nothing there."""
    row = connection.execute(_TARGET, [rollup.name]).fetchone()
    assert row is not None  # noqa: S101  _build_beside made it
    schema, table, columns = row
    named = sql.SQL(", ").join(map(sql.Identifier, columns))
    connection.execute(
        sql.SQL(
            "INSERT INTO {} ({}) SELECT {} FROM {} WHERE bucket >= {}::timestamptz"
            " AND bucket < {}::timestamptz"
        ).format(
            sql.Identifier(schema, table),
            named,
            named,
            sql.Identifier("bi", rollup.name),
            sql.Literal(since or "-infinity"),
            sql.Literal(until),
        )
    )


def _refresh(
    connection: psycopg.Connection[Any],
    rollup: Rollup,
    since: datetime | None,
    until: datetime,
) -> None:
    connection.execute(
        sql.SQL("CALL public.refresh_continuous_aggregate({}, {}, {})").format(
            sql.Literal(f"moving.{rollup.name}"), sql.Literal(since), sql.Literal(until)
        )
    )
