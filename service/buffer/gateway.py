"""Records of gateways' own topic: bodies as `POST /v1/ingest` takes them, decoded as there."""

from __future__ import annotations

from service.buffer.record import UnreadableRecord
from service.buffer.taken import Record
from service.wire import JSON, MEDIA_TYPES, Batch, WireError, decode, printable


def media_type(record: Record) -> str:
    """What a record's value is: JSON, unless its header content-type names another type."""
    return record.content_type or JSON


def decoded_body(record: Record, max_bytes: int, max_readings: int) -> Batch:
    """The readings of a record, of which some may be refused already.

    Raises UnreadableRecord where the record as a whole cannot be taken.
    """
    if len(record.value) > max_bytes:
        raise UnreadableRecord(
            f"the record has {len(record.value)} bytes, more than the {max_bytes} of a body: send"
            " the readings in smaller records; only the beginning of this one is kept"
        )
    if not record.key:
        raise UnreadableRecord(
            "the record has no key: produce it with the device's id as the key, or the gateway's,"
            " so that readings stay in their order"
        )
    if not record.value:
        raise UnreadableRecord("the record is empty: send a reading, or an array of readings")
    kind = media_type(record)
    if kind not in MEDIA_TYPES:
        raise UnreadableRecord(
            f"the record's header content-type is {printable(kind)}: leave it out for"
            f" {JSON}, or name one of {', '.join(sorted(MEDIA_TYPES))}"
        )
    try:
        return decode(record.value, kind, max_readings)
    except WireError as error:
        raise UnreadableRecord(str(error).replace("the body", "the record", 1)) from error
