"""Tests of traces know no collector but their own."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def _no_other_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
