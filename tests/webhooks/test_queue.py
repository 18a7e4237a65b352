"""Queue of deliveries: what is told to whom, in which order, how often, and until when."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.webhooks.conftest import Connection, Ledger

SHORT = [10, 60, 600, 3600, 3 * 3600]
PAUSES = [timedelta(seconds=seconds) for seconds in [*SHORT, *[6 * 3600] * 12]]


@given(message=st.binary(max_size=300), secret=st.binary(max_size=150))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_hmac_is_that_of_python(
    shared_connection: Connection, message: bytes, secret: bytes
) -> None:
    row = shared_connection.execute(
        "SELECT telemetry.hmac_sha256(%s, %s)", [message, secret]
    ).fetchone()
    assert row == (hmac.digest(secret, message, hashlib.sha256),)


def signature(secret: str, claimed: dict[str, Any]) -> str:
    """What a receiver computes."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{claimed['message_id']}.{claimed['signed_at']}.{claimed['body']}"
    return "v1," + base64.b64encode(hmac.digest(key, signed.encode(), "sha256")).decode()


def test_a_change_is_queued_with_the_alert_as_it_is_then(ledger: Ledger) -> None:
    secret = ledger.webhook()
    alert_id = ledger.alert(lostKwh=12.5, note="Ärger")
    (claimed,) = ledger.claim()
    body = json.loads(claimed["body"])
    assert (claimed["attempt"], claimed["url"]) == (1, "https://hooks.example/x")
    assert body["id"] == claimed["message_id"] == f"alert_change_{claimed['change_id']}"
    assert body["type"] == "alert.opened"
    data = body["data"]
    assert data["detail"] == {"lostKwh": 12.5, "note": "Ärger"}
    assert data["since"] == "2026-01-31T12:00:00.000000Z"
    assert data["links"] == {
        "alert": f"/v1/alerts/{alert_id}",
        "acknowledge": f"/v1/alerts/{alert_id}/acknowledge",
    }
    wanted = {"kind": "degraded", "meterId": "M-1", "vehicleId": None, "severity": "warning"}
    wanted |= {"lostKwh": 12.5}
    wanted |= {"alertId": alert_id, "cause": "wiring", "change": "opened", "changedBy": None}
    assert wanted.items() <= data.items()
    assert claimed["signatures"] == signature(secret, claimed)


def test_what_a_change_says_of_the_alert_holds_from_then_on(ledger: Ledger) -> None:
    ledger.webhook(severities=["critical"])
    alert_id = ledger.alert()
    ledger.change(
        alert_id,
        "worsened",
        severity="critical",
        since="2026-02-01T00:00:00+02:00",
        cause="vehicle",
    )
    ledger.change(alert_id, "closed", severity="critical", since="sometime")
    worsened, closed = ledger.deliveries()
    assert (worsened["change"], closed["change"]) == ("worsened", "closed")
    (claimed,) = ledger.claim()
    data = json.loads(claimed["body"])["data"]
    assert (data["severity"], data["since"]) == ("critical", "2026-01-31T22:00:00.000000Z")
    assert data["cause"] == "vehicle"


def test_who_was_told_of_an_alert_is_told_how_it_ends_however_severe_it_is_then(
    ledger: Ledger,
) -> None:
    ledger.webhook(severities=["critical"])
    for alert_id in (ledger.alert(severity="critical"), ledger.alert()):
        ledger.change(alert_id, "worsened", severity="critical")
        ledger.change(alert_id, "revised", severity="warning")
        ledger.change(alert_id, "closed", severity="warning")
    ledger.change(ledger.alert(), "closed", severity="warning")
    told = [row["change"] for row in ledger.deliveries()]
    assert told == ["opened", *["worsened", "revised", "closed"] * 2]


