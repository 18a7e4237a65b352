"""Starting after something went wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import psycopg
import pytest

from service.embedded import EmbeddedError
from tests.embedded.conftest import query


def test_data_committed_before_the_server_was_killed_is_there_after_a_start(cluster):
    cluster.start()
    query(cluster, "CREATE TABLE kept AS SELECT 42 AS answer")
    port = cluster.status().port

    os.kill(cluster.postmaster_pid(), signal.SIGKILL)
    cluster.start()

    assert query(cluster, "SELECT answer FROM kept") == [(42,)]
    assert cluster.status().port == port


def test_a_start_waits_for_the_orphans_of_a_killed_server(cluster):
    cluster.start()
    connection = psycopg.connect(cluster.url(), autocommit=True)
    pid = connection.info.backend_pid
    os.kill(pid, signal.SIGSTOP)  # so that it cannot notice, as in a long calculation
    wakes = threading.Timer(1.0, os.kill, [pid, signal.SIGCONT])
    wakes.start()

    os.kill(cluster.postmaster_pid(), signal.SIGKILL)
    cluster.start()

    assert wakes.finished.is_set()
    connection.close()
    assert query(cluster, "SELECT 1") == [(1,)]


@pytest.mark.parametrize("owner", ["root", "the server's user"])
def test_a_stale_pid_that_belongs_to_another_process_by_now_does_not_stop_a_start(cluster, owner):
    cluster.start()
    pid_file = cluster.directory / "data" / "postmaster.pid"
    left = pid_file.read_text().splitlines(keepends=True)
    uid = pid_file.stat().st_uid
    cluster.stop()
    foreign = subprocess.Popen(
        ["sleep", "60"], user=uid if owner != "root" and os.geteuid() == 0 else None
    )
    try:
        pid_file.write_text("".join([f"{foreign.pid}\n", *left[1:]]))
        os.chown(pid_file, uid, -1)

        assert not cluster.status().running
        cluster.start()

        assert cluster.postmaster_pid() != foreign.pid
        assert foreign.poll() is None
    finally:
        foreign.kill()
        foreign.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have less than root")
def test_root_without_the_right_to_trace_knows_that_the_server_runs(cluster):
    # as in a container: /proc then hides much of other users' processes, even from root
    cluster.start()
    code = (
        "import sys; from pathlib import Path; from service.embedded import Cluster;"
        "found = Cluster(Path(sys.argv[1])); found.start(); print(found.postmaster_pid())"
    )

    told = subprocess.run(
        [
            *("setpriv", "--inh-caps=-sys_ptrace", "--bounding-set=-sys_ptrace"),
            *(sys.executable, "-c", code, cluster.directory),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert int(told) == cluster.postmaster_pid()


def test_a_pid_file_cut_short_does_not_stop_a_start(cluster):
    cluster.start()
    cluster.stop()
    (cluster.directory / "data" / "postmaster.pid").write_text("")

    cluster.start()

    assert cluster.status().running


def test_a_directory_half_made_by_a_killed_start_is_made_anew(cluster):
    cluster.directory.mkdir()
    (cluster.directory / "wattledger-embedded-database").touch()
    (cluster.directory / "data.new").mkdir()
    (cluster.directory / "data.new" / "PG_VERSION").write_text("17\n")
    (cluster.directory / "password.new").write_text("half")

    cluster.start()

    assert query(cluster, "SELECT 1") == [(1,)]
    assert not (cluster.directory / "password.new").exists()


def test_data_of_another_major_version_are_refused_with_both_versions_named(cluster):
    cluster.start()
    running = query(cluster, "SELECT current_setting('server_version_num')::int / 10000")[0][0]
    cluster.stop()
    (cluster.directory / "data" / "PG_VERSION").write_text("15\n")

    with pytest.raises(
        EmbeddedError, match=rf"made by PostgreSQL 15, .* PostgreSQL {running}: dump it"
    ):
        cluster.start()
    assert not cluster.status().running
