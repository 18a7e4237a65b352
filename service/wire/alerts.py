"""Words of alerts: what is wrong, how bad it is, why, and what happened to it."""

from typing import Literal

Kind = Literal[
    "degraded", "drifting", "impossible", "frozen", "silent", "register", "unlinked", "standby"
]
Severity = Literal["warning", "critical"]
State = Literal["open", "closed"]
Cause = Literal[
    "charger",
    "wiring_or_ageing",
    "temperature",
    "vehicle",
    "swapped_links",
    "wrong_link",
    "metering",
    "counter",
    "communication",
    "register_reset",
    "register_jump",
    "unknown_vehicle",
    "idle_draw",
    "unknown",
]
Why = Literal["good", "corrected", "superseded", "settled", "reported", "retired"]
Change = Literal["opened", "worsened", "revised", "acknowledged", "closed"]
