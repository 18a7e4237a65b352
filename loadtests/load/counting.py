"""Counts of readings by what the answers say of them, added up over all processes of a run."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import gevent
from locust import events
from locust.runners import MasterRunner, WorkerRunner

# how long what is due at the end may take to be posted and answered
_PATIENCE_SECONDS = 180.0
_DRAIN = "drain"

# sent: readings that are to be counted by an answer, however often they are posted; accepted,
# duplicates, refused: by their last answer; twice: posted again on purpose; put_off: those with
# answers that told to send again, or none; late: bodies posted a second or more after they were
# due; wrong: readings answered otherwise than they should have been
COUNTS: Counter[str] = Counter()
_OF_OTHERS: dict[str, dict[str, int]] = {}


class Ending:
    """End of a run: what is due later than `at` is not posted any more, all else is waited for."""

    # an epoch time in seconds
    at = math.inf
    # says how many bodies of this process are due, or have no answer yet
    left: Callable[[], int] = staticmethod(lambda: 0)


def total() -> Counter[str]:
    """Of all processes, in the one that leads them."""
    return sum(map(Counter, _OF_OTHERS.values()), Counter(COUNTS))


def processes() -> int:
    """How many processes told their counts; the leading one sends nothing."""
    return len(_OF_OTHERS) or 1


@events.report_to_master.add_listener
def _(client_id: str, data: dict[str, Any], **_: Any) -> None:
    data["readings"] = {**COUNTS, "left": Ending.left(), "ending": Ending.at < math.inf}


@events.worker_report.add_listener
def _(client_id: str, data: dict[str, Any], **_: Any) -> None:
    _OF_OTHERS[client_id] = data.get("readings", {})


@events.init.add_listener
def _(environment: Any, **_: Any) -> None:
    def drain(**_: Any) -> None:
        Ending.at = time.time()

    if isinstance(environment.runner, WorkerRunner):
        environment.runner.register_message(_DRAIN, drain)


@events.test_stopping.add_listener
def _(environment: Any, **_: Any) -> None:
    # locust itself would wait half a second
    if isinstance(environment.runner, WorkerRunner):
        return
    Ending.at = time.time()
    if isinstance(environment.runner, MasterRunner):
        environment.runner.send_message(_DRAIN)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while _open() and time.monotonic() < deadline:
        gevent.sleep(0.1)


def _open() -> bool:
    """Whether any process still has something to post, or has not said that it has not."""
    told = _OF_OTHERS.values()
    return Ending.left() > 0 or any(one.get("left") or not one.get("ending") for one in told)
