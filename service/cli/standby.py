"""`wattledger db standby` and `wattledger db promote`: a second server that answers reads."""

import click

from service import settings
from service.embedded import Cluster, Standby, default_directory

_SERVICE = "wattledger_service"


def _standby(port: int | None = None) -> Standby:
    if settings.database_url():
        raise click.ClickException(
            "DATABASE_URL is set, and this is of the embedded database: unset it first, or see"
            " docs/operations.md for a replica of your own database"
        )
    return Standby(Cluster(default_directory()), port=port)


@click.command()
@click.option(
    "--synchronous/--asynchronous",
    default=None,
    help="Let each commit wait until the standby has it on disk too, or no longer. As it was unless"
    " told, at first asynchronous.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="TCP port of one that is made; the one after the primary's, or any, unless told.",
)
@click.option("--remove", is_flag=True, help="Stop it and remove its data; the primary stays.")
def standby(synchronous: bool | None, port: int | None, remove: bool) -> None:
    """Make a streaming standby of the running embedded database, and start it.

    It is a copy in a directory beside (WATTLEDGER_HOME/postgresql-standby), on a port of its own,
    that follows by itself, also after either was away. Called again it is started if it was
    stopped. Its last words are the READ_DATABASE_URL to give to `wattledger serve`: then reads are
    answered by it, also while the primary is down.

    With --synchronous a reading that was acknowledged is on both disks, so that none is missing
    after `wattledger db promote`. Then nothing is stored while the standby is away: --asynchronous
    ends that.

    The primary keeps up to 8 GB for a standby that is away; one that was away for longer must be
    removed and made anew.
    """
    one = _standby(port)
    if remove:
        if synchronous is not None:
            raise click.UsageError("a standby that is removed is neither")
        one.remove()
        click.echo("the standby is removed; unset READ_DATABASE_URL")
        return
    if synchronous is False:
        # first: with a standby that is away nothing else might come to an end
        one.set_synchronous(False)
    one.start()
    one.wait_until_streaming()
    if synchronous:
        one.set_synchronous(True)
    tell(one)
    click.echo(f"export READ_DATABASE_URL={one.cluster.url(_SERVICE)}")


@click.command()
@click.option("--force", is_flag=True, help="Also where the primary runs: it is stopped first.")
def promote(force: bool) -> None:
    """Let the standby take the place of the primary, which is down.

    It gets the primary's directory and port: `wattledger db url`, `up`, `serve` and services that
    run already use it from then on, without a word. The former primary's data is kept beside it,
    and never started again: a second primary would take readings that nobody finds.

    Refused while the primary runs. --force stops that first, and nothing is lost; it is how to
    change over on purpose. Where the primary died, what it acknowledged in its last moments may be
    missing, unless the standby was synchronous. Interrupted, it may be repeated.

    Afterwards there is no standby: `wattledger db standby` makes one anew.
    """
    one = _standby()
    former = one.promote(force=force)
    found = Cluster(default_directory()).status()
    click.echo(
        f"promoted: the standby is the embedded database now, on port {found.port}\n"
        f"the former primary's data is kept in {former}: remove it once nothing in it is missed\n"
        "there is no standby now: `wattledger db standby` makes one"
    )


def tell(one: Standby) -> None:
    """Say how a standby stands, where there is one."""
    found = one.status()
    if not found.exists:
        return
    where = f"data in {one.cluster.directory}"
    if not found.server.running:
        click.echo(f"standby: stopped, {where}")
        return
    if found.streaming is not None:
        kind = "synchronous" if found.streaming.synchronous else "asynchronous"
        how = (
            f"follows ({kind}), {found.streaming.lag_seconds:.1f} s and"
            f" {found.streaming.lag_bytes} bytes behind"
        )
    elif found.age_seconds is not None:
        how = f"does not follow: what it has is {found.age_seconds:.0f} s old"
    else:
        how = "does not follow"
    server = found.server
    click.echo(f"standby: {how}, port {server.port}, process {server.pid}, {where}")
