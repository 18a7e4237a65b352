"""Address of the buffer: which brokers and topic, and how they let in."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from service.settings import Settings, SettingsError

PASSWORD = "WATTLEDGER_BUFFER_PASSWORD"  # noqa: S105  the name of a variable
_FORM = "kafka://host:9092,host2:9092/topic"
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_URL = re.compile(rf"kafka://([^/@\s]+)/({_TOPIC.pattern})")
# a port for those that name none; IPv6 addresses are in brackets
_WITH_PORT = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\[\]:,]+):\d{1,5}")
_DEFAULT_PORT = 9092
_GATEWAY_TOPIC = "WATTLEDGER_GATEWAY_TOPIC"

_quiet = logging.getLogger(f"{__name__}.client")
_quiet.setLevel(logging.CRITICAL)


class BufferUnusable(Exception):
    """The brokers do not let in, or the client cannot go on."""


class Address:
    """Brokers, topics, and the settings of their clients."""

    def __init__(self, settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
        """`environment` has the password, which is no setting: settings are shown.

        Raises SettingsError where the settings do not go together, or the client is missing."""
        if find_spec("confluent_kafka") is None:
            raise SettingsError(
                "WATTLEDGER_BUFFER needs the extra kafka: pip install 'wattledger[kafka]'"
            )
        found = _URL.fullmatch(settings.buffer)
        if found is None:
            # not what was given: it may hold a password
            raise SettingsError(
                f"WATTLEDGER_BUFFER cannot be used: its form is {_FORM}; a user and a password are"
                f" WATTLEDGER_BUFFER_USER and {PASSWORD}"
            )
        self.servers = ",".join(_completed(one) for one in found[1].split(","))
        self.topic = found[2]
        # where gateways put bodies themselves; None where they do not
        self.gateway_topic = _gateway_topic(settings.gateway_topic, self.topic)
        self.group = settings.buffer_group
        self._security = _security(settings, environment.get(PASSWORD))

    def client(self, name: str, **options: Any) -> dict[str, Any]:
        """The configuration of a client of librdkafka. It holds the password: never to be shown."""
        return {
            "bootstrap.servers": self.servers,
            "client.id": f"wattledger {name}",
            # what it says by itself is of connections; what counts is told by its errors
            "log_level": 2,
            "logger": _quiet,
            "topic.metadata.refresh.interval.ms": 30_000,
            # brokers that come back are found within seconds
            "reconnect.backoff.ms": 100,
            "reconnect.backoff.max.ms": 2_000,
            **self._security,
            **options,
        }


def check_buffer(settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
    """Raise SettingsError where there is to be a buffer, and it cannot be used so."""
    if settings.buffer:
        Address(settings, environment)
    elif settings.gateway_topic:
        raise SettingsError(
            f"{_GATEWAY_TOPIC} needs WATTLEDGER_BUFFER: its brokers have that topic, too"
        )


def _completed(server: str) -> str:
    if _WITH_PORT.fullmatch(server):
        return server
    if not server or _WITH_PORT.fullmatch(f"{server}:{_DEFAULT_PORT}") is None:
        raise SettingsError(f"WATTLEDGER_BUFFER cannot be used: its form is {_FORM}")
    return f"{server}:{_DEFAULT_PORT}"


def _gateway_topic(name: str, taken: str) -> str | None:
    if name and _TOPIC.fullmatch(name) is None:
        raise SettingsError(f"{_GATEWAY_TOPIC} cannot be used: it is not a topic's name")
    if name == taken:
        raise SettingsError(
            f"{_GATEWAY_TOPIC} cannot be used: it is the buffer's own topic, whose records are of"
            " another form"
        )
    return name or None


def _security(settings: Settings, password: str | None) -> dict[str, Any]:
    by_password = settings.buffer_sasl != "off"
    by_tls = settings.buffer_tls == "on"
    chosen: dict[str, Any] = {
        "security.protocol": ("sasl_" if by_password else "") + ("ssl" if by_tls else "plaintext")
    }
    if by_password:
        if not settings.buffer_user or not password:
            raise SettingsError(
                f"WATTLEDGER_BUFFER_SASL={settings.buffer_sasl} needs WATTLEDGER_BUFFER_USER and"
                f" {PASSWORD}"
            )
        chosen["sasl.mechanism"] = settings.buffer_sasl
        chosen["sasl.username"] = settings.buffer_user
        chosen["sasl.password"] = password
    for name, path, option in (
        ("CA_FILE", settings.buffer_ca_file, "ssl.ca.location"),
        ("CERTIFICATE_FILE", settings.buffer_certificate_file, "ssl.certificate.location"),
        ("KEY_FILE", settings.buffer_key_file, "ssl.key.location"),
    ):
        if path and not by_tls:
            raise SettingsError(f"WATTLEDGER_BUFFER_{name} needs WATTLEDGER_BUFFER_TLS=on")
        if path:
            chosen[option] = path
    return chosen
