"""Late readings that make chunks, one after another, while retention drops others."""

from __future__ import annotations

import itertools
import time

from loadtests.chaos.fleet import Fleet
from loadtests.chaos.installation import Installation

_DAY_MS = 24 * 3600 * 1000
_DEVICES = 100
# what late devices post is kept, however often retention is shortened
_LEAST_DAYS = 82
# no two rounds put readings on the same day twice for a device
_rounds = itertools.count()


def drop_while_chunks_are_made(installation: Installation, fleet: Fleet) -> None:
    """Make chunks that have expired, then drop them while devices post for old days.

    The old days are within the retention: what is acknowledged of them must stay.
    """
    number = next(_rounds)
    with installation.connect() as connection:
        # readings that a DBA loads from an archive, by a device that is not of the fleet, and that
        # are to go now: each round keeps two days less, since what went cannot be loaded again
        connection.execute(
            "WITH shorter AS ("
            " UPDATE telemetry.dataset SET keep = keep - INTERVAL '2 days'"
            " WHERE dataset = 'meter_reading' AND keep > make_interval(days => %s)"
            " RETURNING keep)"
            " INSERT INTO telemetry.meter_reading (meter_id, ts, energy_mwh)"
            " SELECT 'ARCHIVE', now() - s.keep - a.age, 1 FROM shorter AS s,"
            " (VALUES (INTERVAL '75 hours'), (INTERVAL '95 hours')) AS a (age)",
            [_LEAST_DAYS],
        )
        late = fleet.devices[2 * _DEVICES : 3 * _DEVICES]
        for place, device in enumerate(late):
            # a day of its own for each few devices, in no order, and other days in the next round
            day = 10 + (place * 7 + number * 11) % 70
            device.clock_off_ms = -day * _DAY_MS - number
        deadline = time.monotonic() + 4
        try:
            while time.monotonic() < deadline:
                connection.execute("SELECT count(*) FROM api.maintain()")
                time.sleep(0.05)
        finally:
            for device in late:
                device.clock_off_ms = 0
