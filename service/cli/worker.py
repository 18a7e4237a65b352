"""`wattledger worker`: takes readings from the buffer to the database."""

import asyncio
import logging
import signal

import click

from service import settings
from service.buffer.address import Address, BufferUnusable
from service.cli.databases import service_url


@click.command()
def worker() -> None:
    """Store what the API put into the buffer that WATTLEDGER_BUFFER names.

    Works on DATABASE_URL or the embedded database, until SIGTERM. Several share the topic's
    partitions; each of them stores what it takes before the group hears that it is done.
    """
    try:
        loaded = settings.load()
        if not loaded.buffer:
            raise click.ClickException("WATTLEDGER_BUFFER is not set: there is no buffer to empty")
        address = Address(loaded)
    except settings.SettingsError as error:
        raise click.ClickException(str(error)) from error
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        asyncio.run(_work(address, service_url(), loaded))
    except BufferUnusable as error:
        raise click.ClickException(f"the buffer cannot be read: {error}") from error


async def _work(address: Address, conninfo: str, loaded: settings.Settings) -> None:
    # the client is installed for those alone who have a buffer
    from service.buffer.consumer import Consumer
    from service.buffer.worker import Worker
    from service.ingest.store import Store

    working = Worker(Consumer(address), Store(conninfo, loaded), loaded)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, working.stop)
    await working.run()