def test_an_acknowledged_alert_is_told_as_it_is_then(ledger: Ledger) -> None:
    alert_id = ledger.alert()
    ledger.connection.execute(
        "INSERT INTO telemetry.open_alert VALUES"
        " ('degraded', 'M-1', '', %s, 'critical', '2026-01-30 06:00+00', 'vehicle')",
        [alert_id],
    )
    ledger.webhook(severities=["critical"])
    ledger.change(alert_id, "acknowledged")
    (claimed,) = ledger.claim()
    data = json.loads(claimed["body"])["data"]
    assert (data["severity"], data["cause"]) == ("critical", "vehicle")
    assert data["since"] == "2026-01-30T06:00:00.000000Z"


def test_each_webhook_is_told_what_it_asks_for(ledger: Ledger) -> None:
    ledger.webhook("all")
    ledger.webhook("kinds", kinds=["silent", "frozen"])
    ledger.webhook("severe", severities=["critical"])
    ledger.webhook("ends", changes=["closed"])
    ledger.webhook("off", enabled=False)
    silent = ledger.alert("silent", "critical")
    ledger.alert("degraded")
    ledger.change(silent, "closed")
    told = [(row["webhook"], row["kind"], row["change"]) for row in ledger.deliveries()]
    assert told == [
        ("all", "silent", "opened"),
        ("all", "degraded", "opened"),
        ("all", "silent", "closed"),
        ("ends", "silent", "closed"),
        ("kinds", "silent", "opened"),
        ("kinds", "silent", "closed"),
        ("severe", "silent", "opened"),
        ("severe", "silent", "closed"),
    ]


def test_changes_that_commit_out_of_order_are_all_queued(ledger: Ledger, database_url: str) -> None:
    ledger.webhook()
    alerts = [ledger.alert() for _ in range(2)]
    with psycopg.connect(database_url) as slow:
        first = Ledger(slow).change(alerts[0], "closed")
        second = ledger.change(alerts[1], "closed")
        assert second > first
        seen = {row["change_id"] for row in ledger.claim(per_webhook=9)}
        slow.commit()
    assert first not in seen
    queued = {row["change_id"] for row in ledger.deliveries()}
    assert {first, second} <= queued
    assert len(queued) == 4


def test_an_alert_that_is_rolled_back_is_told_to_nobody(ledger: Ledger) -> None:
    ledger.webhook()
    with ledger.connection.transaction(force_rollback=True):
        ledger.alert()
        assert len(ledger.deliveries()) == 1
    assert ledger.deliveries() == []


def test_alerts_change_while_a_webhook_is_being_removed(ledger: Ledger, database_url: str) -> None:
    ledger.webhook()
    with psycopg.connect(database_url) as other:
        other.execute("SELECT ops.remove_webhook('pager')")
        ledger.connection.execute("SET lock_timeout = '2s'")
        ledger.alert()
        other.commit()
    assert ledger.claim() == []
    assert ledger.connection.execute("SELECT api.forget_webhook_deliveries()").fetchone() == (1,)
    assert ledger.deliveries() == []


def test_an_alert_is_opened_before_it_is_closed(ledger: Ledger) -> None:
    ledger.webhook()
    first = ledger.alert()
    ledger.change(first, "closed")
    other = ledger.alert("silent")
    opened, others = ledger.claim()
    assert [json.loads(one["body"])["data"]["alertId"] for one in (opened, others)] == [
        first,
        other,
    ]
    ledger.note(opened, 500, error="status 500")
    ledger.let_pass("4 seconds")
    assert ledger.claim() == []
    ledger.let_pass("9 seconds")
    (again,) = ledger.claim()
    assert (again["change_id"], again["attempt"]) == (opened["change_id"], 2)
    # the same message, signed anew
    assert (again["message_id"], again["body"]) == (opened["message_id"], opened["body"])
    assert ledger.note(again, 200) == "delivered"
    (closed,) = ledger.claim()
    assert json.loads(closed["body"])["type"] == "alert.closed"


