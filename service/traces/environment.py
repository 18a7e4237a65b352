"""OpenTelemetry's own variables in the environment, as far as they decide whether spans are sent.

Its library reads them, and all others. What cannot be used is found before the service starts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from service.settings import SettingsError

if TYPE_CHECKING:
    from service.traces.tracing import Tracing

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"
_PACKAGES = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http")
# of spans that wait, and of those that are sent together: the library's own defaults
_QUEUE = ("OTEL_BSP_MAX_QUEUE_SIZE", 2048)
_BATCH = ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)
_DELAY = ("OTEL_BSP_SCHEDULE_DELAY", 5000)


def tracing() -> Tracing | None:
    """What sends spans to the collector, not started yet; None where none is set.

    Raises SettingsError where one is set and cannot be used.
    """
    if not _is_wanted(os.environ):
        return None
    check_traces()
    # not before: it costs memory, and time at the start
    from service.traces.tracing import Tracing

    return Tracing()


def check_traces(environment: Mapping[str, str] | None = None) -> None:
    """Raise SettingsError where spans are wanted and could not be sent."""
    given = os.environ if environment is None else environment
    if not _is_wanted(given):
        return
    endpoint, url = _first(given, _ENDPOINTS)
    if not _is_url(url):
        # not the value, which may hold a password
        raise SettingsError(f"{endpoint} cannot be used: give it like http://collector:4318")
    protocol, chosen = _first(given, _PROTOCOLS)
    if chosen and chosen != _PROTOCOL:
        raise SettingsError(
            f"{protocol}={chosen!r} cannot be used: spans are sent by {_PROTOCOL}, which collectors"
            " take on port 4318"
        )
    if _number(given, *_BATCH) > _number(given, *_QUEUE):
        raise SettingsError(f"{_BATCH[0]} cannot be used: it is larger than {_QUEUE[0]}")
    _number(given, *_DELAY)
    missing = [package for package in _PACKAGES if not _is_installed(package)]
    if missing:
        raise SettingsError(
            f"{endpoint} is set, but {' and '.join(missing)} is not installed:"
            " pip install 'wattledger[traces]', or set OTEL_SDK_DISABLED=true"
        )


def _is_wanted(given: Mapping[str, str]) -> bool:
    exporters = given.get("OTEL_TRACES_EXPORTER") or "otlp"
    return (
        bool(_first(given, _ENDPOINTS)[1])
        and given.get("OTEL_SDK_DISABLED", "").strip().lower() != "true"
        and "otlp" in [name.strip() for name in exporters.split(",")]
    )


def _first(given: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str]:
    """The first variable that is set, and its value, which is empty where none is."""
    return next(
        ((name, given[name].strip()) for name in names if given.get(name)),
        (names[0], ""),
    )


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _number(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise SettingsError(f"{name}={text!r} cannot be used: give a whole number, 1 or more")
    return int(text)


def _is_installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True
