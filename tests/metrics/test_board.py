"""The board of a service's workers: what was counted outlives them, and is added up for all."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from service.metrics import board as module
from service.metrics.board import PrivateBoard, SharedBoard
from service.metrics.exposition import Found, publish, text
from service.metrics.families import Axis, Layout, axis, counter, gauge, histogram
from service.metrics.slab import Slab
from tests.support.metrics import Scrape

DONE = counter("done_total", "Done.", axis("kind", ("a", "b")))
TOOK = histogram("took_seconds", "How long.", axis("kind", ("a", "b")), bounds=(0.1, 1.0))
OPEN = gauge("open", "Open now.")
FAMILIES = (DONE, TOOK, OPEN)

# a worker that counts until it is killed, a hundred at a time
WORKER = """
import sys
from pathlib import Path
from tests.metrics.test_board import DONE, FAMILIES, OPEN
from service.metrics.board import SharedBoard

slab = SharedBoard(Path(sys.argv[1])).claim(FAMILIES)
place = slab.places(DONE)["a",]
slab.slots[slab.places(OPEN)[()]] = 7
for _ in range(100):
    slab.slots[place] += 1
print("ready", flush=True)
while True:
    slab.slots[slab.places(DONE)["b",]] += 1
"""


def scraped(board: SharedBoard | PrivateBoard) -> Scrape:
    return Scrape(text(board).decode())


@contextmanager
def worker(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that has counted a hundred a, counts b, and has 7 open; killed at the end."""
    process = subprocess.Popen([sys.executable, "-c", WORKER, directory], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


def slabs(directory: Path) -> int:
    return len(list(directory.glob("*.slab")))


def test_each_series_has_slots_of_its_own() -> None:
    layout = Layout(FAMILIES)
    taken = [
        place + n
        for family in FAMILIES
        for place in layout.places(family.name).values()
        for n in range(family.width)
    ]
    assert sorted(taken) == list(range(layout.size)) == list(range(2 + 2 * 4 + 1))


def test_a_metric_is_declared_once() -> None:
    with pytest.raises(ValueError, match="twice"):
        Layout([DONE, DONE])


def test_the_text_is_read_by_another_parser_as_it_was_meant() -> None:
    board = PrivateBoard()
    slab = board.claim(FAMILIES)
    slab.slots[slab.places(DONE)["a",]] += 3
    took = slab.places(TOOK)["b",]
    for bucket, nanoseconds in ((0, 50_000_000), (1, 500_000_000), (2, 2_000_000_000)):
        slab.slots[took + bucket] += 1
        slab.slots[took + 3] += nanoseconds
    found = scraped(board)
    assert found.value("done_total", kind="a") == 3
    assert found.value("done_total", kind="b") == 0
    buckets = [found.value("took_seconds_bucket", kind="b", le=le) for le in ("0.1", "1", "+Inf")]
    assert buckets == [1, 2, 3]
    assert found.value("took_seconds_count", kind="b") == 3
    assert found.value("took_seconds_sum", kind="b") == 2.55
    assert found.kinds["wattledger_took_seconds"] == "histogram"


def test_labels_are_shown_whatever_is_in_them() -> None:
    board = PrivateBoard()
    publish(board, True, [Found("jobs", "a \\ and a\nline", 1.0, "job", 'x"y\\z\nw')])
    assert scraped(board).value("jobs", job='x"y\\z\nw') == 1


def test_what_was_never_counted_is_hidden_where_the_family_says_so() -> None:
    targets = Axis(
        ("method", "route"), (("GET", "/a"), ("GET", "/b"), ("GET", "/c")), (("GET", "/a"),)
    )
    asked = counter("asked_total", "Asked.", targets, axis("status", ("200", "500")))
    board = PrivateBoard()
    slab = board.claim([asked])
    slab.slots[slab.places(asked)["GET", "/b", "500"]] += 1
    shown = {dict(labels)["route"] for name, labels in scraped(board).samples if "asked" in name}
    assert shown == {"/a", "/b"}
    assert scraped(board).value("asked_total", method="GET", route="/b", status="200") == 0


def test_a_worker_counts_on_where_one_that_was_killed_ended(tmp_path: Path) -> None:
    board = SharedBoard(tmp_path)
    for number in range(1, 4):
        with worker(tmp_path):
            assert scraped(board).value("done_total", kind="a") == 100 * number
        assert scraped(board).value("done_total", kind="a") == 100 * number
    assert slabs(tmp_path) == 1


def test_workers_at_the_same_time_are_added_up(tmp_path: Path) -> None:
    with worker(tmp_path), worker(tmp_path), worker(tmp_path):
        found = scraped(SharedBoard(tmp_path))
    assert found.value("done_total", kind="a") == 300
    assert found.value("open") == 21
    assert slabs(tmp_path) == 3


def test_gauges_are_of_those_who_live(tmp_path: Path) -> None:
    with worker(tmp_path):
        assert scraped(SharedBoard(tmp_path)).value("open") == 7
    assert scraped(SharedBoard(tmp_path)).value("open") == 0
    slab = SharedBoard(tmp_path).claim(FAMILIES)
    assert slab.slots[slab.places(OPEN)[()]] == 0


def test_counters_never_go_back_while_workers_count_and_are_killed(tmp_path: Path) -> None:
    board = SharedBoard(tmp_path)
    scrapes: list[Scrape] = []
    for _ in range(3):
        with worker(tmp_path), worker(tmp_path):
            scrapes += [scraped(board) for _ in range(20)]
        scrapes.append(scraped(board))
    assert [later.went_back_since(before) for before, later in pairwise(scrapes)] == [[]] * 62
    counted = [found.value("done_total", kind="b") for found in scrapes]
    assert counted[0] < counted[-1]


def test_a_newer_version_has_slabs_of_its_own_and_all_are_added_up(tmp_path: Path) -> None:
    with worker(tmp_path):
        pass
    new = counter("new_total", "New.")
    board = SharedBoard(tmp_path)
    slab = board.claim([new, *FAMILIES])
    slab.slots[slab.places(DONE)["a",]] += 5
    found = scraped(board)
    assert found.value("done_total", kind="a") == 105
    assert found.value("new_total") == 0
    assert slabs(tmp_path) == 2


def test_one_worker_leads_and_another_after_it(tmp_path: Path) -> None:
    first, second = SharedBoard(tmp_path), SharedBoard(tmp_path)
    assert first.leads()
    assert first.leads()
    assert not second.leads()
    for file in first._held:
        os.close(file)
    assert second.leads()


def test_what_was_found_out_long_ago_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    board = PrivateBoard()
    publish(board, True, [Found("devices", "Devices.", 2.0, "type", "meter")])
    assert scraped(board).value("database_up") == 1
    assert scraped(board).value("devices", type="meter") == 2
    monkeypatch.setattr("service.metrics.exposition.FOUND_SECONDS", 0.0)
    assert scraped(board).value("database_up") == 0
    assert not scraped(board).has("devices")


def test_a_board_is_removed_with_its_supervisor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MEMORY", tmp_path)
    with SharedBoard.supervised() as board:
        board.claim(FAMILIES)
        assert isinstance(module.supervisors_board(), SharedBoard)
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []
    assert isinstance(module.supervisors_board(), PrivateBoard)


def test_a_board_whose_supervisor_was_killed_is_removed_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MEMORY", tmp_path)
    left, used, new = (tmp_path / f"wattledger-metrics-{name}" for name in ("left", "used", "new"))
    for directory in (left, used, new):
        directory.mkdir()
        (directory / "0000.slab").touch()
    long_ago = time.time() - 3600
    lock = os.open(used / "supervised", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    for directory in (left, used):
        os.utime(directory, (long_ago, long_ago))
    with SharedBoard.supervised():
        assert (left.exists(), used.exists(), new.exists()) == (False, True, True)
    os.close(lock)


def test_a_worker_counts_alone_where_the_board_is_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    slab = module.claim_or_count_alone(SharedBoard(tmp_path / "gone"), FAMILIES)
    assert isinstance(slab, Slab)
    assert "missing in the metrics" in caplog.text