def test_what_comes_after_has_its_turn_with_what_comes_first(ledger: Ledger) -> None:
    ledger.webhook()
    alert_id = ledger.alert()
    ledger.change(alert_id, "worsened")
    (opened,) = ledger.claim()
    ledger.note(opened, 503, error="status 503", retry_after=7200)
    closed = ledger.change(alert_id, "closed")
    first, second, third = (row["next_attempt_at"] for row in ledger.deliveries())
    assert first == second == third
    # as soon as it is delivered after all, whatever its pause was
    ledger.connection.execute(
        "SELECT ops.retry_webhook_delivery('pager', %s)", [opened["change_id"]]
    )
    (again,) = ledger.claim()
    ledger.note(again, 200)
    (worsened,) = ledger.claim()
    ledger.note(worsened, 200)
    (last,) = ledger.claim()
    assert last["change_id"] == closed


def test_what_is_dead_holds_up_nothing(ledger: Ledger) -> None:
    ledger.webhook()
    ledger.change(ledger.alert(), "closed")
    (opened,) = ledger.claim()
    ledger.connection.execute(
        "UPDATE telemetry.webhook_delivery SET attempts = 18 WHERE attempts = 1"
    )
    assert ledger.note({**opened, "attempt": 18}, 500, error="status 500") == "dead"
    (closed,) = ledger.claim()
    assert json.loads(closed["body"])["type"] == "alert.closed"


def test_pauses_grow_to_six_hours_and_end_after_three_days(ledger: Ledger) -> None:
    ledger.webhook()
    ledger.alert()
    waited = timedelta()
    for number, pause in enumerate([*PAUSES, None], 1):
        (claimed,) = ledger.claim()
        assert claimed["attempt"] == number
        state = ledger.note(claimed, 503, error="status 503")
        (row,) = ledger.deliveries()
        if pause is None:
            assert state == row["state"] == "dead"
        else:
            assert state == row["state"] == "pending"
            until = row["next_attempt_at"] - row["attempted_at"]
            # a fifth by chance; both are stored by the clock of their transactions
            assert pause <= until < 1.2 * pause + timedelta(seconds=5)
            waited += until
            assert ledger.claim() == []
            ledger.let_pass(f"{until.total_seconds()} seconds")
    assert timedelta(days=3) < waited < timedelta(days=4)
    assert ledger.claim() == []
    dead = ledger._rows("SELECT * FROM bi.webhook_dead_letter")
    assert [(row["attempts"], row["last_status"], row["last_error"]) for row in dead] == [
        (18, 503, "status 503")
    ]


@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [(None, 10, 17), (5, 10, 17), (300, 300, 305), (1e12, 86_400, 86_405), (-1, 10, 17)],
)
def test_a_receiver_may_ask_for_a_longer_pause(
    ledger: Ledger, asked: float | None, least: float, most: float
) -> None:
    ledger.webhook()
    ledger.alert()
    (claimed,) = ledger.claim()
    ledger.note(claimed, 429, error="status 429", retry_after=asked)
    (row,) = ledger.deliveries()
    until = row["next_attempt_at"] - row["attempted_at"]
    assert timedelta(seconds=least) <= until <= timedelta(seconds=most)


def test_what_a_sender_that_died_had_claimed_is_due_again_after_its_lease(ledger: Ledger) -> None:
    ledger.webhook()
    ledger.alert()
    (lost,) = ledger.claim()
    ledger.let_pass("30 seconds")
    assert ledger.claim() == []
    ledger.let_pass("30 seconds")
    (again,) = ledger.claim()
    assert (again["message_id"], again["attempt"]) == (lost["message_id"], 2)
    # whoever was only slow cannot undo what another one is at
    assert ledger.note(lost, 500, error="status 500") is None
    assert ledger.states() == ["pending"]
    # unless it has arrived
    assert ledger.note(lost, 200) == "delivered"
    assert ledger.note(again, 500, error="status 500") is None
    assert ledger.note(again, 200) is None
    assert ledger.states() == ["delivered"]


def test_what_kills_every_sender_ends_too(ledger: Ledger) -> None:
    ledger.webhook()
    ledger.alert()
    for _ in range(18):
        assert len(ledger.claim()) == 1
        ledger.let_pass("1 minute")
    assert ledger.claim() == []
    (row,) = ledger.deliveries()
    assert (row["state"], row["last_error"]) == ("dead", "no sender has told what became of it")


