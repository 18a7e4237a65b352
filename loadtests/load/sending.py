"""User that posts for a fleet: again until it is answered, and looks at what each answer counts."""

from __future__ import annotations

import random
import time
from typing import Any
from urllib.parse import quote

import gevent
from locust import FastHttpUser, events, task
from locust.runners import MasterRunner

from loadtests.load.counting import COUNTS, Ending
from loadtests.load.fleet import Body, Fleet
from loadtests.load.played import parts
from loadtests.load.process import number_of, options_of
from loadtests.support import keys

_PATH = "/v1/ingest"
_AGAIN = frozenset({0, 408, 429, *range(500, 600)})
# from the first attempt to the last
_PATIENCE_SECONDS = 60.0
_LONGEST_WAIT_SECONDS = 10.0
_PRECISION_SECONDS = 0.05


def sent_from_start(fleet: Fleet, *, after_night: bool = False) -> None:
    """Have a fleet post once the run starts: `after_night` it starts with what it kept."""
    # before it starts: a process of locust that works for seconds later on is taken for dead
    parts()

    @events.test_start.add_listener
    def _(environment: Any, **_: Any) -> None:
        if isinstance(environment.runner, MasterRunner):
            # it posts nothing itself
            return
        options = options_of(environment)
        night = options.night_minutes if after_night else 0
        fleet.start(options, number_of(environment, options), night)
        Ending.left = fleet.left


class Sending(FastHttpUser):
    """A connection of some device or gateway: posts what is due first, whoever has it."""

    abstract = True
    fleet: Fleet
    connection_timeout = 10.0
    network_timeout = 30.0

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._body: Body | None = None

    def wait_time(self) -> float:
        """Take the next body that is due; else seconds until one is.

        Who waits here may be stopped, and who posts is waited for.
        """
        found = self.fleet.take()
        if isinstance(found, Body):
            self._body = found
            self.fleet.under_way += 1
            return 0
        # spread, so that a connection more does not cost a look more every few milliseconds
        return max(_PRECISION_SECONDS * random.random(), min(found, 1.0))

    @task
    def post_due(self) -> None:
        """Post what was taken, and what belongs to it."""
        body, self._body = self._body, None
        if body is None:
            return
        try:
            for vehicle_id, meter_id in body.links:
                self._link(vehicle_id, meter_id, body.since)
            COUNTS["sent"] += len(body.readings)
            # the links before it have taken their own time
            due = None if body.links else body.due
            COUNTS["late"] += due is not None and time.time() - due >= 1
            if self._post(body, body.name, due) and body.twice:
                COUNTS["sent"] += len(body.readings)
                COUNTS["twice"] += len(body.readings)
                self._post(body, "sent twice", None)
        finally:
            self.fleet.under_way -= 1

    def _link(self, vehicle_id: str, meter_id: str, since: float) -> None:
        """Say which meter feeds a vehicle, from before its first reading on."""
        document = {"meterId": meter_id, "from": int(since * 1000), "replace": True}
        with self.client.put(
            f"/v1/links/{quote(vehicle_id, safe='')}",
            json=document,
            headers=keys.headers(),
            name="link",
            catch_response=True,
        ) as response:
            if response.status_code not in (200, 201):
                response.failure(f"{response.status_code}: {(response.text or '')[:200]}")

    def _post(self, body: Body, name: str, due: float | None) -> bool:
        """Post a body until it is answered for good; whether all that could be stored was.

        The first attempt's time counts from `due`, so that it has what a stall held up.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        attempt = 0
        while True:
            with self.client.post(
                _PATH,
                json=body.readings,
                headers=keys.headers(),
                name=name,
                catch_response=True,
            ) as response:
                if due is not None and not attempt:
                    response.request_meta["response_time"] = (time.time() - due) * 1000
                status = response.status_code
                if status not in _AGAIN:
                    wrong = _count(body, status, response, name, attempt)
                    if wrong:
                        response.failure(wrong)
                    else:
                        response.success()
                    return wrong is None
                response.failure(f"{status}: {(response.text or 'no answer')[:200]}")
                told = (response.headers or {}).get("Retry-After", "")
            COUNTS["put_off"] += len(body.readings)
            attempt += 1
            if time.monotonic() > deadline:
                return False
            wait = float(told) if told.isdigit() else 0.5 * 2**attempt
            gevent.sleep(min(wait, _LONGEST_WAIT_SECONDS) * random.uniform(0.5, 1.0))


def _count(body: Body, status: int, response: Any, name: str, attempt: int) -> str | None:
    """Count a final answer; what is wrong with it, if anything is."""
    answer = response.json() if status in (201, 207, 400) else {}
    accepted, duplicates = answer.get("accepted", 0), answer.get("duplicates", 0)
    rejected = answer.get("rejected", [])
    COUNTS["accepted"] += accepted
    COUNTS["duplicates"] += duplicates
    COUNTS["refused"] += len(rejected)
    stored = len(body.readings) - len(body.future)
    # an attempt before whose answer was lost may have stored it
    right = accepted + duplicates == stored and (
        accepted == 0 if name == "sent twice" else duplicates == 0 or attempt > 0
    )
    refusals = {one["index"]: one["reason"] for one in rejected}
    if right and refusals == dict.fromkeys(body.future, "future"):
        return None
    COUNTS["wrong"] += len(body.readings)
    return f"{status}, of {len(body.readings)} with {len(body.future)} ahead: {response.text[:200]}"
