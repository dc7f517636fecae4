"""A host: the machine of one partition, taken up from its newest snapshot, and what it says, put into the other topics.

What a machine has said since its snapshot is said again after a kill, in the same order and with the same numbers: whoever reads
it drops what it knows. So nothing hangs on which offsets a group has committed; those only spare reading.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog
from confluent_kafka import KafkaException, Message, Producer

from streams.core.damage import SnapshotRefused
from streams.core.journal import CodecError, decode
from streams.model import Command
from streams.shells.errors import ShellError
from streams.shells.kafka.clients import producer_settings
from streams.shells.kafka.machines import Machine, Put
from streams.shells.kafka.reading import Reading
from streams.shells.kafka.settings import KafkaSettings
from streams.shells.kafka.snapshots import TOPIC as SNAPSHOTS
from streams.shells.kafka.snapshots import Manifest, Snapshot, SnapshotError, Writer, load_newest

log = structlog.get_logger()

FULL_WAIT_S = 0.1
FLUSH_S = 20.0


class HostError(ShellError):
    """A machine cannot go on; the message says what to do."""

    status = 1


class Voice:
    """Puts what machines say into topics, in order. Its queue is librdkafka's; while that is full, the one who speaks waits."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._producer = Producer(producer_settings(kafka, message_timeout_ms=0))  # never given up: after a gap nothing could be said
        self._failed = ""

    def say(self, puts: list[Put]) -> None:
        """Queue records.

        Raises:
            HostError: the broker has refused one for good.
        """
        for put in puts:
            self._queue(put)
        self._producer.poll(0)
        self._check()

    def heard(self) -> bool:
        """Wait until all that was said is acknowledged; False when it takes too long.

        Raises:
            HostError: the broker has refused one for good.
        """
        left = self._producer.flush(FLUSH_S)
        self._check()
        return left == 0

    def _queue(self, put: Put) -> None:
        while True:
            try:
                self._producer.produce(self._kafka.topic(put.topic), put.data, partition=put.partition, on_delivery=self._told)
            except BufferError:
                self._producer.poll(FULL_WAIT_S)
                self._check()
            except KafkaException as error:
                raise HostError(
                    f"topic {self._kafka.topic(put.topic)}: {error.args[0].str()}; start again, it goes on from its snapshot"
                ) from None
            else:
                return

    def _told(self, error: object, message: Message) -> None:
        if error is not None and not self._failed:
            self._failed = f"topic {message.topic()}: {error}"

    def _check(self) -> None:
        if self._failed:
            raise HostError(f"{self._failed}; what was said is not in the log, so this process ends: started again, it says it again")


class Host:
    """One partition of a journal. Everything but ``position`` is for one thread.

    Args:
        topic, partition: of the journal.
        slot: partition of the snapshots topic.
        build: makes the machine from the configuration's journal record.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        partition: int,
        slot: int,
        build: Callable[[Command], Machine],
        voice: Voice,
        *,
        keep_every_s: int,
    ) -> None:
        self.topic, self.partition, self.position = topic, partition, 0
        self.unsure = False  # somebody else may have had it meanwhile: a gap is looked into
        self._generation: int | None = None
        self._kafka, self._slot, self._voice, self._keep_every_s = kafka, slot, voice, keep_every_s
        self._saved_at = 0
        self._halfway = False  # a record was taken and not all it led to was said: such a state must not be kept
        self._machine, self._configure, self._writer = self._take_up(build)

    def _take_up(self, build: Callable[[Command], Machine]) -> tuple[Machine, Command, Writer]:
        found = load_newest(self._kafka, self._slot)
        manifest: Manifest | None = None
        if found is None:
            configure = self._head()
            machine = build(configure)
        else:
            snapshot, manifest = found
            configure, self.position = snapshot.configure, snapshot.position
            machine = build(configure)
            try:
                machine.restore(snapshot.state)
            except SnapshotRefused as error:
                raise HostError(
                    f"{self.topic}/{self.partition}: the newest snapshot cannot be used ({error}); start the release that wrote it, or delete"
                    f" the topic {self._kafka.topic(SNAPSHOTS)} and run tocsin topics create"
                ) from None
        self._saved_at = self.position
        log.info("taken_up", journal=self.topic, partition=self.partition, position=self.position, snapshot=found is not None)
        return machine, configure, Writer(self._kafka, self._slot, manifest, keep_every_s=self._keep_every_s)

    def _head(self) -> Command:
        """The configuration that a journal begins with."""
        with Reading(self._kafka) as reading:
            low, high = reading.ends(self.topic, self.partition)
            self.position = low
            first = next((batch[0] for batch in reading.read(self.topic, self.partition, low, end=high)), None)
        record = decode(first.value() or b"") if first is not None else None
        if not isinstance(record, Command):
            raise HostError(
                f"{self.topic}/{self.partition}: there is no snapshot, and the journal does not begin with its configuration any more;"
                " restore the topic snapshots, or begin anew under another kafka.prefix"
            )
        return record

    def take(self, offset: int, data: bytes, generation: int | None = None) -> None:
        """Take a record of the journal; one that was taken before is passed over. ``generation``: of the group that it was read in.
        The first record of a generation may come before anybody has said that there is a new one.

        Raises:
            HostError: bytes that are no record of this journal, or an answer that the broker refused.
        """
        if generation != self._generation:
            self._generation, self.unsure = generation, True
        if offset < self.position:
            return
        if self.unsure:
            self.unsure = False
            self.catch_up(offset)
        self._apply(offset, data)

    def catch_up(self, end: int | None = None) -> None:
        """Read the journal itself from the position to ``end``, or to where it ends now.

        Raises:
            HostError: as for ``take``.
            ReadError: no answer.
        """
        with Reading(self._kafka) as reading:
            low, high = reading.ends(self.topic, self.partition)
            if self.position < low:
                raise HostError(
                    f"{self.topic}/{self.partition}: records {self.position} to {low - 1} were deleted before they were taken;"
                    " raise retention.ms, and begin anew under another kafka.prefix"
                )
            end = high if end is None else end
            for batch in reading.read(self.topic, self.partition, self.position, end=end):
                for message in batch:
                    offset = message.offset()
                    assert offset is not None, "a record that was read has an offset"
                    self._apply(offset, message.value() or b"")

    def _apply(self, offset: int, data: bytes) -> None:
        self._halfway = True
        try:
            puts = self._machine.take(data)
        except CodecError as error:
            raise HostError(f"{self.topic}/{self.partition} at {offset}: {error}") from None
        self._voice.say(puts)
        self.position = offset + 1
        self._halfway = False

    def next_deadline_s(self) -> int | None:
        """The earliest time at which a ``Tick`` would change something."""
        return self._machine.next_deadline_s()

    def checkpoint(self) -> bool:
        """Write a snapshot, once all that was said is in the log. False when nothing is new, or the broker takes too long."""
        if self._halfway or self.position == self._saved_at or not self._voice.heard():
            return False
        snapshot = Snapshot(self.position, int(time.time()), self._configure, self._machine.snapshot())
        try:
            self._writer.write(snapshot)
        except SnapshotError as error:
            log.warning("snapshot_not_written", journal=self.topic, partition=self.partition, reason=str(error), remedy="tried again later")
            return False
        self._saved_at = snapshot.position
        return True