def test_so_many_of_a_webhook_run_at_once_whoever_sends(ledger: Ledger) -> None:
    ledger.webhook("one")
    ledger.webhook("two")
    for _ in range(5):
        ledger.alert()
    first = ledger.claim(per_webhook=2)
    assert [one["webhook_id"] for one in first] == ["one", "one", "two", "two"]
    assert ledger.claim(per_webhook=2) == []
    assert ledger.claim(per_webhook=0) == []
    ledger.note(first[0], 200)
    (more,) = ledger.claim(per_webhook=2)
    assert more["webhook_id"] == "one"


def test_nothing_is_claimed_twice_by_senders_that_claim_together(
    ledger: Ledger, database_url: str
) -> None:
    for name in ("one", "two", "three"):
        ledger.webhook(name)
    for _ in range(40):
        ledger.alert()
    claimed: list[list[tuple[str, int]]] = [[] for _ in range(4)]
    start = threading.Barrier(4)

    def claim_all(mine: list[tuple[str, int]]) -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            own = Ledger(connection)
            start.wait()
            for _ in range(30):
                for one in own.claim(per_webhook=3):
                    mine.append((one["webhook_id"], one["change_id"]))
                    own.note(one, 200)

    threads = [threading.Thread(target=claim_all, args=(mine,)) for mine in claimed]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while left := ledger.claim():
        claimed[0] += [(one["webhook_id"], one["change_id"]) for one in left]
        for one in left:
            ledger.note(one, 200)
    every = [one for mine in claimed for one in mine]
    assert len(every) == len(set(every)) == 120


def test_a_receiver_that_is_gone_is_told_nothing_more(ledger: Ledger) -> None:
    ledger.webhook()
    ledger.alert()
    ledger.alert("silent")
    gone, other = ledger.claim()
    assert ledger.note(gone, 410, error="status 410") == "dead"
    assert ledger.note(other, 500, error="status 500") == "pending"
    ledger.let_pass("1 hour")
    ledger.alert("frozen")
    assert ledger.claim() == []
    assert ledger.states() == ["dead", "pending"]
    row = ledger._rows("SELECT enabled, disabled_because FROM ops.webhooks")
    assert row == [{"enabled": False, "disabled_because": "the receiver answered 410: it is gone"}]
    # what waits goes on once somebody says so
    ledger.webhook(url="https://new.example/")
    (again,) = ledger.claim()
    assert (again["change_id"], again["url"]) == (other["change_id"], "https://new.example/")


def test_dead_letters_are_tried_anew_when_somebody_says_so(ledger: Ledger) -> None:
    ledger.webhook()
    ledger.alert()
    ledger.alert("silent")
    retry: Callable[..., Any] = lambda *given: ledger.connection.execute(  # noqa: E731
        "SELECT ops.retry_webhook_delivery('pager', %s)", given
    ).fetchone()
    first, second = ledger.claim()
    ledger.connection.execute("UPDATE telemetry.webhook_delivery SET attempts = 18")
    for one in (first, second):
        assert ledger.note({**one, "attempt": 18}, None, error="no connection") == "dead"
    assert retry(first["change_id"]) == (1,)
    (again,) = ledger.claim()
    assert (again["change_id"], again["attempt"]) == (first["change_id"], 1)
    ledger.note(again, 500, error="status 500")
    assert ledger.claim() == []
    assert retry(first["change_id"]) == (1,)
    (again,) = ledger.claim()
    assert (again["change_id"], again["attempt"]) == (first["change_id"], 2)
    ledger.note(again, 200)
    assert retry(first["change_id"]) == (0,)
    assert retry(None) == (1,)
    assert [one["change_id"] for one in ledger.claim()] == [second["change_id"]]


