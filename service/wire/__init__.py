"""Wire format: bodies of bytes in, rows for the ingest functions out."""

from service.wire.batch import Batch, Reason, Refusal, Rows, decode, raw_readings
from service.wire.bodies import JSON, MEDIA_TYPES, printable
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
    "JSON",
    "MEDIA_TYPES",
    "Batch",
    "BodyTooLarge",
    "Decoder",
    "MalformedBody",
    "Reason",
    "Refusal",
    "Rows",
    "TooManyReadings",
    "UndecodableBody",
    "UnknownEncoding",
    "WireError",
    "decode",
    "printable",
    "raw_readings",
]
