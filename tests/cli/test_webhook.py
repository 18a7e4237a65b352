"""`wattledger webhook`, as a user meets it."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from service.cli import main
from tests.support.process import end
from tests.support.receiver import answers, receiving
from tests.webhooks.test_sender import REACHED, start_deliver


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, ["webhook", *arguments], env=environment)


def test_a_webhook_is_made_changed_listed_and_removed(database_url: str) -> None:
    given: dict[str, str] = {"DATABASE_URL": database_url}
    made = run("set", "pager", "https://hooks.example/x", **given)
    assert made.exit_code == 0
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=\n", made.stdout)
    assert "not shown again" in made.stderr
    changed = run(
        *("set", "pager", "https://hooks.example/y", "--severity", "critical"),
        *("--kind", "silent", "--kind", "frozen", "--change", "opened", "--disabled"),
        **given,
    )
    assert (changed.exit_code, changed.stdout) == (0, "")
    listed = run("list", **given).stdout
    assert listed.split("\n")[1].split() == [
        *("pager", "disabled", "https://hooks.example/y", "silent,frozen", "critical", "opened"),
        *("0", "0", "-"),
    ]
    assert made.stdout.strip() not in listed
    renewed = run("set", "pager", "https://hooks.example/y", "--new-secret", **given)
    assert renewed.stdout not in ("", made.stdout)
    assert run("remove", "pager", **given).exit_code == 0
    gone = run("remove", "pager", **given)
    assert gone.exit_code == 1
    assert gone.stderr == "Error: there is no webhook pager. ops.webhooks lists them.\n"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://hooks.example/", "set WATTLEDGER_WEBHOOK_HTTP=on"),
        ("https://user:password@hooks.example/", "its address cannot be used"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(database_url: str, url: str, told: str) -> None:
    refused = run("set", "pager", url, DATABASE_URL=database_url)
    assert refused.exit_code == 1
    assert told in refused.stderr
    assert "password" not in refused.stderr


def test_a_test_tells_what_the_receiver_answered_and_what_is_dead_can_be_tried_again(
    database_url: str, service_url: str, tmp_path: Path
) -> None:
    given = {"DATABASE_URL": database_url, **REACHED}
    with receiving() as receiver:
        assert run("set", "pager", receiver.url, **given).exit_code == 0
        sender = start_deliver(service_url, tmp_path / "log")
        try:
            good = run("test", "pager", **given)
            assert (good.exit_code, good.stdout) == (0, "delivered: status 204\n")
            receiver.answer = answers(404, b"no such hook")
            bad = run("test", "pager", **given)
            assert bad.exit_code == 1
            assert bad.stderr == "Error: not delivered: status 404: no such hook\n"
        finally:
            end(sender)
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(
                "UPDATE telemetry.webhook_delivery SET state = 'dead', ended_at = now()"
                " WHERE state = 'pending'"
            )
        dead = run("list", "--dead", **given).stdout
        assert "status 404: no such hook" in dead
        anew = run("retry", "pager", **given)
        assert anew.stdout == "1 delivered anew\n"
        receiver.answer = answers(200)
        assert run("deliver", "--once", **{**given, "DATABASE_URL": service_url}).exit_code == 0
        assert [request.message["type"] for request in receiver.received] == ["webhook.test"] * 3
