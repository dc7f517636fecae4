"""Follows the alerts topic from its oldest record, and reads again what somebody has missed. Positions are the records' offsets.

While the broker is away it gives nothing and says so once; librdkafka finds its way back by itself.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from sinks.base import Batch
from streams.core.journal import CodecError, Record, decode
from streams.model import Alert, Outcome, Transition
from streams.shells.errors import ShellError
from streams.shells.kafka.clients import PARTITION_EOF, consumer_settings
from streams.shells.kafka.reading import ReadError, Reading
from streams.shells.kafka.repeats import Repeats
from streams.shells.kafka.settings import KafkaSettings

log = structlog.get_logger()

TOPIC = "alerts"
RECORDS_MAX = 1_000
WAIT_S = 0.2
PROBE_S = 1.0
ANSWER_S = 1.0
QUEUED_KIB = 16 << 10
HISTORY_RECORDS_MAX = 50_000
"""Records that are read for one reader who comes back: most of them are states of alerts, not events."""


class AlertsTopicError(ShellError):
    """The topic cannot be followed any further; the message says what to do."""

    status = 1


class AlertsTopic:
    """``read`` belongs to one thread; ``history`` and the attributes may be used from any."""

    def __init__(self, kafka: KafkaSettings) -> None:
        """Begin at the oldest record.

        Raises:
            ReadError: the broker does not answer.
        """
        self._kafka = kafka
        with Reading(kafka) as reading:
            oldest, self._goal = reading.ends(TOPIC, 0)
        self.first = oldest
        self.position = oldest
        self.behind = self._goal - oldest
        self.answers = True
        self.caught_up = False
        self.repeats = Repeats()
        self._probed_s = time.monotonic()
        self._errors: deque[KafkaError] = deque(maxlen=10)  # why nobody answers is said to librdkafka's callback only
        settings = consumer_settings(kafka, "cockpit", queued_max_messages_kbytes=QUEUED_KIB)
        self._consumer = Consumer(settings | {"error_cb": self._errors.append})
        self._at = TopicPartition(kafka.topic(TOPIC), 0, oldest)
        self._consumer.assign([self._at])

    def __enter__(self) -> AlertsTopic:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def read(self) -> Batch:
        """What is new, at once; after ``WAIT_S`` an empty batch.

        Raises:
            AlertsTopicError: a record is not to be read, or the topic has been made anew.
        """
        messages = self._consumer.consume(1, WAIT_S)
        if messages:
            messages += self._consumer.consume(RECORDS_MAX, 0)
        batch = self._batch(messages)
        if time.monotonic() - self._probed_s >= PROBE_S:
            self._probe()
        return batch

    def history(self, after: int, limit: int) -> list[tuple[int, Transition | Outcome]] | None:
        """The first events behind an offset, without repeats; None when they are not kept that far back, are too many, or cannot be had now."""
        if not self.answers or not self.repeats.reaches(after):
            return None
        found: list[tuple[int, Transition | Outcome]] = []
        records = 0
        try:
            with Reading(self._kafka) as reading:
                if reading.ends(TOPIC, 0)[0] > after + 1:
                    return None
                for batch in reading.read(TOPIC, 0, after + 1, end=self.position):
                    found += self._events(batch)
                    records += len(batch)
                    if len(found) >= limit:
                        return found[:limit]
                    if records > HISTORY_RECORDS_MAX:
                        return None
        except (ReadError, KafkaException):
            return None
        return found

    def _events(self, messages: Sequence[Message]) -> list[tuple[int, Transition | Outcome]]:
        records = ((_offset(message), decode(message.value() or b"")) for message in messages)
        return [(at, record) for at, record in records if isinstance(record, Transition | Outcome) and not self.repeats.is_repeat(at)]

    def _batch(self, messages: Sequence[Message]) -> Batch:
        alerts: dict[str, Alert] = {}
        transitions: list[tuple[int, Transition]] = []
        outcomes: list[tuple[int | None, Outcome]] = []
        for message in messages:
            if message.error() is not None:
                self._sign(message)
                continue
            offset, record = self._next(message)
            if not isinstance(record, Alert | Transition | Outcome) or not self.repeats.taken(offset, record, message.value() or b""):
                continue
            if isinstance(record, Alert):
                alerts[record.id] = record
            elif isinstance(record, Transition):
                transitions.append((offset, record))
            else:
                outcomes.append((offset, record))
        self.caught_up |= self.position >= self._goal
        return Batch(transitions=tuple(transitions), alerts=tuple(alerts.values()), outcomes=tuple(outcomes))

    def _next(self, message: Message) -> tuple[int, Record]:
        offset = _offset(message)
        name = f"{self._kafka.bootstrap}: topic {self._at.topic}"
        if offset < self.position:
            raise AlertsTopicError(f"{name}: offset {offset} comes after {self.position - 1}: it was made anew; start again")
        try:
            record = decode(message.value() or b"")
        except CodecError as error:
            raise AlertsTopicError(f"{name}, offset {offset}: {error}") from None
        self.position = offset + 1
        return offset, record

    def _sign(self, message: Message) -> None:
        """The end was reached, or something is wrong."""
        error = message.error()
        assert error is not None, "a sign is an error or an end"
        if error.code() == PARTITION_EOF:
            self.position = max(self.position, _offset(message))
            self.caught_up = True
            self.behind = 0
        elif error.fatal():
            raise AlertsTopicError(f"{self._kafka.bootstrap}: topic {self._at.topic}: {error.str()}; start again")
        elif not error.retriable():
            log.warning("topic_refused", topic=self._at.topic, reason=error.name(), remedy="tocsin topics check says what is wrong")

    def _probe(self) -> None:
        """Ask for the end: how much is to be read, and whether anybody answers."""
        try:
            _, end = self._consumer.get_watermark_offsets(self._at, timeout=ANSWER_S)
        except KafkaException as error:
            self._heard((self._errors[-1] if self._errors else error.args[0]).name())
        else:
            self._heard("")
            self._errors.clear()
            self.behind = max(0, end - self.position)
        self._probed_s = time.monotonic()

    def _heard(self, trouble: str) -> None:
        if trouble and self.answers:
            log.warning("broker_away", address=self._kafka.bootstrap, reason=trouble, remedy="shows what it has; goes on when it is back")
        elif not trouble and not self.answers:
            log.info("broker_back", address=self._kafka.bootstrap)
        self.answers = not trouble


def _offset(message: Message) -> int:
    offset = message.offset()
    assert offset is not None, "what was read has an offset"
    return offset
