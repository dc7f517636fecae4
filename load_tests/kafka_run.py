"""One pass of raw records through the processes of the Kafka shell, under names of its own: calm, or with kill -9 in between."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from random import Random
from typing import ClassVar, NamedTuple

from confluent_kafka import Producer

from load_tests.harry import Harrier, Kill, Role
from load_tests.progress import SETTLE_S_MAX, At, Progress
from load_tests.raw_records import PARTITIONS, RAW, read_records
from load_tests.services.children import Child, Place, until
from load_tests.services.clickhouse import ClickHouse
from load_tests.services.kafka import Kafka
from streams.shells.kafka.clients import producer_settings
from streams.shells.kafka.faust_app import GROUP as ASSESS
from streams.shells.kafka.intake import GROUP as INTAKE
from streams.shells.kafka.sink import GROUP as SINK
from streams.shells.kafka.sink_records import TOPICS as SUNK

TOPIC_PARTITIONS = {"counts": 4, "findings": 1, "scores": 4, "alerts": 1, "dead-letters": 1}
READ_BY = {ASSESS: ("counts", "findings"), SINK: SUNK}
"""Who has read what when nothing is left to do."""
CHUNK = 1_000
SNAPSHOT_EVERY_S = 3
ANSWER_S = 10.0
PASSWORD = "of-a-benchmark"


class Seconds(NamedTuple):
    """How long a run took, from its first record on: until all were produced, counted, and worked off to the tables."""

    produced: float
    counted: float
    done: float


class Ran(NamedTuple):
    """What came of a run. ``database``: where its tables are; ``kills``: of each role, with how long it took to go on."""

    place: Place
    database: str
    seconds: Seconds
    kills: list[Kill]


class Run:
    """The processes of one run. ``kill``: how often each of them is killed while the records are produced and worked off."""

    kind: ClassVar[type[Child]] = Child

    def __init__(
        self, folder: Path, name: str, settings: Path, services: tuple[Kafka, ClickHouse], *, kill: int = 0, seed: int = 1
    ) -> None:
        kafka, self._clickhouse = services
        self.database = f"bench_{name}"
        self.place = Place(
            {"TOCSIN_KAFKA_BOOTSTRAP": kafka.bootstrap, "TOCSIN_KAFKA_PREFIX": f"{name}.", **self._clickhouse.environ(self.database)},
            folder / name,
        )
        self.place.folder.mkdir(parents=True)
        self._raw, self._city = folder, ("--city", str(settings), "--state", str(self.place.folder / "state"))
        self._kill, self._random = kill, Random(seed)
        self.kills: list[Kill] = []
        self.progress = Progress(self.place.deployment.kafka, TOPIC_PARTITIONS)
        self.intake = self.kind(self.place, "intake", *self._city)
        self.assess = self.kind(self.place, "assess", "--snapshot-every", str(SNAPSHOT_EVERY_S))
        self.sink = self.kind(self.place, "sink", "clickhouse")

    def go(self) -> Ran:
        """All of it: topics, processes, records, and the wait until nothing is left to do."""
        create = Child(self.place, "topics", "create", *self._city, "--partitions", str(TOPIC_PARTITIONS["counts"]), name="topics").start()
        assert create.wait() == 0, f"the topics were not made; see {create.log}"
        with ExitStack() as stack:
            for child in self._children():
                stack.enter_context(child)
            began = time.monotonic()
            raw = self._given()
            produced = time.monotonic() - began
            self._until(lambda: self.progress.read(INTAKE, raw), "all records are counted")
            counted = time.monotonic() - began
            assert self.intake.stop() == 0, f"see {self.intake.log}"  # before it might take the end of the records for silence
            self.progress.settle(READ_BY, self._look)
            done = time.monotonic() - began
            self._settled()
            for child in (self.assess, self.sink):
                assert child.stop() == 0, f"see {child.log}"
        return Ran(self.place, self.database, Seconds(produced, counted, done), self.kills)

    def _children(self) -> Sequence[Child]:
        return (self.intake, self.assess, self.sink)

    def _given(self) -> dict[At, int]:
        """Produce the records while it harries; where the raw partitions end. No faster than kills are done, so that all meet records."""
        roles = self._roles()
        with Harrier(roles, self._kill * len(roles), self._random) as harrier:

            def before_chunk(part: float) -> None:
                self._look()
                harrier.wait_for(part)

            raw = produce(self.place, self._raw, before_chunk)
            harrier.finish()
        self.kills += harrier.kills
        return raw

    def _settled(self) -> None:
        """Nothing is left to do, and the processes still run."""

    def _roles(self) -> list[Role]:
        return [
            Role("intake", self.intake.kill, self.intake.start, (partial(self.progress.sum, INTAKE),)),
            Role("assess", self.assess.kill, self.assess.start, (partial(self.progress.sum, ASSESS),)),
            Role("sink", self.sink.kill, self.sink.start, (partial(self.progress.sum, SINK),)),
            Role("clickhouse", self._clickhouse.kill, self._clickhouse.start, (partial(self.progress.sum, SINK),)),
        ]

    def _until(self, true: Callable[[], bool], what: str) -> None:
        def looked() -> bool:
            self._look()
            return true()

        until(looked, what, SETTLE_S_MAX)

    def _look(self) -> None:
        """A process that ended by itself ends the run: what it is to be held against is what an operator would see."""
        for child in self._children():
            status = child.ended()
            assert status in (None, -9) or (child is self.intake and status == 0), f"ended with status {status}; see {child.log}"


def produce(place: Place, folder: Path, before_chunk: Callable[[float], object] = lambda _: None, chunk: int = CHUNK) -> dict[At, int]:
    """Every record of ``folder`` into its partition; where the raw partitions end.

    ``before_chunk`` hears how far it is, 0 to 1, and may answer False: no more.
    """
    kafka = place.deployment.kafka
    producer = Producer(producer_settings(kafka, queue_buffering_max_messages=CHUNK * 20) | {"log_level": 0})
    ends: Counter[At] = Counter({(f"raw.{source}", at): 0 for source, number in PARTITIONS.items() for at in range(number)})
    with (folder / RAW).open("rb") as file:
        total = sum(1 for _ in file)
    for number, record in enumerate(read_records(folder)):
        if number % chunk == 0:
            producer.flush(ANSWER_S)
            if before_chunk(number / total) is False:
                break
        topic = f"raw.{record.source}"
        assert ends[topic, record.partition] == record.offset, "the file's offsets are those of the topics"
        producer.produce(kafka.topic(topic), record.payload, partition=record.partition)
        ends[topic, record.partition] += 1
    assert producer.flush(60) == 0, "records were not acknowledged"
    return dict(ends)


def count(place: Place, settings: Path, folder: Path) -> None:
    """Topics, and the records of ``folder`` through intake alone."""
    place.folder.mkdir(parents=True, exist_ok=True)
    city = ("--city", str(settings), "--state", str(place.folder / "state"))
    assert Child(place, "topics", "create", *city, "--partitions", str(TOPIC_PARTITIONS["counts"]), name="topics").start().wait() == 0
    progress = Progress(place.deployment.kafka, TOPIC_PARTITIONS)
    with Child(place, "intake", *city) as intake:
        raw = produce(place, folder)
        until(lambda: progress.read(INTAKE, raw), "all records are counted", SETTLE_S_MAX)
        assert intake.stop() == 0, f"see {intake.log}"
