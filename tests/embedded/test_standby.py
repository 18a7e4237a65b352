"""A standby of the embedded database: made, started, removed, and put in its primary's place."""

from __future__ import annotations

import os
import re
import signal

import psycopg
import pytest

from service.embedded import Cluster, EmbeddedError, Standby
from tests.embedded.conftest import query
from tests.support.http import wait_for
from tests.support.standby import Follower

SETTING = "SHOW synchronous_standby_names"


def kill(cluster: Cluster) -> None:
    os.kill(cluster.postmaster_pid(), signal.SIGKILL)
    wait_for(lambda: not cluster.status().running)


def rows(cluster: Cluster) -> list[tuple[int]]:
    return query(cluster, "SELECT t.n FROM t ORDER BY 1")


@pytest.mark.slow
def test_a_whole_life_of_a_standby_from_the_command_line(db):
    refused = db("standby")
    assert (refused.exit_code, "start it with" in refused.stderr) == (1, True)
    assert list(db.home.iterdir()) == [], "nothing is made where there is no primary"

    db("start")
    made = db("standby", "--synchronous")
    assert made.exit_code == 0, made.output
    assert "follows (synchronous)" in made.stdout
    url = made.stdout.split("READ_DATABASE_URL=")[1].strip()
    assert url == db("url", "--standby", "--role", "wattledger_service").stdout.strip()
    # again: it stays as it is
    again = db("standby").stdout
    assert re.split(r"[0-9.]+ s and [0-9]+ bytes", again) == re.split(
        r"[0-9.]+ s and [0-9]+ bytes", made.stdout
    )
    assert "follows (synchronous)" in db("status").stdout

    db("stop")
    assert "standby: stopped" in db("status").stdout
    assert "its standby runs" in db("start").stdout
    # which commits wait for
    assert db.psql("-Atc", "CREATE TABLE t (n integer)") == "CREATE TABLE\n"
    wait_for(lambda: "follows (synchronous)" in db("status").stdout)

    assert db("standby", "--remove").exit_code == 0
    assert "standby" not in db("status").stdout
    assert db.psql("-Atc", SETTING) == "\n"
    assert db.psql("-Atc", "SELECT count(*) FROM pg_replication_slots") == "0\n"

    db("standby")
    assert db("destroy", "--yes").exit_code == 0
    assert list(db.home.iterdir()) == []


@pytest.mark.slow
def test_passwords_are_in_no_arguments_and_no_readable_file(cluster):
    cluster.start()
    standby = Follower(cluster)
    try:
        password = cluster.password_of("wattledger_replication")
        assert password != cluster.password_of("postgres")
        holds = [
            path
            for path in standby.cluster.directory.rglob("*")
            if path.is_file() and password.encode() in path.read_bytes()
        ]
        assert [path.name for path in holds] == ["replication.pass"]
        assert holds[0].stat().st_mode & 0o077 == 0
        # that login copies, and reads no table
        login = f"postgresql://wattledger_replication:{password}@127.0.0.1:{cluster.status().port}"
        with psycopg.connect(f"{login}/wattledger") as connection:
            assert connection.info.user == "wattledger_replication"
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("SELECT rolpassword FROM pg_authid")
    finally:
        standby.destroy()


@pytest.mark.slow
def test_a_primary_that_runs_is_not_replaced_unless_that_is_forced(cluster):
    cluster.start()
    standby = Follower(cluster)
    query(cluster, "CREATE TABLE t (n integer)")
    port = cluster.status().port

    with pytest.raises(EmbeddedError, match="the primary runs"):
        standby.promote()
    query(cluster, "INSERT INTO t VALUES (1)")

    former = standby.promote(force=True)
    assert rows(cluster) == [(1,)], "what was written before it was stopped is there"
    assert (cluster.status().port, former.exists(), standby.exists) == (port, True, False)
    query(cluster, "INSERT INTO t VALUES (2)")


@pytest.mark.slow
def test_a_killed_primary_is_replaced_at_its_port_and_waits_for_nobody(cluster):
    cluster.start()
    standby = Follower(cluster)
    port = cluster.status().port
    query(cluster, "CREATE TABLE t (n integer)")
    standby.set_synchronous(True)
    query(cluster, "INSERT INTO t VALUES (1)")
    kill(cluster)

    standby.promote()

    assert cluster.status().port == port
    assert query(cluster, SETTING) == [("",)]
    assert rows(cluster) == [(1,)]
    # the next one follows it as the last one did
    again = Follower(cluster)
    again.set_synchronous(True)
    query(cluster, "INSERT INTO t VALUES (2)")
    again.catch_up()
    assert rows(again.cluster) == [(1,), (2,)]
    kill(cluster)
    again.promote()
    assert rows(cluster) == [(1,), (2,)]
    assert query(cluster, SETTING) == [("",)], "also where it was made of a synchronous primary"


@pytest.mark.slow
def test_a_promotion_that_was_interrupted_starts_no_empty_database(cluster):
    cluster.start()
    query(cluster, "CREATE TABLE t (n integer)")
    standby = Follower(cluster)
    standby.catch_up()
    kill(cluster)
    # so far it came
    data = cluster.directory / "data"
    data.rename(data.with_name("data.former-20260101T000000Z"))
    query(standby.cluster, "SELECT pg_promote()")

    with pytest.raises(EmbeddedError, match="repeat `wattledger db promote`"):
        cluster.start()

    Standby(cluster).promote()
    assert rows(cluster) == []


@pytest.mark.slow
def test_a_promotion_that_cannot_be_leaves_the_primary_where_it_was(cluster):
    cluster.start()
    query(cluster, "CREATE TABLE t (n integer)")
    standby = Follower(cluster)
    standby.stop()
    (standby.cluster.directory / "data/PG_VERSION").unlink()
    kill(cluster)

    with pytest.raises(EmbeddedError, match="holds no PostgreSQL data"):
        standby.promote()

    cluster.start()
    assert rows(cluster) == []


@pytest.mark.slow
def test_a_standby_that_was_away_for_too_long_is_told_so_and_made_anew(directory):
    small = {"shared_buffers": "32MB", "max_wal_size": "32MB", "max_slot_wal_keep_size": "16MB"}
    cluster = Cluster(directory / "cluster", port=0, settings=small)
    cluster.start()
    try:
        standby = Follower(cluster)
        standby.stop()
        query(cluster, "CREATE TABLE t (n integer)")
        for number in range(6):
            query(cluster, f"INSERT INTO t VALUES ({number})")
            query(cluster, "SELECT pg_switch_wal()")
        query(cluster, "CHECKPOINT")
        standby.start()
        with pytest.raises(EmbeddedError, match="--remove"):
            standby.wait_until_streaming()
        standby.remove()
        assert query(cluster, "SELECT count(*) FROM pg_replication_slots") == [(0,)]
        again = Follower(cluster)
        assert rows(again.cluster) == [(number,) for number in range(6)]
        again.stop()
    finally:
        cluster.stop()
