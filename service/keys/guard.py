"""Every route asks for a key, unless it says that it is open to all."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from service.keys.grant import all_devices
from service.keys.keyring import Keyring

_SCOPE = "scope"
_OPEN = "open"

# what a route says of itself; one that says nothing needs the scope admin
READ = {_SCOPE: "read"}
OPEN = {_OPEN: True}


async def guard(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a request in whose key has the route's scope, and covers the device in its path.

    Raises Denied, DatabaseUnavailable.
    """
    keyring: Keyring | None = connection.app.state.keyring
    if keyring is None or handler.opt.get(_OPEN):
        return
    grant = await keyring.admit(connection.scope["headers"], handler.opt.get(_SCOPE, "admin"))
    grant.charge(1)
    if grant.every_device:
        return
    path = connection.path_params
    device_id = path.get("vehicle_id") or path.get("meter_id")
    if device_id is None:
        raise all_devices()
    await keyring.check_devices(grant, {device_id})
