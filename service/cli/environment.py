"""Environment of every command: which variables there are, and what is wrong with their values."""

import difflib
import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from service import settings
from service.buffer.address import PASSWORD, check_buffer
from service.http.proxy import check_proxies
from service.traces.environment import check_traces
from service.webhooks.checks import check_webhooks

MASK = "***"
_PREFIX = settings.PREFIX
_SECRETS = ("password", "sslpassword")
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

# what libpq says, and how to say it without a part of the string, which may be of the password
_UNREADABLE = (
    ("invalid percent-encoded token", "a % in it stands before no hexadecimal number: write %25"),
    ("forbidden value %00", "it has the character %00"),
    ('missing "="', "it is neither a URL like postgresql://login@host/database nor name=value"),
    ("invalid integer value", "its port is not a number"),
    ("invalid URI query parameter", "it has an option that libpq does not know"),
    ("invalid connection option", "it has an option that libpq does not know"),
    ("unterminated quoted string", "a quote in it is not closed"),
    ("end of string reached", "a bracket of an IPv6 address in it is not closed"),
    ("unexpected character", "a character in it is not allowed there: write it as %XX"),
    ("extra key/value separator", "it has a = too many: write it as %3D"),
    ("missing key/value separator", "an option in it has no value"),
)


T = TypeVar("T")


class Variable(NamedTuple):
    """A variable other than the service's settings: what it is for, and what it may be.

    `check` takes a value and says what is wrong with it, or None. `may_be_empty`: as if unset.
    """

    name: str
    about: str
    allowed: str
    check: Callable[[str], str | None] = lambda _: None
    default: str = ""
    is_secret: bool = False
    may_be_empty: bool = False


def wrong_url(text: str) -> str | None:
    """What is wrong with a connection string, without any of it; None where it can be used."""
    try:
        parts = conninfo_to_dict(text)
    except psycopg.Error as error:
        told = str(error)
        return next(
            (words for start, words in _UNREADABLE if start in told),
            "it is not a connection string",
        )
    ports = [port for port in str(parts.get("port", "")).split(",") if port]
    if not all(port.isdecimal() and 1 <= int(port) <= 65535 for port in ports):
        return "its port is not a number from 1 to 65535"
    mode = parts.get("sslmode")
    if mode is not None and mode not in _SSL_MODES:
        return f"its sslmode is none of {', '.join(_SSL_MODES)}"
    return None


def masked_url(text: str) -> str:
    """A connection string that can be used, without its secrets."""
    parts = conninfo_to_dict(text)
    return make_conninfo("", **(parts | {name: MASK for name in _SECRETS if name in parts}))


def _wrong_port(text: str) -> str | None:
    # 0: one that is free
    return None if text.isdecimal() and int(text) <= 65535 else "it is not a port"


def _wrong_directory(text: str) -> str | None:
    place = Path(text)
    return "it is not a directory" if place.exists() and not place.is_dir() else None


def _wrong_mirror(text: str) -> str | None:
    return None if re.match(r"(https?|file|copy):/", text) else "it is not an archive's address"


_URL = "a connection string, such as postgresql://login@host/database"
_DIRECTORY = "a directory"

