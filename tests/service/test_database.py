"""The door to the database: whose rights it has, and how it fails."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from service.database.errors import DatabaseUnavailable, RuleViolation
from service.database.pool import Database
from service.settings import Settings


class Who(msgspec.Struct):
    name: str


def ask(
    url: str, query: Any, settings: Settings | None = None, *, reads_only: bool = False
) -> list[Who]:
    async def call() -> list[Who]:
        database = Database(url, settings or Settings(), reads_only=reads_only)
        await database.open()
        try:
            return await database.all(Who, query)
        finally:
            await database.close()

    return asyncio.run(call())


def test_a_superusers_login_is_left_with_the_rights_of_the_service(database_url: str) -> None:
    assert ask(database_url, "SELECT current_user::text AS name") == [Who("wattledger_service")]


def test_a_database_that_is_away_is_unavailable() -> None:
    with pytest.raises(DatabaseUnavailable):
        ask("postgresql://nobody@127.0.0.1:1/none", "SELECT 'x' AS name")


def test_a_query_that_takes_too_long_is_unavailable(service_url: str) -> None:
    with pytest.raises(DatabaseUnavailable, match="in time"):
        ask(
            service_url,
            "SELECT pg_sleep(20)::text AS name",
            Settings(read_timeout_seconds=0.2),
        )


def test_a_refusal_of_our_functions_carries_code_message_and_hint(service_url: str) -> None:
    with pytest.raises(RuleViolation) as raised:
        ask(service_url, "SELECT api.put_charging_link('V', 'M', now(), now())::text AS name")
    assert raised.value.code == "WL002"
    assert raised.value.hint


PUT_LINK = "SELECT api.put_charging_link('V', 'M', NULL, NULL)::text AS name"


def test_who_only_reads_can_change_nothing_even_at_the_primary(service_url: str) -> None:
    with pytest.raises(DatabaseUnavailable, match="takes no changes"):
        ask(service_url, PUT_LINK, reads_only=True)
    assert ask(service_url, PUT_LINK) == [Who("true")]
