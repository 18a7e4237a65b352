"""Errors of a body as a whole."""


class WireError(Exception):
    """A body cannot be taken; the message tells the sender what to fix."""


class MalformedBody(WireError):
    """The body is not what its content type and encoding say."""


class UndecodableBody(MalformedBody):
    """The body is not compressed in its content encoding; `sent` is all of it, as it came."""

    def __init__(self, message: str, encoding: str, sent: bytes) -> None:
        super().__init__(message)
        self.encoding = encoding
        self.sent = sent


class BodyTooLarge(WireError):
    """The body is larger than allowed, as sent or decompressed."""


class TooManyReadings(WireError):
    """The body holds more readings than one request may."""


class UnknownEncoding(WireError):
    """The content encoding is not one that is understood."""
