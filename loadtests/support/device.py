"""Device that load is sent for, and what of it was acknowledged."""

from __future__ import annotations


class CountedDevice:
    """A meter or a vehicle: readings, and the sum of their energy, that must be stored."""

    def __init__(self, number: int) -> None:
        self.is_meter = number % 2 == 0
        self.id = f"{'M' if self.is_meter else 'V'}-{number}"
        self.readings = 0
        self.energy_mwh = 0
        self._sent = 0

    def next_energy(self) -> int:
        """The energy of the next reading, in milliwatt-hours."""
        self._sent += 1
        return (self._sent % 97 + 1) * 1000

    def document(self, at: int, energy_mwh: int) -> dict[str, object]:
        """A reading as it goes over the wire."""
        kwh = energy_mwh / 1_000_000
        if self.is_meter:
            return {"meterId": self.id, "kwhConsumedAc": kwh, "voltage": 230.5, "timestamp": at}
        return {"vehicleId": self.id, "kwhDeliveredDc": kwh, "soc": 50, "timestamp": at}

    def acknowledge(self, energy_mwh: int) -> None:
        """Count a reading that the service says is stored."""
        self.readings += 1
        self.energy_mwh += energy_mwh
