"""Cookie by which a browser is signed in: a key, sealed, so that who finds a cookie has no key.

The secret that seals it is in the database, so that it opens at every worker and after a restart.
Who reads the database has no cookie either: what is sealed is the key itself, of which there is
only a hash. What the key may do is asked as of any request: a key that is revoked signs out.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
from collections.abc import Iterable
from hashlib import blake2b, sha256, shake_256
from http import HTTPStatus
from time import time
from typing import NamedTuple

import msgspec

from service.database.errors import DatabaseUnavailable
from service.database.pool import Calls
from service.keys.credential import Credential
from service.keys.grant import KeyRefused

NAME = "wattledger_session"
CSRF_HEADER = "x-csrf-token"

_CHALLENGE = (b"www-authenticate", b"Bearer")
_KEY = re.compile(r"wl_([0-9a-fA-F]{12})_([0-9a-f]{64})")
_NONCE_BYTES = 24
_TAG_BYTES = 32
# when it ends, in seconds since 1970, and the key's id and secret
_END_BYTES, _ID_BYTES, _SECRET_BYTES = 8, 6, 32
_SEALED_BYTES = _NONCE_BYTES + _END_BYTES + _ID_BYTES + _SECRET_BYTES + _TAG_BYTES


class SignedIn(NamedTuple):
    """What a cookie says: whose it is, when it ends (seconds since 1970), what changes carry."""

    credential: Credential
    ends_at: float
    csrf_token: str


class _Secret(msgspec.Struct):
    secret: bytes


class Cookies:
    """Seals keys into values of the cookie, and opens these."""

    def __init__(self, database: Calls, standby: Calls | None = None) -> None:
        """The secret is asked for once; of `standby` where `database` is away."""
        self._database = database
        self._standby = standby
        self._secret: bytes | None = None

    async def seal(self, key: str, seconds: float) -> str | None:
        """A value for so long; None where that is no key. Raises DatabaseUnavailable."""
        match = _KEY.fullmatch(key)
        if match is None:
            return None
        secret = await self._own_secret()
        nonce = os.urandom(_NONCE_BYTES)
        end = int(time() + seconds).to_bytes(_END_BYTES)
        plain = end + bytes.fromhex(match[1]) + bytes.fromhex(match[2])
        sealed = nonce + _mixed(secret, nonce, plain)
        return base64.urlsafe_b64encode(sealed + _tag(secret, b"seal", sealed)).decode()

    async def opened(self, value: str) -> SignedIn | None:
        """What a value says; None where it has ended, or is none of ours.

        Raises DatabaseUnavailable.
        """
        try:
            given = base64.b64decode(value.encode(), b"-_", validate=True)
        except ValueError:
            return None
        if len(given) != _SEALED_BYTES:
            return None
        secret = await self._own_secret()
        sealed, tag = given[:-_TAG_BYTES], given[-_TAG_BYTES:]
        if not hmac.compare_digest(tag, _tag(secret, b"seal", sealed)):
            return None
        plain = _mixed(secret, sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:])
        end, rest = int.from_bytes(plain[:_END_BYTES]), plain[_END_BYTES:]
        if end <= time():
            return None
        key_id, key_secret = rest[:_ID_BYTES].hex(), rest[_ID_BYTES:].hex()
        credential = Credential(key_id, sha256(key_secret.encode()).digest())
        return SignedIn(credential, end, _tag(secret, b"csrf", sealed).hex())

    async def _own_secret(self) -> bytes:
        if self._secret is None:
            query = "SELECT api.cookie_secret() AS secret"
            try:
                found = await self._database.one(_Secret, query)
            except DatabaseUnavailable:
                if self._standby is None:
                    raise
                found = await self._standby.one(_Secret, query)
            assert found is not None  # noqa: S101  the function returns one row
            self._secret = bytes(found.secret)
        return self._secret


def cookie_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The value of the cookie among a request's headers; None where there is none."""
    for name, value in headers:
        if name == b"cookie":
            for part in value.decode("latin-1").split(";"):
                given, _, found = part.strip().partition("=")
                if given == NAME and found:
                    return found
    return None


def check_origin(headers: Iterable[tuple[bytes, bytes]], csrf_token: str | None) -> None:
    """See that a change comes from our own page. Raises KeyRefused.

    A browser says where a request comes from; `csrf_token` is what only our page can know.
    """
    given = {name: value.decode("latin-1") for name, value in headers}
    site = given.get(b"sec-fetch-site", "same-origin")
    token = given.get(CSRF_HEADER.encode(), "")
    is_ours = csrf_token is None or hmac.compare_digest(token.encode(), csrf_token.encode())
    if site != "same-origin" or not is_ours:
        raise KeyRefused(
            "origin",
            HTTPStatus.FORBIDDEN,
            "what is signed in by a cookie changes nothing without the header X-CSRF-Token",
            "GET /session tells the token. Or send the key in the header Authorization.",
        )


def no_key_given() -> KeyRefused:
    """What whoever signs in with something else than a key hears."""
    return KeyRefused(
        "missing",
        HTTPStatus.UNAUTHORIZED,
        "this is no API key: one is of the form wl_<id>_<secret>",
        "Ask for a key: `wattledger key create --scope read` makes one.",
        [_CHALLENGE],
    )


def ended() -> KeyRefused:
    """What a request hears whose cookie has ended, or is not of this database."""
    return KeyRefused(
        "signed_out",
        HTTPStatus.UNAUTHORIZED,
        "nobody is signed in any more",
        "Sign in again with a key.",
        [_CHALLENGE],
    )


def _mixed(secret: bytes, nonce: bytes, text: bytes) -> bytes:
    """The text under a stream that only the secret gives; of that the text again."""
    stream = shake_256(_derived(secret, b"stream") + nonce).digest(len(text))
    return bytes(a ^ b for a, b in zip(text, stream, strict=True))


def _tag(secret: bytes, use: bytes, text: bytes) -> bytes:
    return blake2b(text, key=_derived(secret, use), digest_size=_TAG_BYTES).digest()


def _derived(secret: bytes, use: bytes) -> bytes:
    return blake2b(use, key=secret, digest_size=_TAG_BYTES).digest()
