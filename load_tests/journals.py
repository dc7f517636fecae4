"""One run's counts through the embedded engine, a replay of its folder, and Kafka with several numbers of partitions: the same outputs."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from confluent_kafka import Producer

from load_tests.outcomes import Row, Step, settled
from load_tests.progress import Progress
from load_tests.services.children import Child, Place
from sinks.base import Batch
from streams.columns import Cells, pack, unpack
from streams.core.journal import decode, encode
from streams.core.partitions import Cut
from streams.loading import load
from streams.model import Alert, Counts, Scores, Span, Transition
from streams.shells.kafka.clients import producer_settings
from streams.shells.kafka.faust_app import GROUP as ASSESS
from streams.shells.kafka.layout import read_layout
from streams.shells.kafka.reading import Reading
from streams.shells.opening import Opened
from streams.shells.outputs import RunWriter

PUMP_EVERY = 32
SETTLE_S = 600.0
ANSWER_S = 30.0


class Outputs(NamedTuple):
    """What score and decide put out, as encoded: scores by (shard, end of window), the newest state of each alert, transitions."""

    scores: dict[tuple[str, int], list[bytes]]
    alerts: dict[str, bytes]
    transitions: dict[tuple[str, int], bytes]

    @classmethod
    def empty(cls) -> Outputs:
        """Nothing yet."""
        return cls({}, {}, {})

    def take(self, record: object) -> None:
        """Add one."""
        if isinstance(record, Scores):
            known, data = self.scores.setdefault((record.shard, record.window_end_s), []), encode(record)
            if data not in known:  # said again after a kill
                known.append(data)
        elif isinstance(record, Transition):
            self.transitions.setdefault((record.alert_id, record.seq), encode(record))
        elif isinstance(record, Alert):
            self.alerts[record.id] = encode(record)

    def states(self, window_s: int) -> dict[Row, Row]:
        """How each alert has ended, those left out that no closed window has raised."""
        kept = {alert_id for alert_id, _ in self.closed(window_s)}
        found = [record for record in map(decode, self.alerts.values()) if isinstance(record, Alert) and record.id in kept]
        return {(a.id,): (a.onset_s, a.area, a.signals, a.state, a.band, a.risk, a.reason) for a in found}

    def closed(self, window_s: int) -> dict[Row, Row]:
        """What closed windows have done to alerts."""
        steps = [record for record in map(decode, self.transitions.values()) if isinstance(record, Transition)]
        return settled(sorted((_step(step) for step in steps), key=lambda step: (step.alert_id, step.seq)), window_s)


class Keeper:
    """A sink that keeps what it gets."""

    name: ClassVar[str] = "keeper"

    def __init__(self) -> None:
        self.outputs = Outputs.empty()

    def write(self, batch: Batch) -> None:
        """Take it all."""
        for record in (*batch.scores, *batch.alerts, *(step for _, step in batch.transitions)):
            self.outputs.take(record)

    def close(self) -> None:
        """Nothing to close."""


def embedded(settings: Path, journal: Iterable[Counts], folder: Path) -> Outputs:
    """Through the engine of the embedded shell over a folder of its own; its two files are in ``folder/out``."""
    city, keeper = load(settings), Keeper()
    now_s = int(time.time())
    opened = Opened(city, folder / "state", durability="off", now_s=now_s, sinks=(RunWriter(folder / "out", city), keeper))
    try:
        for number, record in enumerate(journal):
            opened.store.append_counts(record, now_s)
            if number % PUMP_EVERY == 0:
                opened.engine.drain(now_s)
        opened.engine.drain(now_s)
    finally:
        opened.close()
    return keeper.outputs


def through_kafka(settings: Path, journal: Iterable[Counts], place: Place, partitions: int) -> Outputs:
    """Through ``tocsin assess`` over topics of so many partitions."""
    place.folder.mkdir(parents=True, exist_ok=True)
    state = ("--city", str(settings), "--state", str(place.folder / "state"))
    assert Child(place, "topics", "create", *state, "--partitions", str(partitions), name="topics").start().wait() == 0
    _write(settings, journal, place)
    numbers = {"counts": partitions, "findings": 1}
    with Child(place, "assess", "--snapshot-every", "3600") as assess:
        Progress(place.deployment.kafka, numbers).settle({ASSESS: ("counts", "findings")}, lambda: _runs(assess), SETTLE_S)
        assert assess.stop() == 0, f"see {assess.log}"
    return said(place, partitions)


def said(place: Place, partitions: int) -> Outputs:
    """What stands in the topics of scores and alerts."""
    outputs = Outputs.empty()
    for topic, number in (("scores", partitions), ("alerts", 1)):
        for data in _records(place, topic, number):
            outputs.take(decode(data))
    return outputs


def whole(place: Place, partitions: int) -> list[Counts]:
    """The counts journal of one instance of intake as it was before it was cut: flush by flush, the districts' record before the city's.

    The first partition hosts the city's own level, so it has a record of every flush, in their order.
    """
    flushes: dict[tuple[Span, ...], dict[bool, list[Counts]]] = {}
    for data in _records(place, "counts", partitions):
        record = decode(data)
        if isinstance(record, Counts):
            flushes.setdefault(record.spans, {False: [], True: []})[record.rollup].append(record)
    return [_joined(parts) for levels in flushes.values() for parts in levels.values() if parts]


def _joined(parts: Sequence[Counts]) -> Counts:
    """One record of the parts that a flush was cut into: the same spans, other areas."""
    areas, signals = (sorted({word for part in parts for word in getattr(part, name)}) for name in ("areas", "signals"))
    columns = []
    for part in parts:
        cells = unpack(part)
        area = np.array([areas.index(code) for code in part.areas], np.uint32)[cells.area]
        signal = np.array([signals.index(name) for name in part.signals], np.uint16)[cells.signal]
        columns.append(cells._replace(area=area, signal=signal))
    joined: list[Any] = [np.concatenate(column) for column in zip(*columns, strict=True)]
    cells = Cells(*joined)
    order = np.lexsort((cells.minute, cells.signal, cells.area, cells.span))
    return pack(
        rollup=parts[0].rollup,
        config_hash=parts[0].config_hash,
        spans=parts[0].spans,
        areas=areas,
        signals=signals,
        cells=Cells(*(column[order] for column in joined)),
        quality=next((part.quality for part in parts if part.quality), ()),
    )


def _write(settings: Path, journal: Iterable[Counts], place: Place) -> None:
    kafka = place.deployment.kafka
    cut = Cut(load(settings), read_layout(kafka).table)
    producer = Producer(producer_settings(kafka))
    for record in journal:
        for partition, part in cut.apart(record):
            producer.produce(kafka.topic("counts"), encode(part), partition=partition)
        producer.poll(0)
    assert producer.flush(ANSWER_S) == 0


def _records(place: Place, topic: str, partitions: int) -> Iterator[bytes]:
    with Reading(place.deployment.kafka) as reading:
        for partition in range(partitions):
            for batch in reading.read(topic, partition):
                yield from (message.value() or b"" for message in batch)


def _runs(child: Child) -> None:
    assert child.ended() is None, f"ended with status {child.ended()}; see {child.log}"


def _step(step: Transition) -> Step:
    return Step(*(getattr(step, name) for name in Step.__struct_fields__))
