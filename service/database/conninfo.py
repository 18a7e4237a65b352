"""Connection strings, completed: TLS to a database elsewhere, and an end to dead connections."""

import configparser
import ipaddress
import os
from itertools import zip_longest
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

# a database whose machine is gone without a word is noticed in half a minute, not in hours
_UNLESS_GIVEN = {
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "20000",
}

_NO_TLS = (
    "Connections to a database on another machine are encrypted unless told otherwise."
    " Turn on ssl at the server; or, only where the network between is private, add"
    " sslmode=disable to the connection string."
)


def completed(conninfo: str) -> str:
    """A connection string with what it leaves out; what it, or libpq's environment, says stands.

    A host that is neither this machine nor a socket gets sslmode=require. One that cannot be read
    comes back as it is, for libpq to say what is wrong with it.
    """
    try:
        given = {name: str(value) for name, value in conninfo_to_dict(conninfo).items() if value}
    except psycopg.ProgrammingError:
        return conninfo
    said = {**_from_environment(), **_from_service(given), **given}
    missing = {name: value for name, value in _UNLESS_GIVEN.items() if name not in said}
    # with the system's root certificates libpq verifies in full, and takes no less
    trusts_system = said.get("sslrootcert") == "system"
    if "sslmode" not in said and not trusts_system and not _is_local(said):
        missing["sslmode"] = "require"
    return make_conninfo(conninfo, **missing)


def reason(error: BaseException) -> str:
    """Why a connection failed, and what to do where it is for want of TLS."""
    cause = error.__cause__ if isinstance(error.__cause__, psycopg.Error) else error
    text = str(cause).strip()
    # libpq's own errors have no code
    return f"{text}\n{_NO_TLS}" if "does not support SSL" in text else text


def _from_environment() -> dict[str, str]:
    names = ("host", "hostaddr", "sslmode", "sslrootcert")
    values = {name: os.environ.get(f"PG{name.upper()}") for name in names}
    return {name: value for name, value in values.items() if value}


def _from_service(given: dict[str, str]) -> dict[str, str]:
    """What a service file says, where a service is named; as libpq looks for it."""
    service = given.get("service") or os.environ.get("PGSERVICE")
    if not service:
        return {}
    own = given.get("servicefile") or os.environ.get("PGSERVICEFILE")
    everybodys = os.environ.get("PGSYSCONFDIR") or "/etc/postgresql-common"
    files = [Path(own) if own else Path("~/.pg_service.conf").expanduser()]
    for file in [*files, Path(everybodys) / "pg_service.conf"]:
        parser = configparser.RawConfigParser(
            delimiters="=", comment_prefixes="#", strict=False, default_section=""
        )
        try:
            parser.read_string(file.read_text())
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue
        if parser.has_section(service):
            return dict(parser.items(service))
    return {}


def _is_local(said: dict[str, str]) -> bool:
    """Whether all hosts are this machine. The address counts where a name has one beside it."""
    names, addresses = said.get("host", "").split(","), said.get("hostaddr", "").split(",")
    return all(
        _is_local_host((address or name).strip())
        for name, address in zip_longest(names, addresses, fillvalue="")
    )


def _is_local_host(host: str) -> bool:
    if host in ("", "localhost") or host.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
