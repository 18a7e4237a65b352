"""Metrics of the service, of all its workers, for Prometheus."""

import asyncio

from litestar import get
from litestar.datastructures import State
from litestar.response import Response

from service.keys.guard import METRICS
from service.metrics.exposition import MEDIA_TYPE, text


@get("/metrics", tags=["health"], opt=METRICS, media_type=MEDIA_TYPE)
async def metrics(state: State) -> Response[bytes]:
    """What was counted, and how things are now, in Prometheus' text format.

    It answers while the database is away too.
    """
    return Response(await asyncio.to_thread(text, state.board), media_type=MEDIA_TYPE)


HANDLERS = [metrics]
