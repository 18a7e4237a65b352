"""What a process remembers of keys: those in use, with their rates, however many there are."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from service.database.pool import Database
from service.keys import keyring as module
from service.keys.credential import Credential, credential
from service.keys.grant import Grant
from service.keys.keyring import Keyring
from service.settings import Settings
from tests.support.keys import bearer, make_key
from tests.support.readings import Connection

MOST = 3


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remember a handful, where it is a hundred thousand otherwise."""
    monkeypatch.setattr(module, "_MOST_KNOWN", MOST)
    monkeypatch.setattr(module, "_MOST_REFUSED", MOST)


def with_keyring(
    url: str, use: Callable[[Keyring], Coroutine[Any, Any, None]], cache_seconds: float = 60.0
) -> None:
    async def run() -> None:
        ring = Keyring(Database(url, Settings(), connections=1), cache_seconds)
        await ring.start()
        try:
            await use(ring)
        finally:
            await ring.stop()

    asyncio.run(run())


def limited(database_url: str, **options: Any) -> Credential:
    """A key that may send a reading in some minutes, after ten at once."""
    chosen = {"readings_per_second": 0.001, "burst_readings": 10.0, **options}
    return given(make_key(database_url, "ingest", **chosen))


def given(key: str) -> Credential:
    found = credential(bearer(key)["Authorization"].encode())
    assert found is not None
    return found


def guessed() -> Credential:
    return Credential(os.urandom(6).hex(), os.urandom(32))


def is_over_its_rate(grant: Grant) -> bool:
    denied = grant.denial("ingest")
    return denied is not None and denied.status == 429


def test_a_key_in_use_keeps_its_rate_while_many_others_come_and_go(
    service_url: str, database_url: str
) -> None:
    used = limited(database_url)
    others = [limited(database_url) for _ in range(4 * MOST)]

    async def use(ring: Keyring) -> None:
        (await ring.grant(used)).charge(10)
        for other in others:
            assert not is_over_its_rate(await ring.grant(other))
            known = ring.known(used)
            assert known is not None
            assert is_over_its_rate(known)

    with_keyring(service_url, use)


def test_a_rate_goes_on_from_one_answer_about_a_key_to_the_next(
    service_url: str, database_url: str
) -> None:
    used = limited(database_url)
    others = [limited(database_url) for _ in range(4 * MOST)]

    async def use(ring: Keyring) -> None:
        (await ring.grant(used)).charge(10)
        for other in others:
            await ring.grant(other)
            # every answer is forgotten at once here
            assert ring.known(used) is None
            assert is_over_its_rate(await ring.grant(used))

    with_keyring(service_url, use, cache_seconds=0.0)


def test_keys_that_were_not_used_for_longest_are_forgotten_first(
    service_url: str, database_url: str
) -> None:
    keys = [limited(database_url) for _ in range(MOST + 1)]

    async def use(ring: Keyring) -> None:
        for key in keys[:MOST]:
            await ring.grant(key)
        assert ring.known(keys[0]) is not None
        await ring.grant(keys[MOST])
        assert [ring.known(key) is not None for key in keys] == [True, False, True, True]

    with_keyring(service_url, use)


def test_who_guesses_keys_pushes_out_neither_good_ones_nor_a_refused_one_in_use(
    service_url: str, database_url: str
) -> None:
    good, refused = limited(database_url), guessed()

    async def use(ring: Keyring) -> None:
        (await ring.grant(good)).charge(10)
        await ring.grant(refused)
        for _ in range(4 * MOST):
            assert (await ring.grant(guessed())).refusal == "unknown"
            assert ring.known(refused) is not None
        known = ring.known(good)
        assert known is not None
        assert is_over_its_rate(known)

    with_keyring(service_url, use)


def test_a_rate_that_was_changed_counts_from_the_next_answer(
    service_url: str, database_url: str, connection: Connection
) -> None:
    key = limited(database_url)

    async def use(ring: Keyring) -> None:
        (await ring.grant(key)).charge(10)
        assert is_over_its_rate(await ring.grant(key))
        connection.execute(
            "UPDATE telemetry.api_key SET readings_per_second = 1e6 WHERE key_id = %s", [key.key_id]
        )
        await ring.grant(key)
        await asyncio.sleep(0.01)
        assert not is_over_its_rate(await ring.grant(key))

    with_keyring(service_url, use, cache_seconds=0.0)
