"""``tocsin intake``: raw topics in, the counts journal out, each record exactly once.

One thread reads a handful of records, turns them into counts, and writes them in one transaction with how far it has
read. Whatever goes wrong in it, everything is taken up again from what is committed.
"""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import NoneType
from typing import NamedTuple

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from sinks.metrics import Metrics
from streams.core.bulk.intake import BulkIntake
from streams.core.intake import Folded
from streams.core.partitions import Cut
from streams.settings import City
from streams.shells.errors import ShellError
from streams.shells.kafka.blocks import blocks
from streams.shells.kafka.clients import PARTITION_EOF, consumer_settings, producer_settings, wait_for_broker
from streams.shells.kafka.deadline import Deadline
from streams.shells.kafka.flush import ANSWER_S as FLUSH_ANSWER_S
from streams.shells.kafka.flush import Flush, Part
from streams.shells.kafka.intake_state import TOPIC, Mark, StateError, remembered
from streams.shells.kafka.layout import Layout, LayoutError, check_city, read_layout
from streams.shells.kafka.metrics_port import serve_metrics
from streams.shells.kafka.pace import GroupMarks, ahead, idle_until_s
from streams.shells.kafka.reading import ReadError, Reading
from streams.shells.kafka.settings import Deployment, KafkaSettings
from streams.shells.kafka.topics import source_partitions
from streams.shells.keys import key_id, load_key
from streams.shells.meter import Meter, account

log = structlog.get_logger()

GROUP = "intake"
FLUSH_RECORDS = 50_000
FLUSH_S = 0.1
PACE_S = 1.0
BACKOFF_S = (0.2, 10.0)
ANSWER_S = 30.0
FLUSH_S_MAX = 4 * FLUSH_ANSWER_S
"""Each of the broker's answers in a flush is waited for so long at most by librdkafka; where it does not keep to that, the process ends."""
SESSION_MS = 10_000
TRANSACTION_MS = 3_000
"""Readers of committed records wait for an open transaction so long at most."""

_OWN_CODES = (KafkaError._FENCED, KafkaError._FATAL)  # noqa: SLF001 - librdkafka's own; a consumer whose name was taken gets the second
_FENCED = frozenset({*_OWN_CODES, KafkaError.FENCED_INSTANCE_ID, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH})


class IntakeError(ShellError):
    """Intake cannot go on; the message says what to do."""

    status = 1


class Lost(ShellError):
    """The broker has given this one's partitions away, since it was not heard of for too long."""

    status = 1


class Options(NamedTuple):
    """What the command line said."""

    state: Path
    instance: str
    metrics_port: int


def run(city: City, deployment: Deployment, options: Options) -> int:
    """Until SIGTERM or SIGINT.

    Raises:
        LayoutError: the topics are not those of this city.
        IntakeError: another process has taken this one's name.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    metrics = Metrics()
    metrics.config(city.name, city.config_version)
    serve_metrics(metrics, options.metrics_port)
    if not wait_for_broker(deployment.kafka, stop):
        return 0
    options.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = load_key(options.state)
    layout = read_layout(deployment.kafka)
    check_city(layout, city, key_id(key))
    problems = source_partitions(city, deployment.kafka)
    if problems:
        raise LayoutError("; ".join(problems))
    log.info("up", process="intake", instance=options.instance)
    settle_garbage()
    with Deadline("flush", FLUSH_S_MAX) as deadline:
        _keep_going(Work(city, deployment.kafka, layout, key, options.instance, Meter(metrics), deadline), stop)
    log.info("down", process="intake", instance=options.instance)
    return 0


class Work(NamedTuple):
    """What every session of one process has in common."""

    city: City
    kafka: KafkaSettings
    layout: Layout
    key: bytes
    instance: str
    meter: Meter
    deadline: Deadline


def _keep_going(work: Work, stop: threading.Event) -> None:
    """One session after the other, each from what is committed."""
    backoff_s = BACKOFF_S[0]
    while not stop.is_set():
        began = time.monotonic()
        try:
            with Session(work) as session:
                while not stop.is_set():
                    session.step()
        except KafkaException as error:
            code = error.args[0]
            if code.code() in _FENCED:
                raise IntakeError(
                    f"another process runs as intake {work.instance!r} and has taken over, or the broker took {TRANSACTION_MS} ms for a flush:"
                    " this one ends; give each its own --instance, start it again if it was the broker"
                ) from None
            log.warning("intake_interrupted", reason=code.name(), remedy="goes on from what is committed")
        except (ReadError, Lost) as error:
            log.warning("intake_interrupted", reason=str(error), remedy="goes on from what is committed")
        else:
            return
        if time.monotonic() - began > 60.0:
            backoff_s = BACKOFF_S[0]
        stop.wait(backoff_s)
        backoff_s = min(2 * backoff_s, BACKOFF_S[1])
        wait_for_broker(work.kafka, stop)


def settle_garbage() -> None:
    """Objects that stay are looked at no more, and the messages of a flush are gone before any others are: they are in no cycle."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(4 * FLUSH_RECORDS)


