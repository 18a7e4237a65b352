"""Making, starting, stopping and removing a cluster."""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from service.embedded import Cluster, EmbeddedError
from tests.embedded.conftest import query


def test_a_first_start_gives_a_database_in_which_timescaledb_can_be_created(cluster):
    cluster.start()

    query(cluster, "CREATE EXTENSION timescaledb; CREATE EXTENSION btree_gist")
    assert query(cluster, "SELECT current_database(), current_user") == [("wattledger", "postgres")]


def test_a_start_of_a_running_cluster_leaves_the_same_server(started_cluster):
    before = started_cluster.postmaster_pid()

    started_cluster.start()

    assert started_cluster.postmaster_pid() == before


def test_a_start_makes_the_database_that_a_killed_first_start_did_not(cluster):
    cluster.start()
    with psycopg.connect(cluster.url(database="postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE wattledger")

    cluster.start()

    assert query(cluster, "SELECT 1") == [(1,)]


def test_stopping_and_starting_keeps_data_port_and_passwords(cluster):
    cluster.start()
    query(cluster, "CREATE TABLE kept AS SELECT 42 AS answer")
    before = cluster.url()

    cluster.stop()
    assert not cluster.status().running
    again = Cluster(cluster.directory)
    again.start()

    assert again.url() == before
    assert query(again, "SELECT answer FROM kept") == [(42,)]


def test_two_starts_at_once_give_one_server(cluster):
    twin = Cluster(cluster.directory, port=0)

    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(one.start) for one in (cluster, twin)]:
            done.result()

    assert cluster.postmaster_pid() == twin.postmaster_pid()
    assert query(twin, "SELECT 1") == [(1,)]


def test_a_start_takes_another_port_where_the_wanted_one_is_taken(directory):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = taken.getsockname()[1]
        cluster = Cluster(directory / "cluster", port=wanted)
        cluster.start()
    try:
        assert cluster.status().port not in (None, wanted)
        assert int((cluster.directory / "port").read_text()) == cluster.status().port
    finally:
        cluster.stop()


def test_the_server_listens_on_loopback_alone(started_cluster):
    port = f"{started_cluster.status().port:04X}"
    listening = "0A"
    tables = [Path("/proc/net/tcp"), Path("/proc/net/tcp6")]
    rows = [line.split() for table in tables for line in table.read_text().splitlines()[1:]]

    addresses = {row[1].split(":")[0] for row in rows if row[3] == listening and port in row[1]}

    assert addresses == {"0100007F"}


def test_the_server_does_not_run_as_root(started_cluster):
    process = Path(f"/proc/{started_cluster.postmaster_pid()}")

    assert process.stat().st_uid == (started_cluster.directory / "data").stat().st_uid
    assert process.stat().st_uid != 0


def test_the_server_is_durable_and_checks_its_pages(started_cluster):
    names = ("fsync", "synchronous_commit", "full_page_writes", "data_checksums")

    values = [query(started_cluster, f"SHOW {name}") for name in names]

    assert values == [[("on",)]] * len(names)


def test_a_setting_asked_for_overrides_the_usual_one(started_cluster):
    assert query(started_cluster, "SHOW shared_buffers") == [("32MB",)]


def test_text_sorts_by_code_point_and_knows_the_case_of_every_letter(started_cluster):
    assert query(started_cluster, "SELECT upper('é'), 'Z' < 'a'") == [("É", True)]


@pytest.mark.parametrize("address", ["127.0.0.1", "run"])
def test_a_wrong_password_is_refused(started_cluster, address):
    host = str(started_cluster.directory / "run") if address == "run" else address

    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(
            host=host,
            port=started_cluster.status().port,
            user="postgres",
            password="wrong",
            dbname="wattledger",
        )


def test_no_process_shows_the_password_and_nobody_else_reads_its_file(started_cluster):
    password = started_cluster.password_of("postgres").encode()
    shown = b""
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            shown += process.read_bytes()
        except OSError:  # it ended meanwhile
            continue

    assert password not in shown
    assert (started_cluster.directory / "secrets.json").stat().st_mode & 0o077 == 0


def test_each_role_has_a_password_of_its_own_that_stays(started_cluster):
    first = started_cluster.password_of("wattledger_service")

    assert started_cluster.password_of("wattledger_service") == first
    assert started_cluster.password_of("postgres") != first


def test_a_path_too_long_for_a_socket_still_starts(directory):
    deep = directory / ("d" * 60) / ("e" * 60)
    cluster = Cluster(deep, port=0)
    cluster.start()
    try:
        assert query(cluster, "SHOW unix_socket_directories") == [("",)]
    finally:
        cluster.stop()


def test_a_directory_named_with_a_quote_and_a_space_starts(directory):
    cluster = Cluster(directory / "it's a place, here", port=0)
    cluster.start()
    try:
        assert query(cluster, "SELECT 1") == [(1,)]
    finally:
        cluster.stop()


def test_a_start_under_a_umask_that_closes_every_file_gives_a_server(cluster):
    before = os.umask(0o077)
    try:
        cluster.start()
    finally:
        os.umask(before)

    assert query(cluster, "SELECT 1") == [(1,)]


def test_destroy_stops_the_server_and_removes_the_directory(cluster):
    cluster.start()

    cluster.destroy()

    assert not cluster.directory.exists()
    assert not cluster.status().running


def test_start_and_destroy_leave_a_foreign_directory_alone(directory):
    (directory / "thesis.txt").write_text("the only copy")
    cluster = Cluster(directory, port=0)

    with pytest.raises(EmbeddedError, match="is left alone"):
        cluster.destroy()
    with pytest.raises(EmbeddedError, match="WATTLEDGER_HOME"):
        cluster.start()
    cluster.stop()

    assert [path.name for path in directory.iterdir()] == ["thesis.txt"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_a_directory_that_the_servers_user_cannot_enter_is_refused_by_name(directory):
    closed = directory / "closed"
    closed.mkdir(mode=0o700)

    with pytest.raises(EmbeddedError, match=rf"cannot enter {closed}: set WATTLEDGER_HOME"):
        Cluster(closed / "cluster", port=0).start()