VARIABLES = (
    Variable("DATABASE_URL", "The database; the embedded one if unset.", _URL, wrong_url),
    Variable(
        "READ_DATABASE_URL",
        "A standby of it, for reads; DATABASE_URL itself if unset.",
        _URL,
        wrong_url,
    ),
    Variable(
        "TEST_DATABASE_URL",
        "A superuser's, for the tests; an embedded one if unset.",
        _URL,
        wrong_url,
    ),
    *(
        Variable(
            f"{_PREFIX}{role}_PASSWORD",
            f"`wattledger migrate` makes wattledger_{role.lower()} a login with it.",
            "any text",
            is_secret=True,
            # as Docker Compose hands on what is not set
            may_be_empty=True,
        )
        for role in ("SERVICE", "BI", "DBA")
    ),
    Variable(
        PASSWORD,
        "Password of the buffer's user.",
        "any text",
        is_secret=True,
        may_be_empty=True,
    ),
    Variable(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "Where spans go: a collector of OpenTelemetry; none if unset.",
        "a URL, such as http://collector:4318",
        is_secret=True,
        may_be_empty=True,
    ),
    Variable(f"{_PREFIX}HOME", "Data of the embedded database.", _DIRECTORY, _wrong_directory),
    Variable(f"{_PREFIX}CACHE", "Programs of the embedded database.", _DIRECTORY, _wrong_directory),
    Variable(
        f"{_PREFIX}DB_PORT",
        "Port of a new embedded database; 0 for one that is free.",
        "a whole number from 0 to 65535",
        _wrong_port,
        "54329",
    ),
    Variable(
        f"{_PREFIX}DB_USER",
        "Whom the embedded database runs as where root starts it.",
        "a user of this system",
        default="postgres or nobody",
    ),
    Variable(
        f"{_PREFIX}DEBIAN_MIRROR",
        "Where the embedded database is fetched from; this system's own archive if unset.",
        "an address like https://mirror.example.org/debian",
        _wrong_mirror,
    ),
)
# of other programs: Docker Compose, load tests, tests
_OF_OTHERS = {f"{_PREFIX}DATABASE_PORT", f"{_PREFIX}KEY", f"{_PREFIX}KEYS_FILE"}
_OF_TESTS = f"{_PREFIX}TESTS_"
# what Kubernetes puts beside a service of the name wattledger
_OF_KUBERNETES = re.compile(rf"{_PREFIX}(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP)(_\w+)?)")
_KUBERNETES = (
    "Kubernetes sets it for its service of that name: set enableServiceLinks: false in the pod"
)


def known() -> set[str]:
    """Every variable that has a meaning here."""
    return {
        *(setting.variable for setting in settings.declared()),
        *(variable.name for variable in VARIABLES),
        *_OF_OTHERS,
    }


def problems(environment: Mapping[str, str] | None = None) -> list[str]:
    """All that is wrong in the environment, one line each, without any secret."""
    given = os.environ if environment is None else environment
    found = [*_unknown(given), *_wrong(given), *_told(check_traces, given)]
    try:
        loaded = settings.load(given)
    except settings.SettingsError as error:
        return found + str(error).splitlines()
    checks = (
        settings.check_keys,
        check_proxies,
        check_webhooks,
        partial(check_buffer, environment=given),
    )
    return found + [told for check in checks for told in _told(check, loaded)]


def _told(check: Callable[[T], None], what: T) -> list[str]:
    """What a check has to say."""
    try:
        check(what)
    except settings.SettingsError as error:
        return [str(error)]
    return []


def _unknown(given: Mapping[str, str]) -> list[str]:
    names = known()
    found: list[str] = []
    for name in sorted(given):
        if not name.upper().startswith(_PREFIX) or name in names or name.startswith(_OF_TESTS):
            continue
        told = f"{name} is not a setting"
        bare = name.upper().removeprefix(_PREFIX)
        meant = [bare] if bare in names else []
        meant += difflib.get_close_matches(name.upper(), names - _OF_OTHERS, 1, 0.7)
        if _OF_KUBERNETES.fullmatch(name):
            told += f": {_KUBERNETES}"
        elif meant:
            told += f": did you mean {meant[0]}?"
        found.append(told)
    return found


def _wrong(given: Mapping[str, str]) -> list[str]:
    found: list[str] = []
    for variable in VARIABLES:
        text = given.get(variable.name)
        if text is None or (not text and variable.may_be_empty):
            continue
        wrong = variable.check(text) if text else "it is empty, so unset it"
        if wrong:
            found.append(f"{variable.name} cannot be used: {wrong}; allowed is {variable.allowed}")
    return found
