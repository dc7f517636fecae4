"""One way to read the raw topic, in a process of its own: what it takes in CPU time, the threads of its Kafka library included.

Its arguments: drain, intake, faust or profile; the broker, the prefix of topics, how many records, and how many of them to warm up. The warm
ones are read first and not counted. Prints {"records": ..., "cpu_s": ...}.
"""

from __future__ import annotations

import cProfile
import os
import pstats
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
from streams.shells.kafka.intake import FLUSH_RECORDS, FLUSH_S, FLUSH_S_MAX, Session, Work, settle_garbage
from streams.shells.kafka.layout import read_layout
from streams.shells.kafka.settings import KafkaSettings, load_deployment
from streams.shells.keys import load_key
from streams.shells.meter import Meter

KEYS = "keys"
"""Folder, beside the settings, with the digest key that the topics were made with."""


class Stopwatch:
    """CPU seconds of this process from record ``warm`` to record ``records``."""

    def __init__(self, records: int, warm: int) -> None:
        self.records, self.warm = records, warm
        self._began: tuple[int, float] | None = None

    def at(self, position: int) -> bool:
        """So many have been read; whether that is all."""
        if self._began is None and position >= self.warm:
            self._began = position, time.process_time()
        if position < self.records:
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
        settle_garbage()
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


def profiled(kafka: KafkaSettings, watch: Stopwatch) -> None:
    """``intake`` under a profiler of CPU time: prints {stage: microseconds a record}, the profiler's own cost in it."""
    profile = cProfile.Profile(time.thread_time)
    counted = _Counted(watch, profile)
    intake(kafka, counted)
    profile.disable()
    total = time.process_time() - counted.began_s
    rows = pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]
    spent = {
        stage: sum(row[3] for (path, _, name), row in rows if path.endswith(file) and name == function)
        for stage, (file, function) in STAGES.items()
    }
    main = sum(row[2] for _, row in rows)
    spent["the rest of the main thread"] = max(0.0, main - sum(spent.values()))
    spent["threads of the Kafka library"] = max(0.0, total - main)
    os.write(
        1, orjson.dumps({stage: round(1e6 * spent_s / (counted.position - counted.first), 3) for stage, spent_s in spent.items()}) + b"\n"
    )


class _Counted(Stopwatch):
    """Profiles what the stopwatch times."""

    def __init__(self, watch: Stopwatch, profile: cProfile.Profile) -> None:
        super().__init__(watch.records, watch.warm)
        self._profile, self.first, self.position, self.began_s = profile, 0, 0, 0.0

    def at(self, position: int) -> bool:
        if not self.began_s and position >= self.warm:
            self.first, self.began_s = position, time.process_time()
            self._profile.enable()
        self.position = position
        return position >= self.records


STAGES = {
    "taking messages over from the Kafka library": ("~", "<method 'consume' of 'cimpl.Consumer' objects>"),
    "messages to columns": ("blocks.py", "blocks"),
    "scanning JSON": ("scan.py", "scan"),
    "times": ("civil.py", "parse"),
    "categories, codes, addresses": ("tokens.py", "look_up"),
    "points": ("areas.py", "by_points"),
    "digests": ("reader.py", "_digests"),
    "judging: watermark, duplicates, batch entry": ("sweep.py", "sweep"),
    "cells": ("intake.py", "_folded"),
    "journal records": ("flush.py", "_write_counts"),
    "transaction": ("~", "<method 'commit_transaction' of 'cimpl.Producer' objects>"),
}
"""Stage -> file and function, none within another."""

PEERS: dict[str, Callable[[KafkaSettings, Stopwatch], None]] = {"drain": drain, "intake": intake, "faust": faust_agent, "profile": profiled}


def main() -> None:
    """As the docstring says."""
    name, bootstrap, prefix, records, warm = sys.argv[1:]
    environ = {"TOCSIN_KAFKA_BOOTSTRAP": bootstrap, "TOCSIN_KAFKA_PREFIX": prefix}
    PEERS[name](load_deployment(None, environ=environ).kafka, Stopwatch(int(records), int(warm)))
