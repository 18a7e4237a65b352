"""The wire format: bodies of bytes in, columns for the ingest functions out."""

from service.wire.batch import Batch, Columns, Refusal, decode, raw_readings
from service.wire.bodies import MEDIA_TYPES
from service.wire.encodings import Decoder
from service.wire.errors import (
    BodyTooLarge,
    MalformedBody,
    TooManyReadings,
    UnknownEncoding,
    WireError,
)

__all__ = [
    "MEDIA_TYPES",
    "Batch",
    "BodyTooLarge",
    "Columns",
    "Decoder",
    "MalformedBody",
    "Refusal",
    "TooManyReadings",
    "UnknownEncoding",
    "WireError",
    "decode",
    "raw_readings",
]
