"""Promotion of a standby: into its primary's place, once nobody can start that one any more."""

import time
from pathlib import Path

from service.embedded import ports, postmaster, primary
from service.embedded.cluster import Cluster
from service.embedded.errors import EmbeddedError
from service.embedded.launch import FORMER

_PATIENCE_SECONDS = 15.0


def take_over(followed: Cluster, standby: Cluster, *, force: bool) -> Path:
    """Promote a standby, move its data to where its primary's was, and start it there.

    Returns where the former primary's data is kept. `force`: also where the primary runs, which is
    stopped then. What is interrupted half-way can be repeated. Raises EmbeddedError.
    """
    place, data = followed.data, standby.data
    with followed.held():
        _fence(place, force=force)
        former = _set_aside(place)
        try:
            _leave_recovery(standby)
        except BaseException:
            if (data / "standby.signal").exists():
                former.rename(place)
            raise
        standby.stop()
        data.rename(place)
    _wait_for_port(followed.usual_port())
    followed.start()
    return former


def _fence(place: Path, *, force: bool) -> None:
    """See that the primary is down, and stays so while its directory is held."""
    found = postmaster.running(place)
    if found is None:
        return
    if not force:
        raise EmbeddedError(
            f"the primary runs (process {found.pid}): nothing was changed. Where that should"
            " change, `wattledger db promote --force` stops it first"
        )
    try:
        # what it has written goes to the standby before it ends
        postmaster.stop(place)
    except EmbeddedError:
        postmaster.kill(place)


def _set_aside(place: Path) -> Path:
    """Move the primary's data aside, so that nobody can start it; return where it is."""
    if not place.exists():  # by a promotion that was interrupted
        return max(place.parent.glob(f"{FORMER}*"))
    former = place.with_name(FORMER + time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()))
    place.rename(former)
    return former


def _leave_recovery(standby: Cluster) -> None:
    standby.start()
    with primary.session(standby) as connection:
        if connection.execute("SELECT pg_is_in_recovery()").fetchone() == (True,):
            promoted = connection.execute("SELECT pg_promote(TRUE, 60)").fetchone()
            if promoted != (True,):
                raise EmbeddedError("the standby was told to take over, and has not in 60 s")


def _wait_for_port(port: int) -> None:
    """Give what a killed primary left behind a moment to let go of its port."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not ports.is_free(port) and time.monotonic() < deadline:
        time.sleep(0.1)
