"""Device that load is sent for, and what of it was acknowledged."""

from __future__ import annotations

from loadtests.support.simulated import registers

# one in so many has a register of a simulated fleet: its day takes a period, then it falls to zero
_SHARE = 10
_PERIOD_MS = 3600 * 1000


class CountedDevice:
    """A meter or a vehicle: readings, and the sum of their energy, that must be stored.

    One with a register reports where that stands: its ledger follows from all that it reported.
    """

    def __init__(self, number: int) -> None:
        self.is_meter = number % 2 == 0
        self.is_register = number // 2 % _SHARE == 0
        self.id = f"{'M' if self.is_meter else 'V'}-{number}"
        self.readings = 0
        self.energy_mwh = 0
        # of one with a register: times in epoch milliseconds, and levels
        self.registers: list[tuple[int, int]] = []
        self._number = number
        self._sent = 0

    def measure(self, at: int) -> int:
        """What it reports of a time: in milliwatt-hours, and since the last one or in all."""
        if self.is_register:
            # so that late readings, and clocks that jump, tell what the register had then
            simulated = registers()[self._number % len(registers())]
            return simulated.level((at + self._number * 97_000) % _PERIOD_MS / _PERIOD_MS)
        self._sent += 1
        return (self._sent % 97 + 1) * 1000

    def document(self, at: int, mwh: int) -> dict[str, object]:
        """A reading as it goes over the wire."""
        kwh = mwh / 1_000_000
        if self.is_meter:
            energy = "kwhTotalAc" if self.is_register else "kwhConsumedAc"
            return {"meterId": self.id, energy: kwh, "voltage": 230.5, "timestamp": at}
        energy = "kwhTotalDc" if self.is_register else "kwhDeliveredDc"
        return {"vehicleId": self.id, energy: kwh, "soc": 50, "timestamp": at}

    def acknowledge(self, at: int, mwh: int) -> None:
        """Count a reading that the service says is stored."""
        self.readings += 1
        if self.is_register:
            self.registers.append((at, mwh))
        else:
            self.energy_mwh += mwh
