"""Cost of API keys: none, one for all, one per device, and one that is looked up each time.

Posts single readings by wrk to four services on one embedded database, in turns. Prints readings
per second with their ratio to no keys, latency, and the service's core time per reading. Needs
wrk.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import psycopg
from rich.console import Console

from loadtests.support import ratios, stack, turns, wrk
from service.embedded import Cluster

_FILE = "WATTLEDGER_KEYS_FILE"


class _Variant(NamedTuple):
    name: str
    # of the service
    environment: dict[str, str]
    a_key_per_device: bool


_VARIANTS = [
    _Variant("no keys", {"WATTLEDGER_KEYS": "off"}, a_key_per_device=False),
    _Variant("one key for all", {}, a_key_per_device=False),
    _Variant("a key per device", {}, a_key_per_device=True),
    # as where a device posts once a minute: what was known of its key is forgotten by then
    _Variant(
        "a key per device, each looked up",
        {"WATTLEDGER_KEY_CACHE_SECONDS": "0.001"},
        a_key_per_device=True,
    ),
]


def main() -> None:
    """Measure all in turns; print their ratios to the first."""
    given = wrk.options("keyed", __doc__)
    console = Console(width=max(120, Console().width))
    with stack.database() as cluster, ExitStack() as running:
        of_devices = _keys_of_devices(cluster)
        url, log = cluster.url("wattledger_service"), stack.OUT / "service.log"
        services = [
            running.enter_context(stack.wattledger(url, log, **variant.environment))
            for variant in _VARIANTS
        ]

        def prepare(variant: _Variant) -> None:
            if variant.a_key_per_device:
                os.environ[_FILE] = str(of_devices)
            else:
                os.environ.pop(_FILE, None)

        taken = turns.measured(_VARIANTS, services, prepare, given, console)
        of_devices.unlink()
    console.print(ratios.table("keys", "service", taken))


def _keys_of_devices(cluster: Cluster) -> Path:
    """Make a key for each of wrk's devices; return a file with one a line."""
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        rows = connection.execute(
            "SELECT c.key FROM generate_series(0, %s - 1) AS n CROSS JOIN LATERAL ops.create_key("
            "ARRAY['ingest'], devices => ARRAY[CASE WHEN n %% 2 = 0 THEN 'M-' ELSE 'V-' END || n]"
            ") AS c ORDER BY n",
            [wrk.DEVICES],
        ).fetchall()
    with tempfile.NamedTemporaryFile("w", suffix=".keys", delete=False) as file:
        file.writelines(f"{key}\n" for (key,) in rows)
    return Path(file.name)


if __name__ == "__main__":
    main()
