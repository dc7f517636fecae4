"""Reads one partition from a position to its end, once: layouts, what intake remembers, snapshots, journals behind them."""

from __future__ import annotations

import time
from collections.abc import Iterator

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.shells.errors import ShellError
from streams.shells.kafka.clients import PARTITION_EOF, consumer_settings
from streams.shells.kafka.settings import KafkaSettings

BATCH = 1_000
WAIT_S = 0.1
ANSWER_S = 30.0
_SOON = frozenset({KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS})
"""What a broker says for a moment after its start."""


class ReadError(ShellError):
    """The broker did not answer, or what was asked for is gone."""

    status = 1


class Reading:
    """A consumer without a group. Used by one thread; closed by ``with``."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._consumer = Consumer(consumer_settings(kafka, "reading"))

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def ends(self, topic: str, partition: int) -> tuple[int, int]:
        """The oldest offset kept, and the one behind the newest committed record; (0, 0) for a topic that is not there.

        Raises:
            ReadError: no answer.
        """
        name, until_s = self._kafka.topic(topic), time.monotonic() + ANSWER_S
        while True:
            try:
                if name not in self._consumer.list_topics(timeout=ANSWER_S).topics:
                    return 0, 0
                low, high = self._consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=ANSWER_S)
            except KafkaException as error:
                if error.args[0].code() not in _SOON or time.monotonic() > until_s:
                    raise ReadError(f"{self._kafka.bootstrap}: topic {name}: {error.args[0].str()}") from None
                self._consumer.poll(WAIT_S)  # the broker has just come up, and does not know yet who leads what
            else:
                return int(low), int(high)

    def at(self, topic: str, since_ms: int) -> int:
        """The offset of the first record that the log took at or after a time; the end when there is none."""
        name = self._kafka.topic(topic)
        try:
            (found,) = self._consumer.offsets_for_times([TopicPartition(name, 0, since_ms)], timeout=ANSWER_S)
        except KafkaException as error:
            raise ReadError(f"{self._kafka.bootstrap}: topic {name}: {error.args[0].str()}") from None
        return int(found.offset) if found.offset >= 0 else self.ends(topic, 0)[1]

    def read(self, topic: str, partition: int, position: int = 0, *, end: int | None = None) -> Iterator[list[Message]]:
        """Committed records from ``position`` to ``end`` (left out: the end as it is now), in batches, none of them empty.

        Offsets have gaps, since transactions leave marks in the log: it is over when the position is the end, not at the last record.

        Raises:
            ReadError: no answer for ``ANSWER_S``.
        """
        if end is None:
            end = self.ends(topic, partition)[1]
        if position >= end:
            return
        at = TopicPartition(self._kafka.topic(topic), partition, position)
        self._consumer.assign([at])
        try:
            heard = time.monotonic()
            while True:
                messages = self._consumer.consume(BATCH, WAIT_S)
                if messages:
                    heard = time.monotonic()
                elif time.monotonic() - heard > ANSWER_S:
                    raise ReadError(f"{self._kafka.bootstrap}: topic {at.topic}: nothing came for {ANSWER_S:g} s")
                batch, over = _sorted_out(messages, end)
                if batch:
                    yield batch
                if over:
                    return
        finally:
            self._consumer.unassign()


def _sorted_out(messages: list[Message], end: int) -> tuple[list[Message], bool]:
    """Records below ``end``; whether it was reached."""
    batch: list[Message] = []
    for message in messages:
        error = message.error()
        if error is not None:
            if error.code() == PARTITION_EOF:
                return batch, True
            if error.fatal() or not error.retriable():
                raise ReadError(f"topic {message.topic()}: {error.str()}")
            continue
        offset = message.offset()
        if offset is None or offset >= end:
            return batch, True
        batch.append(message)
        if offset == end - 1:
            return batch, True
    return batch, False
