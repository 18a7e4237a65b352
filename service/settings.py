"""Settings from the environment, with their defaults."""

import os
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta, inspect

PREFIX = "WATTLEDGER_"

# what is beyond these bounds is a slip of the pen, and would break elsewhere
Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
Processes = Annotated[int, Meta(ge=1, le=1024)]
Bytes = Annotated[int, Meta(ge=1, le=2**40)]
Seconds = Annotated[float, Meta(gt=0, le=604_800)]
Minutes = Annotated[float, Meta(gt=0, le=10_080)]
Milliseconds = Annotated[float, Meta(gt=0, le=86_400_000)]


class SettingsError(Exception):
    """A setting in the environment cannot be used; the message names it."""


def _workers() -> int:
    """One per core, four at most: only a large database has use for more."""
    return min(os.cpu_count() or 1, 4)


def _about(text: str) -> Meta:
    return Meta(description=text)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the service; each is read from WATTLEDGER_ and its name in capitals.

    Its type says what is allowed, and `_about` what it is for: `wattledger config` shows both.
    """

    host: Annotated[str, Meta(min_length=1), _about("Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535), _about("TCP port to listen on.")] = 3000
    root_path: Annotated[str, _about("Path before all others, behind a proxy.")] = ""
    trusted_proxies: Annotated[
        str, _about("Proxies that are believed, addresses and networks parted by commas.")
    ] = ""
    metrics_address: Annotated[
        str, _about("Address and port of the metrics, where they need no key; none if empty.")
    ] = ""
    workers: Annotated[Processes, _about("Processes that answer requests.")] = msgspec.field(
        default_factory=_workers
    )
    max_body_bytes: Annotated[Bytes, _about("Largest body.")] = 8 * 1024 * 1024
    max_readings: Annotated[Count, _about("Most readings in one body.")] = 20_000
    body_timeout_seconds: Annotated[Seconds, _about("Time for a body to arrive in.")] = 30.0
    queue_readings: Annotated[Count, _about("Readings of a worker that may wait.")] = 100_000
    queue_bytes: Annotated[Bytes, _about("Bytes of a worker that may wait.")] = 64 * 1024 * 1024
    buffer: Annotated[
        str, _about("Kafka before the database: kafka://host:9092,host2:9092/topic; none if empty.")
    ] = ""
    gateway_topic: Annotated[
        str, _about("Topic beside the buffer's that gateways produce to themselves; none if empty.")
    ] = ""
    buffer_group: Annotated[
        str, Meta(min_length=1), _about("Group of the workers that store what the buffer holds.")
    ] = "wattledger"
    buffer_tls: Annotated[
        Literal["on", "off"], _about("Whether connections to the buffer are encrypted.")
    ] = "off"
    buffer_ca_file: Annotated[
        str, _about("Certificates that the buffer's are signed by; the system's if empty.")
    ] = ""
    buffer_certificate_file: Annotated[
        str, _about("Certificate by which the buffer knows this client; none if empty.")
    ] = ""
    buffer_key_file: Annotated[str, _about("Key of that certificate.")] = ""
    buffer_sasl: Annotated[
        Literal["off", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
        _about("How the buffer is told the user and WATTLEDGER_BUFFER_PASSWORD."),
    ] = "off"
    buffer_user: Annotated[str, _about("User of the buffer.")] = ""
    worker_metrics_address: Annotated[
        str,
        _about("Address and port of the metrics and health of `wattledger worker`; none if empty."),
    ] = ""
    buffer_keys_seconds: Annotated[
        Seconds, _about("With a buffer: how long keys count on while the database is away.")
    ] = 3600.0
    group_readings: Annotated[Count, _about("Most readings in one commit.")] = 5_000
    writers: Annotated[Processes, _about("Connections of a worker for live readings.")] = 2
    write_timeout_seconds: Annotated[Seconds, _about("Time for a commit.")] = 15.0
    read_connections: Annotated[Processes, _about("Most connections of a worker for reads.")] = 4
    read_timeout_seconds: Annotated[Seconds, _about("Time for a read.")] = 15.0
    standby_lag_seconds: Annotated[
        Seconds, _about("How far behind a standby may be for reads.")
    ] = 30.0
    standby_keys_seconds: Annotated[
        Seconds, _about("How old a standby's keys may be while the database is away.")
    ] = 86_400.0
    maintenance_minutes: Annotated[Minutes, _about("Pause between two runs of upkeep.")] = 60.0
    webhooks: Annotated[
        Literal["on", "off"], _about("Whether the service delivers webhooks itself.")
    ] = "on"
    webhook_private: Annotated[
        str, _about("Private networks that webhooks may reach, parted by commas; none if empty.")
    ] = ""
    webhook_http: Annotated[
        Literal["on", "off"], _about("Whether webhooks may go to http, unencrypted.")
    ] = "off"
    webhook_ca_file: Annotated[
        str, _about("Certificates that receivers' are signed by; the system's if empty.")
    ] = ""
    public_url: Annotated[
        str, _about("URL of the API for links in webhooks; paths alone if empty.")
    ] = ""
    keys: Annotated[
        Literal["required", "off"], _about("Whether requests need a key; off only without a proxy.")
    ] = "required"
    key_cache_seconds: Annotated[Seconds, _about("How long a key is known without asking.")] = 5.0
    sign_in_minutes: Annotated[Minutes, _about("How long a browser stays signed in.")] = 720.0
    access_log: Annotated[bool, _about("Whether each request is logged.")] = True
    log_format: Annotated[Literal["text", "json"], _about("How requests are logged.")] = "text"
    slow_milliseconds: Annotated[Milliseconds, _about("From when on a request is slow.")] = 1000.0


class Setting(msgspec.Struct, frozen=True):
    """A setting as its declaration tells it: variable, type, default, and what it is for."""

    name: str
    variable: str
    type: Any
    default: object
    about: str
    allowed: str


def declared() -> list[Setting]:
    """Every setting of the service, in order."""
    described = inspect.type_info(Settings)
    assert isinstance(described, inspect.StructType)  # noqa: S101  it is one
    fields = zip(msgspec.structs.fields(Settings), described.fields, strict=True)
    return [
        Setting(
            field.name,
            PREFIX + field.name.upper(),
            field.type,
            getattr(_DEFAULTS, field.name),
            _description(info.type),
            _allowed(info.type),
        )
        for field, info in fields
    ]


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment; raise SettingsError naming all that are wrong."""
    given = os.environ if environment is None else environment
    values: dict[str, object] = {}
    problems: list[str] = []
    for setting in _DECLARED:
        text = given.get(setting.variable)
        if text is None:
            continue
        try:
            values[setting.name] = msgspec.convert(text, setting.type, strict=False)
        except msgspec.ValidationError:
            problems.append(
                f"{setting.variable}={text!r} cannot be used: allowed is {setting.allowed}"
            )
    if problems:
        raise SettingsError("\n".join(problems))
    return msgspec.convert(values, Settings)


