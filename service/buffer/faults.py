"""Faults that a buffer is to whoever sends readings."""

from http import HTTPStatus

from service.http.problem import RETRY_LATER, Fault
from service.ingest.destination import NotQueued


class BufferAway(NotQueued):
    """No broker takes anything; nothing of this request was stored."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "the buffer is away; nothing of this request was stored",
            "Send it again later.",
            [RETRY_LATER],
        )


class NotAcknowledged(Fault):
    """The brokers did not say in time that they have all readings of this request."""

    def __init__(self) -> None:
        super().__init__(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "the buffer did not acknowledge the readings in time: they may not be stored",
            "Send the same request again: what is there already is not stored twice.",
            [RETRY_LATER],
        )
