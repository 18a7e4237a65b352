"""Session of a browser: a person signs in by a key, and is told what it is good for."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Literal, cast, get_args

import msgspec
from litestar import Request, Response, delete, get, post, route
from litestar.datastructures import Cookie, State

from service.database.pool import Calls
from service.keys.cookie import NAME, check_origin, no_key_given
from service.keys.credential import credential
from service.keys.grant import Grant
from service.keys.guard import OPEN, PERSONAL, grant_of, signed_in_by
from service.keys.keyring import Keyring
from service.page.files import Files
from service.routes.json_body import read
from service.routes.parameters import FromDatabase

PATH = "/session"
Scope = Literal["ingest", "read", "metrics", "admin"]

_Request = Request[Any, Any, Any]


class SignIn(msgspec.Struct, forbid_unknown_fields=True):
    """A key to sign in with, which needs the scope read."""

    key: str


class Session(msgspec.Struct, rename="camel"):
    """Who asks, and what the key may do.

    `keyId` is null where the service does without keys. `note` says what the key is for, `scopes`
    what it may do. `everyDevice` is whether it is for all devices; else it is for those that the
    patterns in `devices` cover, null without that limit, of the `fleet`, null without that one.
    `expiresAt` is when the key ends, `signedInUntil` when the cookie does, null without one;
    `csrfToken` is what a change by cookie carries in the header X-CSRF-Token. `zone` is the time
    zone of the tariff that holds, null without one; `version` the service's, `pageVersion` changes
    with the page.
    """

    key_id: str | None
    note: str | None
    scopes: list[Scope]
    every_device: bool
    devices: list[str] | None
    fleet: str | None
    expires_at: datetime | None
    signed_in_until: datetime | None
    csrf_token: str | None
    zone: str | None
    version: str
    page_version: str


class _Told(msgspec.Struct):
    note: str | None
    devices: list[str] | None
    fleet: str | None
    expires_at: datetime | None
    zone: str | None


# before the others of its path: Litestar's own names but the first of them
@route(PATH, http_method="OPTIONS", opt=OPEN, include_in_schema=False, sync_to_thread=False)
def options_of_session() -> Response[None]:
    """What can be done with a session."""
    return Response(None, status_code=204, headers={"Allow": "DELETE, GET, OPTIONS, POST"})


@post(PATH, tags=["session"], opt=OPEN, status_code=HTTPStatus.NO_CONTENT, security=[{}])
async def sign_in(request: _Request, state: State) -> Response[None]:
    """Sign in by a key: the answer sets a cookie that carries it, sealed, for some hours.

    With the cookie, what is read is answered as with the key; changes also need the header
    X-CSRF-Token. Readings are never taken by it.
    """
    check_origin(request.scope["headers"], None)
    key = (await read(request, SignIn)).key.strip()
    keyring: Keyring | None = state.keyring
    if keyring is None:
        return Response(None)
    given = credential(b"Bearer " + key.encode())
    seconds = state.settings.sign_in_minutes * 60
    value = None if given is None else await keyring.cookies.seal(key, seconds)
    if value is None:
        raise keyring.refused(no_key_given())
    grant = await keyring.admit(given, "read")
    grant.charge(1)
    return Response(None, cookies=[_cookie(request, value, int(seconds))])


@get(PATH, tags=["session"], opt=PERSONAL)
async def session(database: FromDatabase, request: _Request, state: State) -> Session:
    """Who is signed in, or whose key was sent, and what it may do."""
    grant = grant_of(request)
    if grant is None or b"authorization" in dict(request.scope["headers"]):
        return await _session(database, state, grant, None, None)
    signed_in = await signed_in_by(request)
    assert signed_in is not None  # noqa: S101  the guard let it in by that
    return await _session(database, state, grant, signed_in.ends_at, signed_in.csrf_token)


@delete(PATH, tags=["session"], opt=OPEN, security=[{}])
async def sign_out(request: _Request) -> Response[None]:
    """Sign out: the cookie is forgotten."""
    check_origin(request.scope["headers"], None)
    return Response(None, cookies=[_cookie(request, "", 0)])


def _cookie(request: _Request, value: str, seconds: int) -> Cookie:
    """The cookie, below the prefix that the page has; over TLS for TLS alone."""
    return Cookie(
        NAME,
        value=value,
        max_age=seconds,
        path=request.scope["root_path"] or "/",
        httponly=True,
        secure=request.scope["scheme"] == "https",
        samesite="strict",
    )


async def _session(
    database: Calls,
    state: State,
    grant: Grant | None,
    ends_at: float | None,
    csrf_token: str | None,
) -> Session:
    key_id = None if grant is None else grant.key_id
    told = await database.one(_Told, "SELECT * FROM api.signed_in(of_key_id => %s::text)", key_id)
    assert told is not None  # noqa: S101  the function returns one row
    files: Files = state.page
    return Session(
        key_id=key_id,
        note=told.note,
        scopes=cast("list[Scope]", sorted(grant.scopes)) if grant else list(get_args(Scope)),
        every_device=grant is None or grant.every_device,
        devices=told.devices,
        fleet=told.fleet,
        expires_at=told.expires_at,
        signed_in_until=None if ends_at is None else datetime.fromtimestamp(ends_at, UTC),
        csrf_token=csrf_token,
        zone=told.zone,
        version=files.version,
        page_version=files.hash,
    )


HANDLERS = [options_of_session, sign_in, session, sign_out]
