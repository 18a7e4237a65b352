"""Stand-in for the system that Wattledger replaces: two autocommit statements per reading."""

from __future__ import annotations

import argparse
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from litestar import Litestar, asgi, get, post
from litestar.datastructures import State
from psycopg_pool import AsyncConnectionPool

from service import settings
from service.http.connection import Connection
from service.http.server import serve

INGEST_PATH = "/old/ingest"
NOTHING_PATH = "/old/nothing"
BARE_PATH = "/old/bare"
READY_PATH = "/old/ready"

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS old_shape;
CREATE TABLE IF NOT EXISTS old_shape.meter_history (
    device_id text, ts timestamptz, value1 float8 NOT NULL, value2 float8,
    PRIMARY KEY (device_id, ts)
);
CREATE TABLE IF NOT EXISTS old_shape.meter_state (
    device_id text PRIMARY KEY, ts timestamptz NOT NULL, value1 float8 NOT NULL, value2 float8
);
CREATE TABLE IF NOT EXISTS old_shape.vehicle_history (LIKE old_shape.meter_history INCLUDING ALL);
CREATE TABLE IF NOT EXISTS old_shape.vehicle_state (LIKE old_shape.meter_state INCLUDING ALL);
"""

_STATEMENTS = {
    kind: (
        f"INSERT INTO old_shape.{kind}_history VALUES (%s, %s, %s, %s)",  # noqa: S608  two kinds
        f"INSERT INTO old_shape.{kind}_state VALUES (%s, %s, %s, %s)"  # noqa: S608
        " ON CONFLICT (device_id) DO UPDATE"
        " SET ts = excluded.ts, value1 = excluded.value1, value2 = excluded.value2",
    )
    for kind in ("meter", "vehicle")
}


class Reading(msgspec.Struct):
    """The generic form: kWh in value1, volts or °C in value2, epoch milliseconds."""

    type: Literal["meter", "vehicle"]
    id: str
    value1: float
    value2: float | None
    timestamp: int


@post(INGEST_PATH)
async def ingest(data: Reading, state: State) -> dict[str, int]:
    """Write one row of history, then the device's state, each committed by itself."""
    row = (
        data.id,
        datetime.fromtimestamp(data.timestamp / 1000, UTC),
        data.value1,
        data.value2,
    )
    pool: AsyncConnectionPool[Any] = state.pool
    async with pool.connection() as connection:
        for statement in _STATEMENTS[data.type]:
            await connection.execute(statement, row, prepare=True)
    return {"accepted": 1, "duplicates": 0}


@post(NOTHING_PATH)
async def nothing() -> dict[str, int]:
    """Do nothing: what a handler of the framework costs."""
    return {}


@asgi(BARE_PATH, copy_scope=False)
async def bare(scope: Any, receive: Any, send: Any) -> None:
    """Read the body and do nothing: what the server and the framework's routing cost."""
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})


@get(READY_PATH)
async def ready() -> None:
    """Answer when the server is up."""


def create_app() -> Litestar:
    """The application, on the database at DATABASE_URL, with as many connections as it says."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None, None]:
        size = int(os.environ.get("OLD_SHAPE_POOL", "10"))
        async with AsyncConnectionPool(
            os.environ["DATABASE_URL"],
            min_size=size,
            max_size=size,
            timeout=60,
            max_waiting=0,
            kwargs={"autocommit": True},
        ) as pool:
            app.state.pool = pool
            yield

    return Litestar([ingest, nothing, bare, ready], lifespan=[lifespan], openapi_config=None)


def main() -> None:
    """Serve by the same HTTP server as `wattledger serve`, with as many workers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    factory = f"{__spec__.name if __spec__ else __name__}:create_app"
    workers = settings.load().workers
    serve(factory, Connection, host="127.0.0.1", port=parser.parse_args().port, workers=workers)


if __name__ == "__main__":
    main()
