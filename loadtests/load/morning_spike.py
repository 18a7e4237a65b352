"""Scenario of a fleet that comes back at once: each posts what it kept, and lives on."""

from __future__ import annotations

from loadtests.load import objectives
from loadtests.load.fleet import Fleet
from loadtests.load.sending import Sending, sent_from_start

_FLEET = Fleet()
sent_from_start(_FLEET, after_night=True)
objectives.decide_exit_code()


class ReturningDevice(Sending):
    """Posts what was kept, and what is due from then on."""

    fleet = _FLEET
