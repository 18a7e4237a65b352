"""Late readings that make chunks, one after another, while retention drops others."""

from __future__ import annotations

import itertools
import time
from contextlib import suppress

import psycopg

from loadtests.chaos.fleet import Fleet
from loadtests.chaos.installation import Installation

_DAY_MS = 24 * 3600 * 1000
_DEVICES = 100
_EXPIRED_DAYS = 12
# no two rounds put readings on the same day twice for a device
_rounds = itertools.count()


def drop_while_chunks_are_made(installation: Installation, fleet: Fleet) -> None:
    """Make chunks that have expired, then drop them while devices post for old days.

    The old days are within the retention: what is acknowledged of them must stay.
    """
    number = next(_rounds)
    with installation.connect() as connection:
        # readings that a DBA loads from an archive, by a device that is not of the fleet
        connection.execute(
            "INSERT INTO telemetry.meter_reading (meter_id, ts, energy_mwh)"
            " SELECT 'ARCHIVE', now() - make_interval(days => 100 + d), 1"
            " FROM generate_series(1, %s) AS d",
            [_EXPIRED_DAYS],
        )
        late = fleet.devices[2 * _DEVICES : 3 * _DEVICES]
        for place, device in enumerate(late):
            # a day of its own for each few devices, in no order, and other days in the next round
            day = 10 + (place * 7 + number * 11) % 70
            device.clock_off_ms = -day * _DAY_MS - number
        deadline = time.monotonic() + 4
        try:
            while time.monotonic() < deadline:
                with suppress(psycopg.errors.LockNotAvailable):  # it gives way, and tries again
                    connection.execute("SELECT count(*) FROM telemetry.drop_expired()")
                time.sleep(0.05)
        finally:
            for device in late:
                device.clock_off_ms = 0
