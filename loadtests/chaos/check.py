"""Check that all that was acknowledged is stored, exactly once, and all else agrees with it."""

from __future__ import annotations

from typing import NamedTuple

from loadtests.chaos.fleet import Fleet
from loadtests.chaos.installation import Installation, Waited
from loadtests.support import ledgers

_STORED = """
SELECT m.meter_id, count(*) FILTER (WHERE m.entry = 0), sum(m.energy_mwh)::bigint
FROM telemetry.meter_reading AS m
GROUP BY 1
UNION ALL
SELECT v.vehicle_id, count(*) FILTER (WHERE v.entry = 0), sum(v.energy_mwh)::bigint
FROM telemetry.vehicle_reading AS v
GROUP BY 1
"""


class Finding(NamedTuple):
    """What a look at the database found."""

    acknowledged: int
    lost: int
    duplicates: int
    # milliwatt-hours stored beyond those acknowledged
    energy_off_mwh: int
    # rows of ops.verify; None where it was not asked
    differences: int | None
    # devices with registers whose hours are not what the plain fold says; None likewise
    ledgers_off: int | None
    # what a buffer held still; None without one
    waited: Waited | None = None

    @property
    def is_good(self) -> bool:
        """Whether nothing is amiss."""
        return not (
            self.lost
            or self.duplicates
            or self.energy_off_mwh
            or self.differences
            or self.ledgers_off
        )


def look(installation: Installation, fleet: Fleet, *, verify: bool) -> Finding:
    """Compare what is stored with what was acknowledged, while the fleet pauses.

    `verify`: also compare states, hours and days with a recomputation from all raw readings, and
    the ledgers of devices with registers with a plain fold of what they reported.
    """
    waited = installation.wait_until_stored()
    with installation.connect() as connection:
        ledgers.settle(connection)
        rows = connection.execute(_STORED).fetchall()
        stored = {str(device_id): (int(str(n)), int(str(mwh))) for device_id, n, mwh in rows}
        differences = ledgers_off = None
        if verify:
            ledgers_off = len(ledgers.unlike_the_fold(connection, fleet.devices))
            found = connection.execute("SELECT * FROM ops.verify('-infinity', 'infinity')")
            differences = len(found.fetchall())
    lost = duplicates = energy_off = 0
    for device in fleet.devices:
        count, energy_mwh = stored.get(device.id, (0, 0))
        lost += max(0, device.readings - count)
        duplicates += max(0, count - device.readings)
        if not device.is_register:
            energy_off += abs(energy_mwh - device.energy_mwh)
    return Finding(fleet.readings, lost, duplicates, energy_off, differences, ledgers_off, waited)
