"""Parts of the service that live as long as it serves: pools, keys, writer, upkeep, vital signs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from service.buffer.choice import destination, lookout
from service.database.pool import Database
from service.database.replica import Reader, Replica, Source
from service.http.body import Patience
from service.ingest.intake import Intake
from service.keys.counts import KeyCounts
from service.keys.keyring import Keyring
from service.keys.outliving import OutlivingKeyring
from service.metrics.board import Board
from service.metrics.slab import Slab
from service.page.changes import Changes
from service.settings import Settings
from service.upkeep import Upkeep
from service.vitals import Vitals, read_counter
from service.webhooks.counts import WebhookCounts
from service.webhooks.sender import sending

if TYPE_CHECKING:
    from service.traces.tracing import Tracing

# for what operators change, which is little
_PRIMARY_CONNECTIONS = 2


def _tell_nobody(source: Source, lag_seconds: float | None) -> None:
    """No request waits for what is asked on a timer."""


@asynccontextmanager
async def started(
    write_url: str,
    read_url: str | None,
    settings: Settings,
    board: Board,
    slab: Slab,
    traces: Tracing | None,
) -> AsyncGenerator[dict[str, Any], None]:
    """Start all parts; give them by name, and stop them in reverse order at the end.

    `read_url` is a standby's; `slab` is where this worker counts, `board` has those of all.
    """
    async with AsyncExitStack() as stack:
        if traces is not None:
            traces.start()
            stack.push_async_callback(traces.stop)
        primary = Database(write_url, settings, connections=_PRIMARY_CONNECTIONS)
        # so that readiness never waits for changes that wait
        readiness = Database(write_url, settings, connections=1)
        pools = {"primary": primary, "readiness": readiness}
        replica = reads = None
        if read_url is None:
            reads = pools["reads"] = Database(write_url, settings, reads_only=True)
            await reads.open()
            stack.push_async_callback(reads.close)
        else:
            replica = Replica(write_url, read_url, settings, read_counter(slab))
            await replica.start()
            stack.push_async_callback(replica.stop)
            pools |= {"reads": replica.standby, "fallback": replica.primary}
        for pool in (primary, readiness):
            await pool.open()
            stack.push_async_callback(pool.close)
        keyring = None
        if settings.keys == "required":
            # by the replica for reads only while this one is away: a key that was revoked should
            # not live on there
            pools["keys"] = Database(write_url, settings, connections=1)
            counts, old_seconds = KeyCounts(slab), settings.standby_keys_seconds
            arguments = pools["keys"], settings.key_cache_seconds, counts, replica, old_seconds
            keyring = (
                OutlivingKeyring(*arguments, outlives_seconds=settings.buffer_keys_seconds)
                if settings.buffer
                else Keyring(*arguments)
            )
            await keyring.start()
            stack.push_async_callback(keyring.stop)
        writer = destination(write_url, settings, slab, traces)
        await writer.start()
        stack.push_async_callback(writer.stop)
        watched = lookout(settings)
        patience = Patience(settings.body_timeout_seconds)
        stack.callback(patience.stop)
        upkeep = Upkeep(write_url, settings.maintenance_minutes * 60)
        upkeep.start()
        stack.push_async_callback(upkeep.stop)
        if settings.webhooks == "on":
            counts = WebhookCounts(slab)
            deliveries = sending(write_url, settings, counts, board.leads)
            sender = await stack.enter_async_context(deliveries)
            pools["webhooks"] = sender.database
            sender.start()
        of_buffer = watched.found if watched else None
        vitals = Vitals(board, slab, readiness, pools, writer.sample, replica, of_buffer)
        vitals.start()
        stack.push_async_callback(vitals.stop)
        changes = Changes(reads or Reader(cast("Replica", replica), _tell_nobody))
        stack.push_async_callback(changes.stop)
        yield {
            "changes": changes,
            "reads": reads,
            "replica": replica,
            "primary": primary,
            "readiness": readiness,
            "writer": writer,
            "patience": patience,
            "keyring": keyring,
            "intake": Intake(writer, keyring, settings),
        }