def test_what_is_old_is_forgotten_and_what_waits_is_not(ledger: Ledger) -> None:
    ledger.webhook()
    ledger.webhook("off")
    ledger.alert()
    ledger.alert("silent")
    ledger.webhook("off", enabled=False)
    delivered, _waits = ledger.claim()
    ledger.note(delivered, 200)
    forget = "SELECT api.forget_webhook_deliveries()"
    ledger.let_pass("719 hours")
    assert ledger.connection.execute(forget).fetchone() == (0,)
    ledger.let_pass("2 hours")
    assert ledger.connection.execute("SELECT api.forget_webhook_deliveries(1)").fetchone() == (1,)
    assert ledger.connection.execute(forget).fetchone() == (2,)
    assert [(row["webhook"], row["state"]) for row in ledger.deliveries()] == [("pager", "pending")]


def test_both_secrets_sign_while_the_receiver_changes_over(ledger: Ledger) -> None:
    old = ledger.webhook()
    ledger.alert()
    assert ledger.webhook(kinds=["degraded"]) is None
    new = ledger.webhook(new_secret=True, overlap=timedelta(hours=2))
    assert new != old
    ledger.let_pass("119 minutes")
    (claimed,) = ledger.claim()
    assert claimed["signatures"].split() == [signature(new, claimed), signature(old, claimed)]
    ledger.let_pass("1 minute")
    (claimed,) = ledger.claim()
    assert claimed["signatures"] == signature(new, claimed)
    ledger.connection.execute("SELECT api.forget_webhook_deliveries()")
    row = ledger.connection.execute("SELECT former_secret FROM telemetry.webhook").fetchone()
    assert row == (None,)


@pytest.mark.parametrize(
    "given",
    [
        {"name": "Pager"},
        {"name": ""},
        {"name": "x" * 64},
        {"url": "ftp://example.org/"},
        {"url": "https://user:password@example.org/"},
        {"url": "https://example.org/#part"},
        {"url": "https://example.org/a b"},
        {"url": "https://example.org/ä"},
        {"url": "https://exa mple.org/"},
        {"url": "https://example.org/" + "x" * 2000},
        {"url": "https://example.org\r\nX: y"},
        {"url": "https://"},
        {"url": None},
        {"kinds": ["degradet"]},
        {"severities": ["warn"]},
        {"changes": ["open"]},
        {"overlap": timedelta(days=366)},
        {"overlap": timedelta(days=-1)},
    ],
)
def test_a_webhook_that_cannot_be_kept_is_refused_and_none_of_its_secret_told(
    ledger: Ledger, given: dict[str, Any]
) -> None:
    ledger.webhook()
    with pytest.raises(psycopg.DatabaseError) as refused:
        ledger.webhook(**given)
    assert refused.value.sqlstate == "WL080"
    assert "x" * 20 not in str(refused.value)
    assert "\\x" not in f"{refused.value}{refused.value.diag.message_detail}"


def test_there_are_so_many_webhooks_at_most(ledger: Ledger) -> None:
    for number in range(32):
        ledger.webhook(f"w{number}")
    with pytest.raises(psycopg.DatabaseError, match="32 webhooks"):
        ledger.webhook("one-more")
    ledger.webhook("w7", url="https://changed.example/")


@pytest.mark.parametrize(
    "call",
    ["remove_webhook('x')", "retry_webhook_delivery('x')", "test_webhook('x')"],
)
def test_a_webhook_that_is_not_there_is_named(connection: Connection, call: str) -> None:
    with pytest.raises(psycopg.DatabaseError, match="there is no webhook x") as refused:
        connection.execute(f"SELECT ops.{call}")
    assert refused.value.sqlstate == "WL081"


def test_tests_are_delivered_as_any_other_and_told_apart(ledger: Ledger) -> None:
    ledger.webhook()
    numbers = [
        ledger.connection.execute("SELECT ops.test_webhook('pager')").fetchone() for _ in range(2)
    ]
    assert numbers == [(-1,), (-2,)]
    claimed = ledger.claim()
    messages = [json.loads(one["body"]) for one in claimed]
    assert {message["type"] for message in messages} == {"webhook.test"}
    assert len({one["message_id"] for one in claimed}) == 2
