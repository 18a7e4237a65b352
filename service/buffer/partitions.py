"""Partitions of a topic: each device has one, so that its readings stay in order."""

from zlib import crc32


def partition_of(device_id: str, count: int) -> int:
    """The partition of a device among `count`.

    It is what librdkafka's partitioner makes of the id as a key, so that whoever produces with the
    device as the key meets the same one. The ledger is the same in any order.
    """
    return crc32(device_id.encode()) % count
