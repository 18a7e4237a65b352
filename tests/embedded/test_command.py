"""`wattledger db`, as a person calls it."""

from __future__ import annotations


def test_a_whole_life_from_start_to_destroy(db):
    assert db("status").exit_code == 3

    assert db("start").exit_code == 0
    assert db("status").exit_code == 0
    assert db.psql("-Atc", "SELECT 6 * 7") == "42\n"
    assert db("url").stdout.startswith("postgresql://postgres:")
    assert "//wattledger_service:" in db("url", "--role", "wattledger_service").stdout

    assert db("stop").exit_code == 0
    stopped = db("status")
    assert (stopped.exit_code, stopped.stdout.split(":")[0]) == (3, "stopped")

    assert db("destroy").exit_code == 1, "nobody was there to confirm it"
    assert db("destroy", "--yes").exit_code == 0
    assert list(db.home.iterdir()) == []


def test_an_error_is_one_message_without_a_traceback(db):
    told = db("url")

    assert told.exit_code == 1
    assert told.stderr.startswith("Error: the embedded database does not run: start it")
    assert "Traceback" not in told.stderr


def test_database_url_is_used_and_neither_started_nor_stopped_nor_destroyed(db, started_cluster):
    given = {"DATABASE_URL": started_cluster.url()}

    assert "none is started" in db("start", **given).stdout
    assert list(db.home.iterdir()) == []
    assert db("url", **given).stdout.strip() == given["DATABASE_URL"]
    assert db("status", **given).exit_code == 0
    for command in (["stop"], ["destroy", "--yes"]):
        refused = db(*command, **given)
        assert refused.exit_code == 1
        assert "not ours" in refused.stderr
    assert started_cluster.status().running


def test_status_of_a_database_url_that_does_not_answer_is_stopped(db):
    told = db("status", DATABASE_URL="postgresql://somebody:secret@127.0.0.1:1/nothing")

    assert told.exit_code == 3
    assert "secret" not in told.stdout + told.stderr
