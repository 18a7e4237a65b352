"""The wire format: bodies of bytes in, rows for the ingest functions out."""

from service.wire.batch import Batch, Refusal, Rows, decode, raw_readings
from service.wire.bodies import MEDIA_TYPES, charset_fault, media_type_of
from service.wire.encodings import Decoder
from service.wire.errors import (
    BodyTooLarge,
    MalformedBody,
    TooManyReadings,
    UndecodableBody,
    UnknownEncoding,
    WireError,
)

__all__ = [
    "MEDIA_TYPES",
    "Batch",
    "BodyTooLarge",
    "Decoder",
    "MalformedBody",
    "Refusal",
    "Rows",
    "TooManyReadings",
    "UndecodableBody",
    "UnknownEncoding",
    "WireError",
    "charset_fault",
    "decode",
    "media_type_of",
    "raw_readings",
]