def check_keys(settings: Settings) -> None:
    """Raise SettingsError where whoever reaches this machine could do without a key."""
    if settings.keys == "required":
        return
    if not _is_loopback(settings.host):
        raise SettingsError(
            f"{PREFIX}KEYS=off lets everyone in who can reach {settings.host}: without keys the"
            " service listens on 127.0.0.1 only"
        )
    if settings.root_path or settings.trusted_proxies:
        raise SettingsError(
            f"{PREFIX}KEYS=off lets everyone in who can reach the proxy: without keys there must"
            " be none"
        )


def networks(name: str, text: str) -> list[str]:
    """The addresses and networks in a setting, parted by commas. Raises SettingsError."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    for word in words:
        try:
            ip_network(word)
        except ValueError as error:
            raise SettingsError(
                f"{PREFIX}{name} names {word!r}, which is no address or network: {error}"
            ) from error
    return words


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def database_url() -> str | None:
    """The database to use, or None where the environment names none."""
    return os.environ.get("DATABASE_URL") or None


def read_database_url() -> str | None:
    """A replica for reads, or None where the environment names none."""
    return os.environ.get("READ_DATABASE_URL") or None


def _description(kind: inspect.Type) -> str:
    if not isinstance(kind, inspect.Metadata):
        return ""
    # msgspec leaves open what it has for keys
    schema = cast("dict[str, str] | None", kind.extra_json_schema)  # pyright: ignore[reportUnknownMemberType]
    return (schema or {}).get("description", "")


def _allowed(kind: inspect.Type) -> str:
    """What a value may be, in words."""
    if isinstance(kind, inspect.Metadata):
        return _allowed(kind.type)
    if isinstance(kind, inspect.LiteralType):
        return " or ".join(map(str, kind.values))
    if isinstance(kind, inspect.BoolType):
        return "true or false"
    if isinstance(kind, inspect.IntType):
        return f"a whole number from {kind.ge} to {kind.le}"
    if isinstance(kind, inspect.FloatType):
        return f"a number above {kind.gt:g} and up to {kind.le:.12g}"
    if isinstance(kind, inspect.UnionType):
        some = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
        return " or ".join(map(_allowed, some))
    if isinstance(kind, inspect.StrType) and kind.min_length:
        return "any text but the empty one"
    return "any text"


_DEFAULTS = Settings()
_DECLARED = declared()
