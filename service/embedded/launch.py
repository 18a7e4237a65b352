"""Start a server in a cluster's directory, and make its data first where there is none."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from service.embedded import places, ports, postmaster
from service.embedded.configuration import configuration
from service.embedded.errors import EmbeddedError
from service.embedded.initialise import make_data
from service.embedded.programs import Programs, find_programs
from service.embedded.running import run

# what the data of a former primary is called, before its number
FORMER = "data.former-"
# how long a killed server's children may take to notice
_PATIENCE_SECONDS = 20.0


def launch(
    directory: Path, superuser: str, password: str, port: int | None, settings: Mapping[str, str]
) -> None:
    """Start a server that outlives us on `directory`/data, which no server runs on.

    `port` as for a Cluster; superuser and password are given to the data where it is made.
    Raises EmbeddedError.
    """
    data, log = directory / "data", directory / "log"
    user = places.unprivileged_user(data)
    places.check_reachable(directory, user, "WATTLEDGER_HOME")
    programs = find_programs()
    places.check_reachable(programs.path("postgres"), user, "WATTLEDGER_CACHE")
    if data.exists():
        _check_version(data, programs)
    elif former := sorted(directory.glob(f"{FORMER}*")):
        raise EmbeddedError(
            f"a standby was to take the place of {former[-1]}, and did not come so far: repeat"
            " `wattledger db promote`"
        )
    else:
        make_data(data, programs, user, superuser, password)
    for made in (log, directory / "run"):
        made.mkdir(exist_ok=True)
        if user:
            os.chown(made, user.pw_uid, user.pw_gid)
    built_with = run([programs.path("pg_config"), "--configure"], user).stdout
    command = [programs.path("pg_ctl"), "start", "-s", "-w", "-t", "120", "-D", data]
    first_words = log / "start.log"
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        postmaster.forget_stale(data)
        for left in (directory / "run").iterdir():
            left.unlink()  # a killed server's number in it, like in postmaster.pid
        chosen = _choose_port(directory / "port", port)
        text = configuration(
            chosen, directory / "run", has_lz4="--with-lz4" in built_with, overrides=settings
        )
        (data / "wattledger.conf").write_text(text)
        (data / "wattledger.conf").chmod(0o644)  # for the server's user, whatever our umask
        first_words.unlink(missing_ok=True)
        done = run([*command, "-l", first_words], user, home=directory)
        if done.returncode == 0:
            return
        said = first_words.read_text(errors="replace") if first_words.exists() else ""
        # a killed server's children live on for a moment; or somebody took the port just now
        passes = "pre-existing shared memory block" in said or not ports.is_free(chosen)
        if not passes or time.monotonic() > deadline:
            raise EmbeddedError(
                f"PostgreSQL did not start: {done.stderr.strip()}\n{said}\n"
                f"see also the log in {log}"
            )
        time.sleep(0.2)


def _check_version(data: Path, programs: Programs) -> None:
    try:
        found = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError as error:
        raise EmbeddedError(f"{data} holds no PostgreSQL data: move it away") from error
    if found != str(programs.major):
        raise EmbeddedError(
            f"{data} was made by PostgreSQL {found}, the programs here are PostgreSQL"
            f" {programs.major}: dump it with the old version and restore the dump, or set"
            " WATTLEDGER_HOME to another directory"
        )


def _choose_port(remembered: Path, asked_for: int | None) -> int:
    """The port that the cluster was made with, or another one while somebody else has it."""
    if remembered.exists():
        usual = int(remembered.read_text())
        return usual if ports.is_free(usual) else ports.free_port()
    wanted = places.preferred_port() if asked_for is None else asked_for
    port = wanted if wanted and ports.is_free(wanted) else ports.free_port()
    remembered.write_text(str(port))
    return port