class Session:
    """One consumer, one transactional producer, and intake's state of the raw partitions this one has been given."""

    def __init__(self, work: Work) -> None:
        self._city, self._kafka, self._layout, self._meter = work.city, work.kafka, work.layout, work.meter
        city, kafka, instance = work.city, work.kafka, work.instance
        self._deadline = work.deadline.stretch()
        self._intake = BulkIntake(city, work.key, deltas=True)
        self._own: dict[str, Mark] = {}
        self._moved: dict[str, float] = {}  # when a raw partition last had something, by the monotonic clock
        self._paused: set[str] = set()
        self._paced = 0.0
        self._failed: Exception | None = None
        self._producer = Producer(
            producer_settings(
                kafka, transactional_id=kafka.topic(f"intake-{instance}"), transaction_timeout_ms=TRANSACTION_MS, compression_type="lz4"
            )
        )
        self._producer.init_transactions(ANSWER_S)
        self._flush = Flush(kafka, work.layout, Cut(city, work.layout.table), self._producer)
        self._consumer = Consumer(consumer_settings(kafka, GROUP, group_instance_id=f"{GROUP}-{instance}", session_timeout_ms=SESSION_MS))
        self._group = GroupMarks(kafka, self._consumer, city)
        topics = [kafka.topic(f"raw.{name}") for name in sorted(city.sources)]
        self._consumer.subscribe(topics, on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def position(self, raw: str) -> int:
        """How far a raw partition has been read and written; 0 where another has it."""
        return self._own[raw].position if raw in self._own else 0

    def step(self) -> None:
        """Read for a moment, and write what came.

        Raises:
            KafkaException: the flush was not written.
        """
        messages = self._consumer.consume(FLUSH_RECORDS, FLUSH_S)
        if self._failed is not None:
            raise self._failed
        parts = self._taken(messages)
        if parts:
            self._commit(parts)
        if time.monotonic() - self._paced >= PACE_S:
            self._paced = time.monotonic()
            self._pace(int(time.time()))

    def _taken(self, messages: Sequence[Message]) -> list[Part]:
        records, ended = self._read(messages)
        for raw in ended & self._own.keys():
            self._own[raw] = self._own[raw]._replace(at_end=True)
        now = time.monotonic()
        parts = []
        for (topic, partition), block in blocks(records).items():
            raw = self._raw_of(topic, partition)
            if raw not in self._own:  # it was taken away while these were on their way
                continue
            source, _ = _split(raw)
            self._moved[raw] = now
            folded = self._intake.apply_block(source, partition, block)
            if folded.counts:
                parts.append(Part(source, partition, folded, raw in ended))
                account(self._meter, source, len(block.payloads), folded)
        return parts

    def _read(self, messages: Sequence[Message]) -> tuple[Sequence[Message], set[str]]:
        """The records among the messages, and the raw partitions whose end was reached."""
        errors = list(map(type(messages[0]).error, messages)) if messages else []
        if {*map(type, errors)} <= {NoneType}:  # an error cannot be compared with None
            return messages, set()
        for error in errors:
            if error is not None and error.code() in _FENCED:  # an error that comes as a message does not say whether it is fatal
                raise KafkaException(error)
        ended = {self._raw(m) for m, error in zip(messages, errors, strict=True) if error is not None and error.code() == PARTITION_EOF}
        return [message for message, error in zip(messages, errors, strict=True) if error is None], ended

    def _commit(self, parts: list[Part]) -> None:
        with self._deadline:
            try:
                self._flush.write(parts, self._consumer.consumer_group_metadata())
            except KafkaException as error:
                if error.args[0].txn_requires_abort():
                    self._producer.abort_transaction(FLUSH_ANSWER_S)
                raise
        for part in parts:
            self._own[f"raw.{part.source}/{part.partition}"] = part.mark

    def _pace(self, now_s: int) -> None:
        """The clock's part: idle partitions, and those that wait for others."""
        self._group.refresh()
        marks = {**self._group.marks, **self._own}
        still = time.monotonic()
        for raw, mark in list(self._own.items()):
            source, partition = _split(raw)
            if mark.watermark_s:
                self._meter.watermark_lag(source, now_s - mark.watermark_s)
            if not mark.at_end or raw in self._paused:  # what waits for others may have more to read
                continue
            until_s = idle_until_s(self._city, raw, marks, still - self._moved[raw], now_s)
            if until_s is not None:
                folded: Folded = self._intake.idle(source, partition, until_s)
                self._commit([Part(source, partition, folded, at_end=True)])
                marks[raw] = self._own[raw]
        waiting = ahead(self._own, marks)
        for raw in waiting - self._paused:
            self._consumer.pause([self._at(raw)])
        for raw in self._paused - waiting:
            if raw in self._own:
                self._moved[raw] = still  # what has come meanwhile gets the time to arrive
                self._consumer.resume([self._at(raw)])
        self._paused = waiting

    def _assigned(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        """Take up each raw partition from what is committed. An exception must not pass through librdkafka: ``step`` raises it."""
        try:
            starts = [self._take_up(at) for at in consumer.committed(given, ANSWER_S)]
            consumer.assign(starts)
            consumer.resume(starts)  # one that had waited for others when it was taken away must not go on waiting
        except (KafkaException, ShellError) as error:
            self._failed = error
            return
        log.info("assigned", raws=sorted(self._own))

    def _take_up(self, at: TopicPartition) -> TopicPartition:
        if at.error is not None:
            raise KafkaException(at.error)
        raw = self._raw_of(at.topic, at.partition)
        source, partition = _split(raw)
        mark = Mark.of(at.metadata) if at.offset >= 0 else Mark(0)
        if mark is None or mark.position != max(0, at.offset):
            raise StateError(f"{raw}: offset {at.offset} was committed by something else than intake; use another kafka.prefix")
        with Reading(self._kafka) as reading:
            low, _ = reading.ends(f"raw.{source}", partition)
            records = ((m.key() or b"", m.value()) for batch in reading.read(TOPIC, self._layout.raws[raw]) for m in batch)
            known = remembered(source, partition, mark, records)
        if known.runs and known.runs[-1][0] + len(known.runs[-1][1]) // 8 > mark.position:
            raise Lost(f"{raw}: another process has gone on with it since it was asked how far it is")
        if mark.position < low:
            log.error(
                "raw_records_gone",
                raw=raw,
                records=low - mark.position,
                remedy="they were deleted before they were read: raise retention.ms",
            )
            self._meter.bound("raw_retention", low - mark.position)
        self._intake.take_up(known.saved, known.runs)
        self._flush.remember(raw, [(first, len(column) // 8) for first, column in known.runs])
        self._own[raw] = mark._replace(at_end=False)
        self._moved[raw] = time.monotonic()
        return TopicPartition(at.topic, at.partition, max(low, mark.position))

    def _revoked(self, _consumer: Consumer, taken: list[TopicPartition]) -> None:
        for at in taken:
            raw = self._raw_of(at.topic, at.partition)
            self._own.pop(raw, None)
            self._paused.discard(raw)
            self._intake.forget(*_split(raw))

    def _lost(self, consumer: Consumer, taken: list[TopicPartition]) -> None:
        """All is begun anew, the producer too: one that has lived through an outage has been seen to wait for ever."""
        self._revoked(consumer, taken)
        self._failed = Lost("the broker was away for longer than a session lasts")

    def _raw(self, message: Message) -> str:
        return self._raw_of(str(message.topic()), int(message.partition() or 0))

    def _raw_of(self, topic: str, partition: int) -> str:
        return f"{topic.removeprefix(self._kafka.file.prefix)}/{partition}"

    def _at(self, raw: str) -> TopicPartition:
        name, _, partition = raw.rpartition("/")
        return TopicPartition(self._kafka.topic(name), int(partition))


def _split(raw: str) -> tuple[str, int]:
    source, _, partition = raw.removeprefix("raw.").rpartition("/")
    return source, int(partition)
