"""Credential that a request carries, as far as the service looks at it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

_BEARER = re.compile(rb" *bearer +wl_([0-9a-f]{12})_([0-9a-f]{64}) *", re.IGNORECASE)


class Credential(NamedTuple):
    """A key's id and the SHA-256 of its secret, which is all that is kept of it."""

    key_id: str
    secret_sha256: bytes


def credential(authorization: bytes) -> Credential | None:
    """What an Authorization header says; None where it is no key of ours."""
    match = _BEARER.fullmatch(authorization)
    if match is None:
        return None
    return Credential(match[1].decode().lower(), sha256(match[2]).digest())


def credential_of(headers: Iterable[tuple[bytes, bytes]]) -> Credential | None:
    """The key among a request's headers; None where there is none, or more than one."""
    given = [value for name, value in headers if name == b"authorization"]
    return credential(given[0]) if len(given) == 1 else None
