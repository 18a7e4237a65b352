"""Guard of the routes: each asks for a key, unless it says that it is open to all."""

from __future__ import annotations

from typing import Any, cast

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from service.http.head_method import READING_METHODS
from service.keys.cookie import SignedIn, check_origin, cookie_of, ended
from service.keys.credential import Credential, credential_of
from service.keys.grant import Grant, KeyRefused, all_devices
from service.keys.keyring import Keyring
from service.keys.named import is_about_devices, named_by, named_in

_SCOPE = "scope"
_OPEN = "open"
_IN_OUTAGE = "in_outage"
_PERSONAL = "personal"
_GRANT = "wattledger.grant"

# what a route says of itself; one that says nothing needs the scope admin
READ = {_SCOPE: "read"}
# answered while the database is away too, to a key that was known before
METRICS = {_SCOPE: "metrics", _IN_OUTAGE: True}
OPEN = {_OPEN: True}
# about the key itself, whatever devices that is for
PERSONAL = {**READ, _PERSONAL: True}

_Connection = ASGIConnection[Any, Any, Any, Any]


async def guard(connection: _Connection, handler: BaseRouteHandler) -> None:
    """Let a request in whose key has the route's scope, and covers all devices that it names.

    A key for some devices is let in only where the request is about some. Raises Fault,
    DatabaseUnavailable.
    """
    grant = await _admitted(connection, handler)
    if grant is None:
        return
    grant.charge(1)
    cast("dict[str, Any]", connection.scope)[_GRANT] = grant
    await _check_named(connection, handler, grant)


async def check_again(connection: _Connection, handler: BaseRouteHandler) -> None:
    """See that a request which is still being answered would be let in now, whatever its rate.

    Raises Fault, DatabaseUnavailable.
    """
    try:
        grant = await _admitted(connection, handler)
    except KeyRefused as fault:
        if fault.reason != "rate":
            raise
        return
    if grant is not None:
        await _check_named(connection, handler, grant)


async def _admitted(connection: _Connection, handler: BaseRouteHandler) -> Grant | None:
    """What the key of a request may do, if it has the route's scope; None where none is needed."""
    keyring: Keyring | None = connection.app.state.keyring
    if keyring is None or handler.opt.get(_OPEN):
        return None
    scope = handler.opt.get(_SCOPE, "admin")
    in_outage: bool = handler.opt.get(_IN_OUTAGE, False)
    # who asks for metrics is no browser
    given = credential_of(connection.scope["headers"]) if in_outage else await _given(connection)
    return await keyring.admit(given, scope, in_outage=in_outage)


async def _check_named(connection: _Connection, handler: BaseRouteHandler, grant: Grant) -> None:
    """See that a key for some devices is for those that a request is about."""
    if grant.every_device or handler.opt.get(_PERSONAL):
        return
    keyring: Keyring = connection.app.state.keyring
    if not is_about_devices(connection, handler):
        raise keyring.refused(all_devices())
    named = named_by(connection, handler)
    reads = handler.opt.get(_SCOPE) == READ[_SCOPE]
    await keyring.check_devices(grant, **named, reads=reads)


async def _given(connection: _Connection) -> Credential | None:
    """The key of a request, by its header, or by the cookie of who is signed in."""
    headers = connection.scope["headers"]
    if any(name == b"authorization" for name, _ in headers):
        return credential_of(headers)
    signed_in = await signed_in_by(connection)
    if signed_in is None:
        return None
    if cast("dict[str, Any]", connection.scope)["method"] not in READING_METHODS:
        try:
            check_origin(headers, signed_in.csrf_token)
        except KeyRefused as fault:
            raise connection.app.state.keyring.refused(fault) from None
    return signed_in.credential


async def signed_in_by(connection: _Connection) -> SignedIn | None:
    """Who is signed in by a request's cookie; None where it has none.

    Raises Fault where the cookie has ended, DatabaseUnavailable.
    """
    keyring: Keyring = connection.app.state.keyring
    cookie = cookie_of(connection.scope["headers"])
    if cookie is None:
        return None
    signed_in = await keyring.cookies.opened(cookie)
    if signed_in is None:
        raise keyring.refused(ended())
    return signed_in


async def check_body(connection: _Connection, document: msgspec.Struct) -> None:
    """See that the request's key covers the devices that its body names.

    Raises Fault, DatabaseUnavailable.
    """
    grant = grant_of(connection)
    if grant is not None and not grant.every_device:
        keyring: Keyring = connection.app.state.keyring
        await keyring.check_devices(grant, **named_in(document))


def grant_of(connection: _Connection) -> Grant | None:
    """What the request's key may do; None where the service does without keys."""
    return cast("dict[str, Any]", connection.scope).get(_GRANT)


def key_of(connection: _Connection) -> str | None:
    """The id of the request's key, for what tells who did something; None where keys are off."""
    grant = grant_of(connection)
    return None if grant is None else grant.key_id


def limited_key_of(connection: _Connection) -> str | None:
    """The id of the request's key where it is for some devices only.

    What has no limit need not be asked for each row.
    """
    grant = grant_of(connection)
    return None if grant is None or grant.every_device else grant.key_id
