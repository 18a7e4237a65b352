"""`just fuzz`: feed the decoder with bodies that reach more and more of its code, for some time."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris
import click

with atheris.instrument_imports(include=["service.wire", "json"]):
    from tests.fuzz.case import check
    from tests.fuzz.mutation import mutated

CORPUS = Path(__file__).with_name("corpus")
_OUT = Path(__file__).with_name("out")


@click.command(context_settings={"show_default": True})
@click.option("--minutes", default=10.0, help="How long.")
@click.option("--runs", default=-1, help="How many bodies at most; -1: as time allows.")
@click.option("--seed", default=0, help="The same seed and runs, the same bodies; 0: any.")
@click.option("--out", default=_OUT, type=click.Path(path_type=Path), help="Where it keeps things.")
def main(minutes: float, runs: int, seed: int, out: Path) -> None:
    """Fuzz the decoder of bodies.

    A line tells of each body that reached code which none before it did. What breaks a promise ends
    the run, and is in the folder FOUND of --out: copy it to tests/fuzz/corpus, and fix the cause.
    """
    found, reached = out / "FOUND", out / "reached"
    for folder in (found, reached):
        folder.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={round(minutes * 60)}",
        f"-runs={runs}",
        f"-seed={seed}",
        f"-artifact_prefix={found}/",
        "-max_len=70000",
        "-len_control=20",
        "-timeout=20",
        "-rss_limit_mb=1024",
        "-print_final_stats=1",
        str(reached),
        str(CORPUS),
    ]

    def by_bytes(data: bytes) -> bytes:
        return atheris.Mutate(data, max(len(data) * 2, 64))

    def mutator(data: bytes, max_size: int, chosen: int) -> bytes:
        return mutated(data, chosen, by_bytes)[:max_size]

    atheris.Setup([sys.argv[0], *options], check, custom_mutator=mutator)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
