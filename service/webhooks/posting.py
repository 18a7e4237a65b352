"""One request to a receiver, and what became of it."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from typing import NamedTuple
from urllib.parse import unquote

import httpcore
import msgspec

from service.settings import PREFIX, Settings
from service.webhooks.addresses import Reach
from service.webhooks.checks import verified_tls
from service.webhooks.network import AddressRefused, CheckedNetwork, Resolve

# from the look-up of the name to the end of what is read, however slowly bytes come
TOTAL_SECONDS = 10.0
_CONNECT_SECONDS = 5.0
# of an answer that is no success, for whoever looks why
_MOST_BYTES = 2_000
MOST_CHARACTERS = 200
# what is shorter could be guessed
_SECRET_CHARACTERS = 8


class Delivery(msgspec.Struct, frozen=True):
    """A delivery that was claimed, as api.claim_webhook_deliveries has it."""

    webhook_id: str
    change_id: int
    attempt: int
    url: str
    message_id: str
    signed_at: int
    signatures: str
    body: str

    def __repr__(self) -> str:
        # receivers put secrets into their addresses
        return f"<attempt {self.attempt} of {self.message_id} to {self.webhook_id}>"


class Outcome(NamedTuple):
    """What became of a request: its status, if there was one, and why it failed, if it did."""

    status: int | None
    error: str | None
    retry_after_seconds: float | None = None


class Poster:
    """Makes requests: verified TLS, allowed addresses, no proxy, no redirect, bounded in all."""

    def __init__(self, settings: Settings, resolve: Resolve | None = None) -> None:
        """`resolve`: who is asked for addresses, the system unless told. Raises SettingsError."""
        self._may_be_plain = settings.webhook_http == "on"
        self._network = CheckedNetwork(Reach(settings.webhook_private), resolve)
        self._tls = verified_tls(settings.webhook_ca_file)

    def close(self) -> None:
        """Leave alone what still waits for a name server."""
        self._network.close()

    async def post(self, delivery: Delivery) -> Outcome:
        """Make a request, within TOTAL_SECONDS; the status decides, whatever follows it."""
        answer = _Answer(_words_of(delivery.url))
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                await self._exchange(delivery, answer)
        except (TimeoutError, httpcore.TimeoutException):
            answer.failed(f"no answer within {TOTAL_SECONDS:.0f} seconds")
        except AddressRefused as error:
            answer.failed(str(error))
        except httpcore.ProtocolError as error:
            answer.failed(f"the answer is not HTTP: {error}")
        except (httpcore.NetworkError, OSError, ValueError) as error:
            answer.failed(_reason(error))
        return answer.outcome()

    async def _exchange(self, delivery: Delivery, answer: _Answer) -> None:
        url = httpcore.URL(delivery.url)
        if url.scheme != b"https" and not (url.scheme == b"http" and self._may_be_plain):
            answer.failed(f"the address is not https: {PREFIX}WEBHOOK_HTTP does not allow it")
            return
        headers: dict[bytes | str, bytes | str] = {
            # as it was given: an IPv6 address has brackets, a usual port need not be told
            "host": delivery.url.split("/")[2].partition("?")[0],
            "content-type": "application/json",
            "user-agent": "wattledger",
            "webhook-id": delivery.message_id,
            "webhook-timestamp": str(delivery.signed_at),
            "webhook-signature": delivery.signatures,
        }
        waits = {"connect": _CONNECT_SECONDS, "read": TOTAL_SECONDS, "write": TOTAL_SECONDS}
        async with (
            httpcore.AsyncHTTPConnection(
                url.origin, ssl_context=self._tls, network_backend=self._network
            ) as connection,
            connection.stream(
                "POST",
                url,
                headers=headers,
                content=delivery.body.encode(),
                extensions={"timeout": waits},
            ) as response,
        ):
            answer.status = response.status
            answer.take_headers(response.headers)
            # of a success nothing is read: its sender has it, even if it says so badly
            if response.status // 100 != 2:
                async for part in response.aiter_stream():
                    answer.body += part[: _MOST_BYTES - len(answer.body)]
                    if len(answer.body) >= _MOST_BYTES:
                        break


class _Answer:
    """What has come of an answer so far."""

    def __init__(self, untold: list[str]) -> None:
        """`untold`: what of it is not told, words of the address that many answers repeat."""
        self._untold = untold
        self.status: int | None = None
        self.body = b""
        self._retry_after: float | None = None
        self._error: str | None = None

    def failed(self, error: str) -> None:
        """Note what went wrong."""
        self._error = error

    def take_headers(self, headers: list[tuple[bytes, bytes]]) -> None:
        """Note how long to wait, where that is told in seconds."""
        for name, value in headers:
            if name.lower() == b"retry-after" and value.isdigit() and len(value) < 9:
                self._retry_after = float(value)

    def outcome(self) -> Outcome:
        """What became of the request."""
        if self.status is None:
            return Outcome(None, self._shown(self._error or "no answer"))
        if self.status // 100 == 2:
            return Outcome(self.status, None)
        error = f"status {self.status}"
        if self.status // 100 == 3:
            error += ", and redirects are not followed"
        if told := self._shown(self.body.decode("utf-8", "replace")):
            error += f": {told}"
        return Outcome(self.status, error, self._retry_after)

    def _shown(self, text: str) -> str:
        """What others said, in one line of bounded length."""
        for word in self._untold:
            text = text.replace(word, "…")
        printable = "".join(one if one.isprintable() else " " for one in text)
        return " ".join(printable.split())[:MOST_CHARACTERS]


def _reason(error: BaseException) -> str:
    """Why there was no connection: the first cause that says it in words."""
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    for one in reversed(causes):
        if isinstance(one, ssl.SSLCertVerificationError):
            return f"the certificate is not good: {one.verify_message}"
        if isinstance(one, ssl.SSLError):
            return f"no TLS: {one.reason or one}"
        if isinstance(one, socket.gaierror):
            return f"the name has no address: {one.strerror}"
        if isinstance(one, OSError) and one.errno:
            return f"no connection: {os.strerror(one.errno)}"
    return f"no connection: {error}" if str(error) else "the connection was lost"


def _words_of(url: str) -> list[str]:
    """What of an address's path and query may be a secret, the longest first."""
    target = re.split("[/?]", url.partition("://")[2], maxsplit=1)[1:]
    words = [
        word for word in re.split("[/?&=]", "".join(target)) if len(word) >= _SECRET_CHARACTERS
    ]
    return sorted({*words, *map(unquote, words)}, key=len, reverse=True)
