"""Proxies before the service: the path prefix, and whose word on the client counts."""

from __future__ import annotations

import re
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.settings import Settings, SettingsError, networks

# it goes into a page and into addresses, so that a proxy which passes on a client's own is harmless
_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]{1,64}){1,8}")


class Proxies:
    """Finds a request's path below the prefix, and what trusted proxies say of its client.

    A proxy may cut the prefix off or leave it on. A trusted one may name another prefix for its
    requests, by X-Forwarded-Prefix.
    """

    def __init__(self, app: Any, root_path: str = "", trusted: str = "") -> None:
        """`trusted`: addresses and networks, parted by commas. Raises SettingsError."""
        if root_path and not _PREFIX.fullmatch(root_path):
            raise SettingsError(
                f"WATTLEDGER_ROOT_PATH={root_path!r} cannot be used: give it like /wattledger,"
                " of letters, digits and . _ ~ - without a slash at its end"
            )
        self._app = app
        self._root_path = root_path
        hosts = networks("TRUSTED_PROXIES", trusted)
        self._headers = ProxyHeadersMiddleware(app, hosts) if hosts else None

    def place(self, scope: Any) -> str:
        """Put a request below its prefix, as ASGI has it; return its path without that."""
        path: str = scope["path"]
        root = self._root_of(scope)
        if root:
            if path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
                path = path[len(root) :] or "/"
            scope["root_path"] = root
            scope["path"] = root + path
        return path

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Call the application, with the client and scheme that a trusted proxy names."""
        await (self._headers or self._app)(scope, receive, send)

    def _root_of(self, scope: Any) -> str:
        if self._headers is None or not scope["client"]:
            return self._root_path
        if scope["client"][0] not in self._headers.trusted_hosts:
            return self._root_path
        # the last one: that of the proxy next to us
        for name, value in reversed(scope["headers"]):
            if name == b"x-forwarded-prefix":
                given = value.decode("latin-1").strip().rstrip("/")
                return given if _PREFIX.fullmatch(given) else self._root_path
        return self._root_path


def check_proxies(settings: Settings) -> None:
    """Raise SettingsError where the prefix or the trusted proxies cannot be used."""
    Proxies(None, settings.root_path, settings.trusted_proxies)
