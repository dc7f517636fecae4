"""An Apache Kafka broker (KRaft, one node) in a folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from load_tests.services.process import Service, ServiceError, free_ports

LIBS_VARIABLE = "TOCSIN_KAFKA_LIBS"
REMEDY = "run make services, or name their folder in TOCSIN_KAFKA_LIBS (needs a JDK of 17 or later and Maven: apt-get install openjdk-17-jre-headless maven)"

_SETTINGS = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{listeners}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{listeners}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
log.dirs={folder}/data
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=16777216
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
"""


def put(producer: Producer, topic: str, payload: bytes, key: bytes | None = None, *, partition: int) -> None:
    """Give a record to a producer; where its queue is full, once the broker has taken some."""
    while True:
        try:
            producer.produce(topic, payload, key, partition=partition)
        except BufferError:
            producer.poll(0.1)
        else:
            return


def default_libs() -> Path:
    """Where the broker's jars are: ``TOCSIN_KAFKA_LIBS``, or where ``make services`` puts them."""
    return Path(os.environ.get(LIBS_VARIABLE) or Path(__file__).parents[2] / ".venv" / "kafka")


def missing(libs: Path) -> str:
    """What a broker lacks here, with the remedy; empty when nothing."""
    if shutil.which("java") is None:
        return f"there is no java; {REMEDY}"
    if not any(libs.glob("kafka_*.jar")):
        return f"there are no jars in {libs}; {REMEDY}"
    return ""


def present() -> bool:
    """Whether a broker can be started here."""
    return not missing(default_libs())


class Kafka:
    """A broker for as long as the ``with`` block lasts; ``folder`` keeps its data from one start to the next."""

    def __init__(
        self, folder: Path, *, libs: Path | None = None, extra: str = "", listeners: str = "", format_flags: Sequence[str] = ()
    ) -> None:
        """``extra``: further settings, a line each. ``listeners``: further ones, each with a comma in front.

        Raises:
            ServiceError: Java or the jars are missing.
        """
        libs = libs or default_libs()
        lacking = missing(libs)
        if lacking:
            raise ServiceError(f"no Apache Kafka here: {lacking}")
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port, controller = free_ports(2)
        self.bootstrap = f"127.0.0.1:{self.port}"
        settings = folder / "server.properties"
        settings.write_text(_SETTINGS.format(port=self.port, controller=controller, folder=folder, listeners=listeners) + extra)
        java = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{libs}/*"]
        self._format = [*java, "kafka.tools.StorageTool", "format", "-t", "4L6g3nShT-eMCtK--X86sw", "-c", str(settings), *format_flags]
        self._service = Service("Kafka", [*java, "kafka.Kafka", str(settings)], folder / "kafka.log", self._answers)

    @property
    def pid(self) -> int:
        """Of the running broker."""
        return self._service.pid

    def start(self) -> None:
        """Start, or start again on the same ports.

        Raises:
            ServiceError: it did not come up.
        """
        if not (self.folder / "data").exists():
            made = subprocess.run(self._format, capture_output=True, check=False)
            if made.returncode != 0:
                raise ServiceError(f"Kafka's folder cannot be made: {made.stderr.decode(errors='replace')[-300:]}")
        self._service.start()

    def stop(self) -> None:
        """End it in order."""
        self._service.stop()

    def kill(self) -> None:
        """End it at once."""
        self._service.kill()

    def cpu_s(self) -> float:
        """CPU seconds it has used so far."""
        return self._service.cpu_s()

    def disk(self, *, full: bool) -> None:
        """A full disk for the running broker, or one with room again."""
        self._service.disk(full=full)

    def ended(self) -> int | None:
        """The status it ended with by itself; None while it runs."""
        return self._service.ended()

    def __enter__(self) -> Kafka:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.2).close()
            return bool(AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0}).list_topics(timeout=2).brokers)
        except (OSError, KafkaException):
            return False
