"""Three real brokers of Apache Kafka, each a process of its own that tests may kill."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from tests.support import java
from tests.support.process import free_port

BROKERS = 3
# who may come by SECURE, where there is that
USER, PASSWORD = "api", "only-for-tests"
_CLUSTER = "d2F0dGxlZGdlcnRlc3Rz0A"
# small, and with half of a core to start on
_OPTIONS = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)
_START_SECONDS = 90


class Broker:
    """One of the brokers: broker and controller in one, as small installations have them."""

    def __init__(
        self, directory: Path, node: int, ports: list[tuple[int, int]], certificate: Path | None
    ) -> None:
        """`ports` are of all nodes: for clients, for controllers.

        `certificate`: a file of that and its key, where clients come by TLS and a password too.
        """
        self.address = f"127.0.0.1:{ports[node][0]}"
        self.secure_address = f"127.0.0.1:{free_port()}"
        secure = f",SECURE://{self.secure_address}" if certificate else ""
        self._directory = directory / str(node)
        self._directory.mkdir(exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None
        # one may look after it in a thread while another kills it on purpose
        self._at_it = threading.RLock()
        voters = ",".join(f"{n}@127.0.0.1:{port}" for n, (_, port) in enumerate(ports))
        self._settings = self._directory / "server.properties"
        self._settings.write_text(
            f"""
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
listeners=PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{ports[node][1]}{secure}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL
log.dirs={self._directory / "data"}
auto.create.topics.enable=false
default.replication.factor={len(ports)}
min.insync.replicas={min(len(ports), 2)}
offsets.topic.replication.factor={len(ports)}
offsets.topic.num.partitions=3
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=3000
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
num.network.threads=2
num.io.threads=2
{_security(certificate) if certificate else ""}
"""
        )

    @property
    def pid(self) -> int:
        """The process id; it must run."""
        assert self._process is not None
        return self._process.pid

    def format(self) -> subprocess.Popen[bytes]:
        """Prepare its directory for the cluster."""
        arguments = ("format", "-t", _CLUSTER, "-c", str(self._settings))
        return self._call("kafka.tools.StorageTool", *arguments)

    def start(self) -> None:
        """Start it; `Brokers.wait` tells when it is there."""
        with self._at_it:
            if self._process is None:
                self._process = self._call("kafka.Kafka", str(self._settings))

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it at once, or as another signal asks for."""
        with self._at_it:
            if self._process is not None:
                self._process.send_signal(how)
                self._process.wait(60)
                self._process = None

    def start_again_if_ended(self) -> bool:
        """Start it where it ended of its own accord; whether it had."""
        with self._at_it:
            if not self.ended():
                return False
            self.stop()
            self.start()
            return True

    def log(self) -> str:
        """What it said, for who must find out why."""
        return (self._directory / "log").read_text(errors="replace")[-2000:]

    def ended(self) -> bool:
        """Whether it ended of its own accord."""
        process = self._process
        return process is not None and process.poll() is not None

    def _call(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._directory / "log").open("ab") as log:
            return subprocess.Popen(
                [
                    *java.command(),
                    *_OPTIONS,
                    # where its libraries are unpacked: a killed one would leave them elsewhere
                    f"-Djava.io.tmpdir={self._directory}",
                    *("-cp", f"{java.kafka()}/*"),
                    name,
                    *arguments,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
            )


def _security(certificate: Path) -> str:
    module = "org.apache.kafka.common.security.plain.PlainLoginModule"
    return f"""
ssl.keystore.type=PEM
ssl.keystore.location={certificate}
sasl.enabled.mechanisms=PLAIN
listener.name.secure.plain.sasl.jaas.config={module} required user_{USER}="{PASSWORD}";
"""


class Brokers:
    """The brokers of a cluster, and topics on it."""

    def __init__(self, directory: Path, count: int, certificate: Path | None) -> None:
        ports = [(free_port(), free_port()) for _ in range(count)]
        self.each = [Broker(directory, node, ports, certificate) for node in range(count)]
        self.addresses = ",".join(broker.address for broker in self.each)
        # what a broker that is away causes is no news to the tests' output
        self.admin = AdminClient({"bootstrap.servers": self.addresses, "log_level": 0})
        for formatting in [broker.format() for broker in self.each]:
            assert formatting.wait(_START_SECONDS) == 0, self.each[0].log()

    def start(self) -> None:
        """Start those that do not run, and wait until all are part of the cluster."""
        for broker in self.each:
            broker.start()
        self.wait(len(self.each))

    def wait(self, count: int) -> None:
        """Wait until so many brokers are part of the cluster, and every partition has a leader."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            for broker in self.each:
                assert not broker.ended(), broker.log()
            assert time.monotonic() < deadline, [broker.log() for broker in self.each]
            try:
                found = self.admin.list_topics(timeout=5)
            except KafkaException:
                continue
            partitions = [p for t in found.topics.values() for p in t.partitions.values()]
            if len(found.brokers) == count and all(p.leader >= 0 for p in partitions):
                return
            time.sleep(0.1)

    def topic(self, partitions: int = 4, **settings: str) -> str:
        """A new topic, which all brokers have; in names of settings _ is a point."""
        name = f"readings-{uuid4().hex[:8]}"
        config = {key.replace("_", "."): value for key, value in settings.items()}
        made = NewTopic(name, partitions, len(self.each), config=config)
        self.admin.create_topics([made])[name].result(30)
        self.wait(len([broker for broker in self.each if not broker.ended()]))
        return name

    def url(self, topic: str) -> str:
        """What WATTLEDGER_BUFFER is for a topic."""
        return f"kafka://{self.addresses}/{topic}"


@contextmanager
def brokers(
    count: int = BROKERS, certificate: Path | None = None, directory: Path | None = None
) -> Iterator[Brokers]:
    """Start brokers, each with a `certificate` if there is one; stop them at the end.

    `directory`: where their data are to be, a folder by number each; who gives it removes it.
    """
    where = directory or Path(tempfile.mkdtemp(prefix="wattledger-kafka-"))
    made = Brokers(where, count, certificate)
    try:
        made.start()
        yield made
    finally:
        for broker in made.each:
            broker.stop()
        if directory is None:
            shutil.rmtree(where, ignore_errors=True)
