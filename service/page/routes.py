"""Routes of the page's files: the page itself at /, and what it needs below /assets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from service.keys.guard import OPEN
from service.page.files import File, Files

_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Vary": "Accept-Encoding",
}
# asked for anew each time, and told quickly that it is the same
_PAGE = {"Cache-Control": "no-cache"}
# by the hash in its path it never changes
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}

_Request = Request[Any, Any, Any]


@get("/", opt=OPEN, include_in_schema=False, sync_to_thread=False)
def index(request: _Request, state: State) -> Response[bytes]:
    """The page."""
    files: Files = state.page
    root = request.scope["root_path"]
    return _answer(request, files.index(root), _PAGE)


@get("/assets/{version:str}/{name:path}", opt=OPEN, include_in_schema=False, sync_to_thread=False)
def asset(
    request: _Request, state: State, version: FromPath[str], name: FromPath[Path]
) -> Response[bytes]:
    """A file of the page."""
    files: Files = state.page
    found = files.named(name.as_posix().removeprefix("/")) if version == files.hash else None
    if found is None:
        raise NotFoundException("the page has no such file: load it anew")
    return _answer(request, found, _FOR_EVER)


def _answer(request: _Request, file: File, lasting: dict[str, str]) -> Response[bytes]:
    body, tag, encoding = file.body(request.headers.get("accept-encoding", ""))
    headers = {**_HEADERS, **lasting, "ETag": tag}
    known = request.headers.get("if-none-match", "")
    if tag in (one.strip().removeprefix("W/") for one in known.split(",")):
        return Response(b"", status_code=304, media_type=file.media_type, headers=headers)
    return Response(body, media_type=file.media_type, headers={**headers, **encoding})


HANDLERS = [index, asset]
