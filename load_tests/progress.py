"""How far the groups of a run have come, where its topics end, and when nothing is left to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.shells.kafka.clients import consumer_settings
from streams.shells.kafka.reading import Reading
from streams.shells.kafka.settings import KafkaSettings

At = tuple[str, int]
"""A topic without its prefix, and a partition."""
TAIL = 200
QUIET_LOOKS = 3
LOOK_S = 1.0
SETTLE_S_MAX = 3_600.0
ANSWER_S = 10.0


class Progress:
    """Of one prefix. ``partitions``: how many each topic has that is asked about."""

    def __init__(self, kafka: KafkaSettings, partitions: Mapping[str, int]) -> None:
        self._kafka, self._partitions = kafka, partitions
        self._askers: dict[str, tuple[Consumer, list[TopicPartition]]] = {}  # a consumer that joins nothing, and all there is to ask for
        self._mutex = threading.Lock()

    def committed(self, group: str) -> dict[At, int]:
        """Offsets; nothing while the group cannot be asked."""
        try:
            consumer, every = self._asker(group)
            answer = consumer.committed(every, ANSWER_S)
        except KafkaException:
            return {}
        prefix = self._kafka.file.prefix
        return {(at.topic.removeprefix(prefix), at.partition): at.offset for at in answer if at.error is None and at.offset >= 0}

    def _asker(self, group: str) -> tuple[Consumer, list[TopicPartition]]:
        """Of a group. An admin client would do, but librdkafka's has been seen to abort the process when a broker dies during a request."""
        with self._mutex:
            if group not in self._askers:
                consumer = Consumer(consumer_settings(self._kafka, group) | {"log_level": 0})
                topics = consumer.list_topics(timeout=ANSWER_S).topics
                own = [name for name in topics if name.startswith(self._kafka.file.prefix)]
                self._askers[group] = consumer, [TopicPartition(name, at) for name in own for at in topics[name].partitions]
            return self._askers[group]

    def sum(self, group: str) -> int:
        """All of them together: grows as the group goes on."""
        return sum(self.committed(group).values())

    def read(self, group: str, ends: Mapping[At, int]) -> bool:
        """Whether the group has come so far. An offset may lie beyond an end: what stands there are marks of transactions."""
        at = self.committed(group)
        return all(at.get(partition, 0) >= end for partition, end in ends.items())

    def ends(self, topic: str) -> dict[At, int]:
        """Behind the last record of each partition, marks of transactions left out."""
        with Reading(self._kafka) as reading:
            return {(topic, partition): self._end(reading, topic, partition) for partition in range(self._partitions[topic])}

    def settle(self, readers: Mapping[str, Sequence[str]], look: Callable[[], object], seconds: float = SETTLE_S_MAX) -> None:
        """Wait until every group is at the end of the topics it reads, and these ends stay where they are.

        Raises:
            AssertionError: they do not in time.
        """
        before: dict[At, int] | None = None
        quiet, until_s = 0, time.monotonic() + seconds
        while quiet < QUIET_LOOKS:
            assert time.monotonic() < until_s, f"not worked off in {seconds:g} s"
            look()
            threading.Event().wait(LOOK_S)
            ends = {at: end for topic in self._partitions for at, end in self.ends(topic).items()}
            wanted = {group: {at: end for at, end in ends.items() if at[0] in topics} for group, topics in readers.items()}
            through = all(self.read(group, part) for group, part in wanted.items())
            quiet = quiet + 1 if through and ends == before else 0
            before = ends

    @staticmethod
    def _end(reading: Reading, topic: str, partition: int) -> int:
        low, high = reading.ends(topic, partition)
        back = TAIL
        while high > low:
            first = max(low, high - back)
            last = max(
                (message.offset() or 0 for batch in reading.read(topic, partition, first, end=high) for message in batch), default=-1
            )
            if last >= 0:
                return last + 1
            if first == low:
                break
            back *= 8
        return 0
