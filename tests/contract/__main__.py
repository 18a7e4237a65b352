"""`just schemathesis`: look for answers that the OpenAPI document does not have, for long."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.contract.running import command, seed
from tests.support import server
from tests.support.process import serving
from tests.support.server import Server, as_service

_DEFAULTS = ("--max-examples", "500", "--workers", "2")


def main(arguments: list[str]) -> int:
    """Serve a database of its own, and call all operations; `arguments` are schemathesis's."""
    started = server.start()
    try:
        with (
            Server(os.environ[server.URL_VARIABLE]).clone() as url,
            serving(as_service(url)) as service,
        ):
            seed(service.url)
            return subprocess.run(
                command(service.url, *_DEFAULTS, *arguments), check=False
            ).returncode
    finally:
        started.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
