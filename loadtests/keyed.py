"""What keys cost: none, one for all, one for each device, and one that is asked for each time."""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import psycopg
from rich.console import Console

from loadtests import ratios, stack
from loadtests.benchmark import wrk
from loadtests.benchmark.steps import INGEST_PATH
from loadtests.cpu import Stopwatch
from service.embedded import Cluster

_FILE = "WATTLEDGER_KEYS_FILE"


class _Variant(NamedTuple):
    name: str
    # of the service
    environment: dict[str, str]
    a_key_a_device: bool


_VARIANTS = [
    _Variant("no keys", {"WATTLEDGER_KEYS": "off"}, a_key_a_device=False),
    _Variant("one key for all", {}, a_key_a_device=False),
    _Variant("a key a device", {}, a_key_a_device=True),
    # as where a device posts once a minute: what was known of its key is forgotten by then
    _Variant(
        "a key a device, each looked up",
        {"WATTLEDGER_KEY_CACHE_SECONDS": "0.001"},
        a_key_a_device=True,
    ),
]


def main() -> None:
    """Measure all in turns; print their ratios to the first."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.keyed", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3, help="for each variant and round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=300)
    options = parser.parse_args()
    console = Console(width=max(120, Console().width))
    times = wrk.Times()
    taken: dict[str, list[tuple[float, float, float]]] = {v.name: [] for v in _VARIANTS}
    with stack.database() as cluster, ExitStack() as running:
        of_devices = _keys_of_devices(cluster)
        url, log = cluster.url("wattledger_service"), stack.OUT / "service.log"
        services = [
            running.enter_context(stack.wattledger(url, log, **variant.environment))
            for variant in _VARIANTS
        ]
        for turn in range(options.rounds + 1):
            for variant, service in zip(_VARIANTS, services, strict=True):
                console.print(f"round {turn}/{options.rounds}: {variant.name}")
                if variant.a_key_a_device:
                    os.environ[_FILE] = str(of_devices)
                else:
                    os.environ.pop(_FILE, None)
                watch = Stopwatch(service=service.pid)
                result = wrk.run(
                    service.url + INGEST_PATH,
                    "json",
                    1,
                    times.take(),
                    options.connections,
                    options.seconds,
                )
                if result.errors:
                    raise RuntimeError(f"{result.errors} requests failed")
                rate = result.requests_per_second
                if turn:  # the first one warms up
                    core = watch.cores()["service"] / rate * 1e6
                    taken[variant.name].append((rate, result.latency.p99, core))
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
