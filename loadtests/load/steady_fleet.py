"""Scenario of a fleet in real time: each device reads once an interval, and is offline at times."""

from __future__ import annotations

from loadtests.load import objectives
from loadtests.load.fleet import Fleet
from loadtests.load.sending import Sending, sent_from_start

_FLEET = Fleet()
sent_from_start(_FLEET)
objectives.decide_exit_code()


class SteadyDevice(Sending):
    """Posts what is due."""

    fleet = _FLEET
