"""`wattledger worker`: takes readings from the buffer to the database."""

import asyncio
import logging
import os
import signal
from contextlib import AsyncExitStack, suppress

import click

from service import settings
from service.buffer.address import Address, BufferUnusable
from service.cli.databases import service_url

_ENDING = (signal.SIGTERM, signal.SIGINT)


@click.command()
@click.option("--metrics-address", help="host:port of its metrics and health. [default: none]")
def worker(metrics_address: str | None) -> None:
    """Store what the API put into the buffer that WATTLEDGER_BUFFER names.

    Works on DATABASE_URL or the embedded database, until SIGTERM. Several share the topic's
    partitions; each of them stores what it takes before the group hears that it is done.
    """
    if metrics_address is not None:
        os.environ["WATTLEDGER_WORKER_METRICS_ADDRESS"] = metrics_address
    try:
        loaded = settings.load()
        if not loaded.buffer:
            raise click.ClickException("WATTLEDGER_BUFFER is not set: there is no buffer to empty")
        address = Address(loaded)
    except settings.SettingsError as error:
        raise click.ClickException(str(error)) from error
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    # each attempt to connect, all through an outage that the worker tells of
    logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
    try:
        asyncio.run(_work(address, service_url(), loaded))
    except settings.SettingsError as error:
        raise click.ClickException(str(error)) from error
    except BufferUnusable as error:
        raise click.ClickException(f"the buffer cannot be read: {error}") from error


async def _work(address: Address, conninfo: str, loaded: settings.Settings) -> None:
    # the client is installed for those alone who have a buffer
    from service.buffer.consumer import Consumer
    from service.buffer.counts import WORKER_FAMILIES, WorkerCounts
    from service.buffer.holdings import Holdings
    from service.buffer.signs import Signs
    from service.buffer.worker import Worker
    from service.ingest.store import Store
    from service.metrics.board import PrivateBoard

    board = PrivateBoard()
    counts = WorkerCounts(board.claim(WORKER_FAMILIES))
    holdings = Holdings(counts)
    consumer = Consumer(address, holdings)
    working = Worker(consumer, Store(conninfo, loaded, counts.readings), loaded, counts)
    loop = asyncio.get_running_loop()

    def stop(*_: object) -> None:
        # a second one may come when the loop, whose own handlers end with it, is closed
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(working.stop)

    for number in _ENDING:
        signal.signal(number, stop)
    async with AsyncExitStack() as stack:
        if loaded.worker_metrics_address:
            signs = Signs(loaded.worker_metrics_address, conninfo, loaded, board)
            await signs.start(working, consumer, holdings)
            stack.push_async_callback(signs.stop)
        await working.run()
    # one that comes while Python ends would kill: a handler of ours is taken away then, this is not
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
