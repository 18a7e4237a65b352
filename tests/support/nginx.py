"""A real nginx with the location of docs/operations.md."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from service.embedded import places
from tests.support.packages import command
from tests.support.process import free_port

_DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def location() -> str:
    """What the document tells to put into a server's configuration."""
    return re.findall(r"```nginx\n(.*?)```", _DOCUMENT.read_text(), re.DOTALL)[0]


@contextmanager
def proxying(service_port: int, text: str) -> Iterator[str]:
    """Start nginx with locations that name port 3000, meaning the service; give its URL."""
    directory = Path(tempfile.mkdtemp(prefix="wattledger-nginx-"))
    directory.chmod(0o755)
    user = places.unprivileged_user(directory / "none")
    if user:
        os.chown(directory, user.pw_uid, user.pw_gid)
    port = free_port()
    temporary = "".join(f"{name}_temp_path {directory}/{name};\n" for name in _TEMPORARY)
    config = directory / "nginx.conf"
    config.write_text(
        f"daemon off;\npid {directory}/pid;\nworker_processes 1;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}"
        f"server {{\nlisten 127.0.0.1:{port};\n"
        f"{text.replace(':3000', f':{service_port}')}\n}}\n}}\n"
    )
    log = directory / "error.log"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*command("nginx", "usr/sbin/nginx"), "-c", config, "-p", directory, "-e", "stderr"],
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    try:
        deadline = time.monotonic() + 15
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{port}/", timeout=5)
                break
            except httpx.TransportError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(directory, ignore_errors=True)
