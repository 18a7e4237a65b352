"""Disk that a buffer takes: bytes of a reading in the topic, by how many share a record.

Makes records of a fleet's readings as the service does, sends them to one real broker as the
service does, and looks at how much the topic's segments have grown. Nothing else runs, so that
each record holds exactly as many readings as the table says; in a service that is busy it holds
what came while the record before was under way.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import msgspec
from confluent_kafka import Producer
from rich.console import Console

from loadtests.support.options import command_line
from service.buffer.record import Share, encoded
from service.wire import JSON, decode
from tests.support import kafka

_SIZES = (1, 20, 100, 500, 2_000)
_START = datetime(2026, 1, 1, tzinfo=UTC)
# as service/buffer/sender.py has it
_AS_THE_SERVICE = {"acks": "all", "enable.idempotence": True, "compression.type": "lz4"}


def main() -> None:
    """Measure each size, and print a table."""
    parser = command_line("just measure records", __doc__)
    parser.add_argument("--readings", type=int, default=50_000, help="how many for each size")
    parser.add_argument("--devices", type=int, default=10_000, help="that they are of")
    options = parser.parse_args()
    console = Console()
    console.print("| readings per record | bytes of a reading | in the topic | of that as JSON |")
    console.print("| ---: | ---: | ---: | ---: |")
    with kafka.brokers(1) as brokers:
        for size in _SIZES:
            console.print(_row(brokers, size, options.readings, options.devices), markup=False)


def _row(brokers: kafka.Brokers, size: int, readings: int, devices: int) -> str:
    topic = brokers.topic(1)
    producer = Producer({"bootstrap.servers": brokers.addresses, "log_level": 0, **_AS_THE_SERVICE})
    sent = packed = as_json = 0
    for bodies in _groups(readings, size, devices):
        batches = [decode(body, JSON) for body in bodies]
        meters = [row for batch in batches for row in batch.meters.rows]
        vehicles = [row for batch in batches for row in batch.vehicles.rows]
        value = encoded([Share(uuid4().hex, meters, vehicles)])
        producer.produce(topic, value=value, partition=0)
        # one request to the broker each, as with one record under way
        assert producer.flush(30) == 0
        sent += len(bodies)
        packed += len(value)
        as_json += sum(map(len, bodies))
    stored = _segments(Path(f"/proc/{brokers.each[0].pid}/cwd"), topic)
    return f"| {size:,} | {packed / sent:.0f} | {stored / sent:.0f} | {stored / as_json:.2f} |"


def _groups(readings: int, size: int, devices: int) -> Iterator[list[bytes]]:
    """Bodies of a fleet of pairs of a meter and a vehicle, in groups of so many."""
    chance = random.Random(1)
    for first in range(0, min(readings, 2_000 * size), size):
        group: list[bytes] = []
        for number in range(first, first + size):
            device = chance.randrange(devices)
            ts = _START + timedelta(milliseconds=number * 10 + chance.randrange(10))
            kwh = round(chance.uniform(0, 2), 4)
            reading = (
                {"meterId": f"meter-{device:06}", "kwhConsumedAc": kwh}
                | {"voltage": round(chance.uniform(225, 235), 1)}
                if number % 2
                else {"vehicleId": f"vehicle-{device:06}", "kwhDeliveredDc": kwh}
                | {"soc": chance.randrange(101), "batteryTemp": round(chance.uniform(10, 40), 1)}
            )
            group.append(msgspec.json.encode({**reading, "timestamp": ts}))
        yield group


def _segments(directory: Path, topic: str) -> int:
    """Bytes of the topic's segments, without their indexes, which are made large at first."""
    return sum(path.stat().st_size for path in directory.glob(f"data/{topic}-*/*.log"))


if __name__ == "__main__":
    main()
