"""Whether a port of the loopback address can be listened on."""

import socket
from contextlib import closing


def is_free(port: int) -> bool:
    """Whether nobody listens on the port."""
    return obstacle(port) is None


def obstacle(port: int) -> OSError | None:
    """What is in the way of listening on the port; None: nothing."""
    with closing(socket.socket()) as probe:
        # as servers do: what is closed already is no hindrance
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            return error
    return None


def free_port() -> int:
    """A port that nobody listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
