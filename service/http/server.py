"""Server of HTTP: uvicorn with an application in each of its worker processes."""

import logging
import multiprocessing
import os
import resource
import signal
import socket
import sys
import threading
from contextlib import ExitStack, closing
from multiprocessing.connection import wait
from typing import Any

from uvicorn.config import STARTUP_FAILURE, Config
from uvicorn.supervisors import multiprocess

from service.http.connection import Connection
from service.http.metrics_server import MetricsServer
from service.metrics.board import SharedBoard
from service.metrics.exposition import WORKERS_EXPECTED
from service.settings import Settings, SettingsError

_BACKLOG = 2048
_IDLE_SECONDS = 75
# compose and systemd give it some seconds more before they kill
STOP_SECONDS = 25


def check_address(settings: Settings) -> None:
    """Raise SettingsError where an address cannot be listened on."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with ExitStack() as stack:
        if settings.metrics_address:
            # held meanwhile, since it must be another one
            stack.enter_context(closing(MetricsServer(settings.metrics_address, None)))
        probe = stack.enter_context(closing(socket.socket(family, socket.SOCK_STREAM)))
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise SettingsError(
                f"cannot listen on {settings.host}:{settings.port}: {error.strerror};"
                " choose another with --host and --port"
            ) from error


def configuration(app: Any, protocol: type[Connection], **options: Any) -> Config:
    """How an ASGI application is served, in this process or in workers; `options` are uvicorn's."""
    chosen: dict[str, Any] = {
        "http": protocol,
        "ws": "none",
        "interface": "asgi3",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "backlog": _BACKLOG,
        "timeout_keep_alive": _IDLE_SECONDS,
        "timeout_graceful_shutdown": STOP_SECONDS,
        # a machine that swaps, or a long collection of garbage, is no reason to kill a worker
        "timeout_worker_healthcheck": 30,
    }
    return Config(app, **(chosen | options))


def serve(
    factory: str,
    protocol: type[Connection],
    *,
    host: str,
    port: int,
    workers: int = 1,
    metrics_address: str = "",
) -> None:
    """Serve until told to stop the ASGI application that `factory` ("module:function") makes.

    A worker process that dies is replaced. `metrics_address`: where the supervisor itself answers
    with the metrics of all, if anywhere. Exits with a status other than 0 where a worker cannot
    even start.
    """
    logging.basicConfig(level=logging.INFO, format="[%(levelname)s] %(message)s")
    _allow_many_files()
    config = configuration(factory, protocol, factory=True, host=host, port=port, workers=workers)
    listening = config.bind_socket()
    # from now on connections wait for a worker, also for one that replaces another
    listening.listen(_BACKLOG)
    multiprocess.Process = _Worker
    with SharedBoard.supervised() as board, ExitStack() as stack:
        supervisor = _Supervisor(config, [listening], board)
        if metrics_address:
            stack.enter_context(closing(MetricsServer(metrics_address, board))).start()
        supervisor.run()
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        sys.exit(STARTUP_FAILURE)


class _Supervisor(multiprocess.Multiprocess):
    """The supervisor, which says on the board how many workers there should be."""

    def __init__(self, config: Config, sockets: list[socket.socket], board: SharedBoard) -> None:
        super().__init__(config, sockets)
        slab = board.claim([WORKERS_EXPECTED])
        self._slots, self._place = slab.slots, slab.places(WORKERS_EXPECTED)[()]
        self._slots[self._place] = self.processes_num

    def handle_signals(self) -> None:
        """Handle what came, which may be a wish for more or fewer workers."""
        super().handle_signals()
        self._slots[self._place] = self.processes_num


class _Worker(multiprocess.Process):
    """A worker as its supervisor sees it, which asks it now and then whether it is well."""

    def _healthcheck(self, timeout: float) -> bool | None:
        """Ask; None where no answer comes in time, or none can come any more.

        uvicorn waits for the whole time where a worker dies between question and answer, since it
        holds that end of the pipe open itself; meanwhile it replaces no other, either.
        """
        try:
            self.parent_conn.send(b"ping")
            if self.parent_conn in wait([self.parent_conn, self.process.sentinel], timeout):
                return bool(self.parent_conn.recv())
        except (OSError, EOFError):
            pass
        return None


def end_with_supervisor() -> None:
    """Stop this worker in good order when the process that supervises it is gone."""
    supervisor = multiprocessing.parent_process()
    if supervisor is None:
        return

    def watch() -> None:
        supervisor.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="supervisor watch", daemon=True).start()


def _allow_many_files() -> None:
    """Raise the soft limit of open files, of which each connection is one, to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
