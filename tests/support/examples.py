"""How many examples of a property a run tries: all, or fewer in the short run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

_SHORT = "short"
_SHORT_PERCENT = 40


def shorten() -> None:
    """Have fewer examples in the tests that are imported from now on."""
    settings.register_profile(_SHORT, settings.default)
    settings.load_profile(_SHORT)


def examples(count: int, **others: Any) -> Callable[[Any], Any]:
    """Settings of a property: so many examples in its long form, 40 % of them in the short run."""
    # how long anything takes is the machine's affair
    chosen = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], **others}
    if settings.get_current_profile_name() == _SHORT:
        return settings(max_examples=count * _SHORT_PERCENT // 100, **chosen)

    def long(test: Any) -> Any:
        return pytest.mark.slow(settings(max_examples=count, **chosen)(test))

    return long
