"""Connections to receivers: a name is resolved once, and what was checked is connected to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import cast

import httpcore

from service.settings import PREFIX
from service.webhooks.addresses import Reach

# addresses of a host and port, as text; raises OSError
Resolve = Callable[[str, int], list[str]]

# a name server that does not answer holds a thread for longer than an attempt takes
_THREADS = 64


class AddressRefused(Exception):
    """The receiver's name stands for an address that webhooks may not go to."""


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to the addresses of a name, if all of them are allowed.

    The name is not looked up again after that, so that another answer changes nothing.
    """

    def __init__(self, reach: Reach, resolve: Resolve | None = None) -> None:
        """`resolve`: who is asked for addresses, the system unless told."""
        self._reach = reach
        self._resolve = resolve or _ask_system
        # typed as if it might be missing
        self._plain = cast("httpcore.AsyncNetworkBackend", httpcore.AnyIOBackend())
        self._threads = ThreadPoolExecutor(_THREADS, "webhook names")

    def close(self) -> None:
        """Leave alone what still waits for a name server."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  as it is called
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address that takes it; `timeout` is for each.

        Raises AddressRefused, OSError where the name has no address, httpcore's errors.
        """
        loop = asyncio.get_running_loop()
        addresses = await loop.run_in_executor(self._threads, self._resolve, host, port)
        for address in addresses:
            if not self._reach.covers(address):
                raise AddressRefused(
                    f"the receiver's address {address} is not public:"
                    f" {PREFIX}WEBHOOK_PRIVATE does not allow it"
                )
        failed: Exception | None = None
        for address in addresses:
            try:
                return await self._plain.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = failed or error
        raise failed or OSError("the name has no address")


def _ask_system(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # each once, in the order that the system prefers
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
