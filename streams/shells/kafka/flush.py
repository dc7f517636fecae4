"""One flush of intake: what a handful of raw records becomes, written in one transaction with how far they were read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from confluent_kafka import Producer, TopicPartition
from msgspec import Struct

from streams.core.intake import DEDUPE_OFFSETS, Folded
from streams.core.journal import encode
from streams.core.partitions import Cut, merged
from streams.model import Counts, Rejected
from streams.shells.kafka.intake_state import TOPIC, Mark, Memory
from streams.shells.kafka.layout import Layout
from streams.shells.kafka.settings import KafkaSettings

ANSWER_S = 6.0
"""Twice as long as the broker keeps a transaction open: what has no answer by then has been aborted there."""


class Part(Struct):
    """What one raw partition brings to a flush."""

    source: str
    partition: int
    folded: Folded
    at_end: bool

    @property
    def mark(self) -> Mark:
        """How far it has come with it."""
        delta = self.folded.delta
        assert delta is not None, "intake tells what changed"
        saved = delta.saved
        return Mark(saved.position, saved.watermark_s, saved.newest_s, saved.since_s, saved.idle, self.at_end)


class Flush:
    """Writes flushes with one transactional producer."""

    def __init__(self, kafka: KafkaSettings, layout: Layout, cut: Cut, producer: Producer) -> None:
        self._kafka, self._layout, self._cut, self._producer = kafka, layout, cut, producer
        self._memory: dict[str, Memory] = {}

    def remember(self, raw: str, runs: Iterable[tuple[int, int]]) -> None:
        """A raw partition was taken up; ``runs``: (first offset, length) of the digests that stand in the topic."""
        self._memory[raw] = Memory(DEDUPE_OFFSETS, runs)

    def write(self, parts: list[Part], group: Any) -> None:
        """All of it or nothing. ``group``: the consumer's metadata, so that one who has lost its partitions is refused.

        Raises:
            KafkaException: it was not written; the transaction is to be aborted and everything taken up from what is committed.
        """
        self._producer.begin_transaction()
        counts = [record for part in parts for record in part.folded.counts]
        for rollup in (False, True):
            of_level = [record for record in counts if record.rollup == rollup]
            if of_level:
                self._write_counts(merged(of_level))
        for part in parts:
            self._write_state(part)
            for rejected in part.folded.rejected:
                self._write_rejected(rejected)
        offsets = [
            TopicPartition(self._kafka.topic(f"raw.{part.source}"), part.partition, part.mark.position, part.mark.text()) for part in parts
        ]
        self._producer.send_offsets_to_transaction(offsets, group, ANSWER_S)
        self._producer.commit_transaction(ANSWER_S)

    def _write_counts(self, counts: Counts) -> None:
        for partition, record in self._cut.apart(counts):
            self._producer.produce(self._kafka.topic("counts"), encode(record), partition=partition)

    def _write_state(self, part: Part) -> None:
        raw = f"raw.{part.source}/{part.partition}"
        delta = part.folded.delta
        assert delta is not None, "intake tells what changed"
        topic, at = self._kafka.topic(TOPIC), self._layout.raws[raw]
        for key, value in self._memory[raw].records(delta, [(first, column) for _, first, column in part.folded.digests]):
            self._producer.produce(topic, value, key, partition=at)

    def _write_rejected(self, rejected: Rejected) -> None:
        raw, _, partition = rejected.raw.rpartition("/")
        headers: Mapping[str, str] = {
            "__connect.errors.topic": raw,
            "__connect.errors.partition": partition,
            "__connect.errors.offset": str(rejected.offset),
            "__connect.errors.exception.message": rejected.reason,
        }
        body = {
            "source": rejected.source,
            "reason": rejected.reason,
            "digest": rejected.digest,
            "raw": rejected.raw,
            "offset": rejected.offset,
            "at_s": rejected.at_s,
        }
        self._producer.produce(self._kafka.topic("dead-letters"), orjson.dumps(body), partition=0, headers=dict(headers))
