"""Processes of the Kafka shell as children, and what stands in the topics afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from confluent_kafka import Message, Producer

from load_tests.services.children import Child, until
from streams.columns import unpack
from streams.core.journal import decode
from streams.model import Counts
from streams.shells.kafka.clients import producer_settings
from streams.shells.kafka.reading import Reading
from tests.services.conftest import Place

__all__ = ["Child", "cells", "counts", "messages", "produce", "records", "until"]


def produce(place: Place, source: str, records: Sequence[bytes], partition: int = 0) -> None:
    """Raw records, acknowledged."""
    kafka = place.deployment.kafka
    producer = Producer(producer_settings(kafka))
    for record in records:
        producer.produce(kafka.topic(f"raw.{source}"), record, partition=partition)
        producer.poll(0)
    assert producer.flush(30) == 0


def messages(place: Place, topic: str, partition: int = 0) -> list[Message]:
    """All committed records of a partition."""
    with Reading(place.deployment.kafka) as reading:
        return [message for batch in reading.read(topic, partition) for message in batch]


def records(place: Place, topic: str, partition: int = 0) -> list[bytes]:
    """Their values."""
    return [message.value() or b"" for message in messages(place, topic, partition)]


def counts(place: Place, partitions: int) -> list[Counts]:
    """The counts journal, partition by partition."""
    found = [decode(data) for partition in range(partitions) for data in records(place, "counts", partition)]
    return [record for record in found if isinstance(record, Counts)]


def cells(journal: Sequence[Counts], *, rollup: bool = False) -> Counter[tuple[str, str, int]]:
    """(area, signal, minute) -> n."""
    summed: Counter[tuple[str, str, int]] = Counter()
    for record in journal:
        if record.rollup == rollup:
            table = unpack(record)
            for area, name, minute, n in zip(table.area, table.signal, table.minute, table.n, strict=True):
                summed[record.areas[area], record.signals[name], int(minute)] += int(n)
    return summed
