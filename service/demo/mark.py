"""Mark of a demonstration: what its database says of it, so that it can be gone on with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from service.demo import failing
from service.demo.plan import Plan

_BEGINNING = "Wattledger's demonstration: "
_FAULTS = {False: "three faults", True: "all faults"}
_TEXT = re.compile(
    re.escape(_BEGINNING) + r"seed (?P<seed>-?\d+), (?P<vehicles>\d+) vehicles, (?P<days>\d+) days"
    r" from (?P<start>\d{4}-\d\d-\d\d), (?P<faults>three|all) faults"
    r"; posted up to (?P<posted>\d{4}-\d\d-\d\d \d\d:\d\d) UTC"
)


@dataclass(frozen=True)
class Mark:
    """Which fleet it is, and the hour up to which all that arrived is stored."""

    seed: int
    vehicles: int
    days: int
    start: datetime
    all_faults: bool
    posted: datetime

    @classmethod
    def read(cls, text: str | None) -> Mark | None:
        """The mark of a database's comment; None: it is another's, or of another version."""
        found = _TEXT.fullmatch(text or "")
        if found is None:
            return None
        return cls(
            seed=int(found["seed"]),
            vehicles=int(found["vehicles"]),
            days=int(found["days"]),
            start=datetime.strptime(found["start"], "%Y-%m-%d").replace(tzinfo=UTC),
            all_faults=found["faults"] == "all",
            posted=datetime.strptime(found["posted"], "%Y-%m-%d %H:%M").replace(tzinfo=UTC),
        )

    def __str__(self) -> str:
        return (
            f"{_BEGINNING}seed {self.seed}, {self.vehicles} vehicles, {self.days} days"
            f" from {self.start:%Y-%m-%d}, {_FAULTS[self.all_faults]}"
            f"; posted up to {self.posted:%Y-%m-%d %H:%M} UTC"
        )

    @property
    def options(self) -> str:
        """The options of `wattledger demo` that mean this fleet."""
        return (
            f"--seed {self.seed} --start {self.start:%Y-%m-%d} --days {self.days}"
            f" --vehicles {self.vehicles}{' --all-faults' if self.all_faults else ''}"
        )

    def is_fleet_of(self, other: Mark) -> bool:
        """Whether both mean one fleet, but for its start."""
        mine = (self.seed, self.vehicles, self.days, self.all_faults)
        return mine == (other.seed, other.vehicles, other.days, other.all_faults)

    def plan(self) -> Plan:
        """The plan of the fleet, with its faults."""
        plan = Plan(self.start, self.seed, self.vehicles, self.days)
        return failing.with_all(plan) if self.all_faults else failing.with_three(plan)


def is_ours(text: str | None) -> bool:
    """Whether a database's comment is a demonstration's, of whatever version."""
    return bool(text and text.startswith(_BEGINNING))
