"""docs/webhooks.md: its example verifies what is sent, and its message is like one that is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.documents import DOCS
from tests.support.receiver import receiving
from tests.webhooks.conftest import Ledger

TEXT = (DOCS / "webhooks.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    return found


def shape(value: Any) -> Any:
    """The names in a message, without what they stand for."""
    return {name: shape(inner) for name, inner in value.items()} if isinstance(value, dict) else 0


def test_the_example_verifies_a_request_and_refuses_any_other(
    ledger: Ledger, deliver: Callable[[], None]
) -> None:
    names: dict[str, Any] = {}
    exec(compile(block("python"), "docs/webhooks.md", "exec"), names)  # noqa: S102  the document's
    verify = names["verify"]
    with receiving() as receiver:
        secret = ledger.webhook(url=receiver.url)
        ledger.alert(note="Ärger")
        deliver()
        (request,) = receiver.received
    verify(secret, request.headers, request.body)
    # what there is in detail depends on the kind and the change
    sent, shown = (
        {**one["data"], "detail": 0} for one in (request.message, json.loads(block("json")))
    )
    assert shape(sent) == shape(shown)
    assert set(request.message) == set(json.loads(block("json")))
    other = ledger.webhook("other", enabled=False)
    old = {**request.headers, "webhook-timestamp": "1795816034"}
    moved = {**request.headers, "webhook-id": "alert_change_0"}
    for wrong in (
        (other, request.headers, request.body),
        (secret, request.headers, request.body + b" "),
        (secret, moved, request.body),
        (secret, old, request.body),
    ):
        with pytest.raises(ValueError, match=r"the (signature|request) is"):
            verify(*wrong)
    # while the secret is replaced either of both will do
    with receiving() as receiver:
        new = ledger.webhook(url=receiver.url, new_secret=True)
        ledger.alert("silent")
        deliver()
        (request,) = receiver.received
    for one in (new, secret):
        verify(one, request.headers, request.body)
