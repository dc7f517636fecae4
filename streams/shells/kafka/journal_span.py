"""Copies a span of a city's journals out of Kafka: from the snapshots of a day to a time, or to the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Message
from msgspec import Struct

from streams.core.journal import encode
from streams.shells.errors import ShellError
from streams.shells.kafka.journal_copy import Beginning, JournalCopy, Topic
from streams.shells.kafka.layout import encode_layout, read_layout
from streams.shells.kafka.reading import Reading
from streams.shells.kafka.replay import LAYOUT
from streams.shells.kafka.settings import KafkaSettings
from streams.shells.kafka.snapshots import DECIDE, load_at, topic_partition


class SpanError(ShellError):
    """The journals do not hold what was asked for; the message says what they do hold."""

    status = 1


class Copied(Struct, frozen=True):
    """How many records were copied, and how many of the beginnings are snapshots."""

    counts: int
    findings: int
    alerts: int
    snapshots: int


class _Part(NamedTuple):
    """What was copied of a partition."""

    records: int
    first_ms: int | None


def copy_span(kafka: KafkaSettings, path: Path, *, from_s: int, to_s: int | None) -> Copied:
    """Copy what a replay needs to tell ``from_s`` to ``to_s`` (by the time the log took a record) into a new file.

    It begins with the newest snapshots of before ``from_s``; where there is none, at the head of the journals.

    Raises:
        SpanError: there is no snapshot so old, and the head of the journals is gone.
        CopyError: the file cannot be made.
    """
    layout = read_layout(kafka)
    copy = JournalCopy.create(path)
    try:
        with Reading(kafka) as reading:
            copied = _copy_all(_Span(reading, copy, to_s), kafka, encode_layout(layout), layout.partitions, from_s)
        copy.finish()
        return copied
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        copy.close()


def _copy_all(span: _Span, kafka: KafkaSettings, layout: bytes, partitions: int, from_s: int) -> Copied:
    span.copy.note(LAYOUT, layout.decode())
    beginnings = [_beginning(span, kafka, partition, partitions, from_s) for partition in (DECIDE, *range(partitions))]
    for beginning in beginnings:
        span.copy.begin(beginning)
    decide, *scores = beginnings
    counts = [span.take("counts", beginning.partition, beginning.position) for beginning in scores]
    findings = span.take("findings", 0, decide.position)
    # What shards found in these counts stands behind them in time, before what decide takes up first, perhaps.
    since_ms = min((part.first_ms for part in (*counts, findings) if part.first_ms is not None), default=None)
    earlier = alerts = _Part(0, None)
    if since_ms is not None:
        earlier = span.take("findings", 0, span.reading.at("findings", since_ms), end=decide.position)
        alerts = span.take("alerts", 0, span.reading.at("alerts", since_ms))
    return Copied(
        sum(part.records for part in counts),
        findings.records + earlier.records,
        alerts.records,
        sum(beginning.state is not None for beginning in beginnings),
    )


def _beginning(span: _Span, kafka: KafkaSettings, partition: int, partitions: int, from_s: int) -> Beginning:
    snapshot = load_at(kafka, topic_partition(partition, partitions), from_s)
    if snapshot is not None:
        return Beginning(partition, snapshot.position, encode(snapshot.configure), snapshot.state)
    topic: Topic = "findings" if partition == DECIDE else "counts"
    at = max(0, partition)
    low, _ = span.reading.ends(topic, at)
    first = next((batch[0] for batch in span.reading.read(topic, at, low, end=low + 1)), None)
    if low > 0 or first is None:
        raise SpanError(f"{topic} partition {at} begins at offset {low}, and no snapshot is as old as --from: give a later time")
    return Beginning(partition, 0, _value(first), None)


class _Span:
    """Copies parts of partitions, up to a time."""

    def __init__(self, reading: Reading, copy: JournalCopy, to_s: int | None) -> None:
        self.reading, self.copy = reading, copy
        self._to_ms = None if to_s is None else to_s * 1000

    def take(self, topic: Topic, partition: int, position: int, *, end: int | None = None) -> _Part:
        taken, first_ms = 0, None
        for batch in self._until(self.reading.read(topic, partition, position, end=end)):
            self.copy.add(topic, partition, [(_offset(message), _value(message)) for message in batch])
            first_ms = message_ms(batch[0]) if first_ms is None else first_ms
            taken += len(batch)
        return _Part(taken, first_ms)

    def _until(self, batches: Iterator[list[Message]]) -> Iterator[list[Message]]:
        for batch in batches:
            kept = [message for message in batch if self._to_ms is None or message_ms(message) <= self._to_ms]
            if kept:
                yield kept
            if len(kept) < len(batch):
                return


def message_ms(message: Message) -> int:
    """When the log took a record, in milliseconds since the epoch."""
    return int(message.timestamp()[1])


def _value(message: Message) -> bytes:
    return message.value() or b""


def _offset(message: Message) -> int:
    offset = message.offset()
    assert offset is not None, "a record that was read has an offset"
    return offset
