"""When raw partitions that stand still are declared idle, and which wait for others that are behind."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streams.settings import City
from streams.shells.desk import HISTORIC_IDLE_S, RECENT_S
from streams.shells.kafka.intake_state import Mark
from streams.shells.kafka.settings import KafkaSettings

AHEAD_S_MAX = 600
"""A partition so far ahead in event time of one that has more to read waits for it, so that open windows stay few."""
ANSWER_S = 5.0


class GroupMarks:
    """How far each raw partition of the city has come, whoever reads it: the committed offsets of a consumer's group."""

    def __init__(self, kafka: KafkaSettings, consumer: Consumer, city: City) -> None:
        self._consumer = consumer
        self._raws = {raw: _topic(kafka, raw) for raw in city.raws}
        self.marks: dict[str, Mark] = {}

    def refresh(self) -> None:
        """Ask again; what cannot be asked stays as it was."""
        try:
            answer = self._consumer.committed([TopicPartition(*at) for at in self._raws.values()], ANSWER_S)
        except KafkaException:
            return
        names = {at: raw for raw, at in self._raws.items()}
        for at in answer:
            mark = Mark.of(at.metadata)
            if mark is not None:
                self.marks[names[at.topic, at.partition]] = mark


def idle_until_s(city: City, raw: str, marks: Mapping[str, Mark], still_s: float, now_s: int) -> int | None:
    """Up to when a raw partition that is read to its end and has stood still for ``still_s`` is taken to have nothing; None: not yet.

    While the city's newest event is recent: up to now minus its allowed lateness. While history is being loaded the clock
    says nothing: after a longer wait, up to the newest watermark of the others.
    """
    source = city.sources[raw.removeprefix("raw.").rsplit("/", 1)[0]]
    recent = max((mark.newest_s for mark in marks.values()), default=0) >= now_s - RECENT_S
    if still_s < (source.idle_after_s if recent else max(HISTORIC_IDLE_S, source.idle_after_s)):
        return None
    if recent:
        target_s = now_s - source.allowed_lateness_s
    else:
        target_s = max((mark.watermark_s for name, mark in marks.items() if name != raw), default=0)
    window_s = city.detection.window_s
    known_s = marks[raw].watermark_s if raw in marks else 0
    return target_s if target_s // window_s > known_s // window_s else None  # else it would close no window


def ahead(own: Mapping[str, Mark], marks: Mapping[str, Mark]) -> set[str]:
    """Which of one's own raw partitions wait: those too far ahead of the slowest that has more to read."""
    behind = [mark.watermark_s for mark in {**marks, **own}.values() if not mark.at_end and mark.watermark_s > 0]
    if not behind:
        return set()
    slowest_s = min(behind)
    return {raw for raw, mark in own.items() if mark.watermark_s > slowest_s + AHEAD_S_MAX}


def _topic(kafka: KafkaSettings, raw: str) -> tuple[str, int]:
    name, _, partition = raw.rpartition("/")
    return kafka.topic(name), int(partition)
