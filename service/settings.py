"""Settings from the environment, with their defaults."""

import os
from ipaddress import ip_address
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

_PREFIX = "WATTLEDGER_"

Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
Minutes = Annotated[float, Meta(gt=0)]
Milliseconds = Annotated[float, Meta(gt=0)]


class SettingsError(Exception):
    """A setting in the environment cannot be used; the message names it."""


def _workers() -> int:
    """One per core, four at most: only a large database has use for more."""
    return min(os.cpu_count() or 1, 4)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the service; each is read from WATTLEDGER_ and its name in capitals."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 3000
    root_path: str = ""
    trusted_proxies: str = ""
    metrics_address: str = ""
    workers: Positive = msgspec.field(default_factory=_workers)
    max_body_bytes: Positive = 8 * 1024 * 1024
    max_readings: Positive = 20_000
    body_timeout_seconds: Seconds = 30.0
    queue_readings: Positive = 100_000
    queue_bytes: Positive = 64 * 1024 * 1024
    group_readings: Positive = 5_000
    writers: Positive = 2
    write_timeout_seconds: Seconds = 15.0
    read_connections: Positive = 4
    read_timeout_seconds: Seconds = 15.0
    maintenance_minutes: Minutes = 60.0
    keys: Literal["required", "off"] = "required"
    key_cache_seconds: Seconds = 5.0
    access_log: bool = True
    log_format: Literal["text", "json"] = "text"
    slow_milliseconds: Milliseconds = 1000.0


def load() -> Settings:
    """Read the settings from the environment; raise SettingsError naming the one that is wrong."""
    given = {
        field.name: os.environ[_PREFIX + field.name.upper()]
        for field in msgspec.structs.fields(Settings)
        if _PREFIX + field.name.upper() in os.environ
    }
    try:
        return msgspec.convert(given, Settings, strict=False)
    except msgspec.ValidationError as error:
        text = str(error)
        name = text.rpartition("$.")[2].rstrip("`") if "$." in text else ""
        raise SettingsError(
            f"{_PREFIX}{name.upper()}={given.get(name, '')!r} cannot be used: {text}"
        ) from error


def check_keys(settings: Settings) -> None:
    """Raise SettingsError where whoever reaches this machine could do without a key."""
    if settings.keys == "required":
        return
    if not _is_loopback(settings.host):
        raise SettingsError(
            f"{_PREFIX}KEYS=off lets everyone in who can reach {settings.host}: without keys the"
            " service listens on 127.0.0.1 only"
        )
    if settings.root_path or settings.trusted_proxies:
        raise SettingsError(
            f"{_PREFIX}KEYS=off lets everyone in who can reach the proxy: without keys there must"
            " be none"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def database_url() -> str | None:
    """The database to use, or None where the environment names none."""
    return os.environ.get("DATABASE_URL") or None


def read_database_url() -> str | None:
    """Where reads go: a replica if the environment names one, else the database itself."""
    return os.environ.get("READ_DATABASE_URL") or database_url()
