"""One way to read the raw topic, in a process of its own: what it takes in CPU time, the threads of its Kafka library included.

Its arguments: drain, intake or faust; the broker, the prefix of topics, how many records, and how many of them to warm up. The warm
ones are read first and not counted. Prints {"records": ..., "cpu_s": ...}.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import faust
import msgspec
import orjson
from confluent_kafka import Consumer

from load_tests.intake_town import SOURCE, only_calls
from sinks.metrics import Metrics
from streams.shells.kafka.clients import consumer_settings
from streams.shells.kafka.deadline import Deadline
from streams.shells.kafka.intake import FLUSH_RECORDS, FLUSH_S, FLUSH_S_MAX, Session, Work
from streams.shells.kafka.layout import read_layout
from streams.shells.kafka.settings import KafkaSettings, load_deployment
from streams.shells.keys import load_key
from streams.shells.meter import Meter

KEYS = "keys"
"""Folder, beside the settings, with the digest key that the topics were made with."""


class Stopwatch:
    """CPU seconds of this process from record ``warm`` to record ``records``."""

    def __init__(self, records: int, warm: int) -> None:
        self._records, self._warm = records, warm
        self._began: tuple[int, float] | None = None

    def at(self, position: int) -> bool:
        """So many have been read; whether that is all."""
        if self._began is None and position >= self._warm:
            self._began = position, time.process_time()
        if position < self._records:
            return False
        assert self._began is not None, "it is begun before"
        first, cpu_s = self._began
        assert position > first, "all came at once, and nothing was measured: more records are needed"
        os.write(1, orjson.dumps({"records": position - first, "cpu_s": time.process_time() - cpu_s}) + b"\n")  # Faust takes sys.stdout
        return True


def drain(kafka: KafkaSettings, watch: Stopwatch) -> None:
    """librdkafka's consumer, and nothing done with what it brings."""
    consumer = Consumer(consumer_settings(kafka, "drain"))
    consumer.subscribe([kafka.topic(f"raw.{SOURCE}")])
    position = 0
    while not watch.at(position):
        position += len(consumer.consume(FLUSH_RECORDS, FLUSH_S))
    consumer.close()


def intake(kafka: KafkaSettings, watch: Stopwatch) -> None:
    """All of ``tocsin intake``, transactions included."""
    with Deadline("flush", FLUSH_S_MAX) as deadline:
        key = load_key(Path(os.environ[KEYS.upper()]))
        work = Work(only_calls(), kafka, read_layout(kafka), key, "bench", Meter(Metrics()), deadline)
        with Session(work) as session:
            while not watch.at(session.position(f"raw.{SOURCE}/0")):
                session.step()


class Call(msgspec.Struct):
    """What the typed decode of the per-record peer reads."""

    order_no: str
    accept_time: str
    item: str
    area_code: str = ""


def faust_agent(kafka: KafkaSettings, watch: Stopwatch) -> None:
    """A Faust agent: typed decode and a count in a dictionary, record by record, no state of Faust's."""
    with tempfile.TemporaryDirectory() as folder:
        app = faust.App(
            kafka.topic("faust"),
            broker=f"kafka://{kafka.bootstrap}",
            datadir=folder,
            store="memory://",
            web_enabled=False,
            consumer_auto_offset_reset="earliest",
            topic_allow_declare=False,
            topic_disable_leader=True,
            autodiscover=False,
        )
        counts: Counter[tuple[str, str, str]] = Counter()
        decode = msgspec.json.Decoder(Call).decode

        @app.agent(app.topic(kafka.topic(f"raw.{SOURCE}"), value_serializer="raw"))
        async def count(stream):  # type: ignore[no-untyped-def]
            position = 0
            async for value in stream:
                call = decode(value)
                counts[call.area_code, call.item, call.accept_time[:16]] += 1
                position += 1
                if watch.at(position):
                    os._exit(0)  # nothing of it is kept

        threading.Timer(600.0, os._exit, (1,)).start()
        faust.Worker(app, loglevel="error").execute_from_commandline()


PEERS: dict[str, Callable[[KafkaSettings, Stopwatch], None]] = {"drain": drain, "intake": intake, "faust": faust_agent}


def main() -> None:
    """As the docstring says."""
    name, bootstrap, prefix, records, warm = sys.argv[1:]
    environ = {"TOCSIN_KAFKA_BOOTSTRAP": bootstrap, "TOCSIN_KAFKA_PREFIX": prefix}
    PEERS[name](load_deployment(None, environ=environ).kafka, Stopwatch(int(records), int(warm)))
