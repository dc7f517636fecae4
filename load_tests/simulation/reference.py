"""The undisturbed run of a seed: the same raw log, and the same words of the clock about idle partitions, straight through the core."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import NamedTuple

from load_tests.simulation.log import Log
from load_tests.simulation.tables import Tables
from load_tests.simulation.town import DEDUPE_OFFSETS, KEY
from sinks.base import Batch
from streams.core.configure import city_of, configure_command
from streams.core.decide import Decide
from streams.core.intake import Folded, Intake, Raw
from streams.core.journal import decode
from streams.core.pipeline import Scorer
from streams.core.shard import shards_of
from streams.model import Alert, Closed, Counts, Finding, Rejected, Scores, Transition
from streams.settings import City

LOT = 12


class Idle(NamedTuple):
    """What the clock said: at this position, nothing is to be expected before ``until_s``."""

    position: int
    until_s: int


class Event(NamedTuple):
    """The next thing in a raw partition, in the order of all of them."""

    at_ms: int
    raw: str
    number: int
    what: Raw | Idle


def raw_log(log: Log, city: City) -> dict[str, list[Raw]]:
    """What stands in the raw topics."""
    found: dict[str, list[Raw]] = {}
    for raw in city.raws:
        topic, _, partition = raw.rpartition("/")
        found[raw] = [Raw(e.offset, e.at_ms // 1000, e.value or b"") for e in log.kept(topic, int(partition))]
    return found


def idles(log: Log) -> dict[str, list[tuple[int, Idle]]]:
    """(when, what) the clock said of each raw partition, from the counts journal: the clock is no part of what is held equal."""
    found: dict[str, list[tuple[int, Idle]]] = {}
    for entry in log.kept("counts", 0):
        record = decode(entry.value or b"")
        if isinstance(record, Counts) and record.rollup:
            for span in record.spans:
                if span.idle and span.from_offset == span.to_offset:
                    found.setdefault(span.raw, []).append((entry.at_ms, Idle(span.to_offset, span.watermark_s)))
    return found


def _events(raw: str, records: list[Raw], said: list[tuple[int, Idle]]) -> Iterator[Event]:
    waiting = list(said)
    number = 0
    for record in records:
        while waiting and waiting[0][1].position <= record.offset:
            at_ms, idle = waiting.pop(0)
            yield Event(min(at_ms, record.append_s * 1000), raw, number, idle)
            number += 1
        yield Event(record.append_s * 1000, raw, number, record)
        number += 1
    for at_ms, idle in waiting:
        yield Event(max(at_ms, records[-1].append_s * 1000) if records else at_ms, raw, number, idle)
        number += 1


def undisturbed(log: Log, city: City) -> Tables:
    """Everything once, in order of time, a few records of one raw partition after the other."""
    configured = city_of(configure_command(city, id="configure-1", time_s=0, actor="tocsin"))
    intake, scorer, decide = (
        Intake(city, KEY, deltas=True, dedupe_offsets=DEDUPE_OFFSETS),
        Scorer(configured),
        Decide(configured, shards_of(configured)),
    )
    counts: list[Counts] = []
    scores: list[Scores] = []
    steps: list[Transition] = []
    alerts: list[Alert] = []
    rejected: list[Rejected] = []
    clock = idles(log)
    events = heapq.merge(*(_events(raw, records, clock.get(raw, [])) for raw, records in raw_log(log, city).items()))
    for folded in _folded(intake, events):
        rejected += folded.rejected
        for record in folded.counts:
            counts.append(record)
            scored = scorer.apply(record)
            scores += scored.scores
            said: list[Finding | Closed] = [*scored.findings, *scored.closed]
            for each in said:
                decided = decide.apply(each)
                steps += decided.transitions
                alerts += decided.alerts
    decide.check()
    batch = Batch(
        counts=tuple(enumerate(counts)),
        scores=tuple(scores),
        transitions=tuple(enumerate(steps)),
        alerts=tuple(alerts),
        rejected=tuple(rejected),
    )
    tables = Tables()
    tables.write(batch)
    return tables


def _folded(intake: Intake, events: Iterator[Event]) -> Iterator[Folded]:
    lot: list[Raw] = []
    at = ""
    for event in events:
        if lot and (event.raw != at or isinstance(event.what, Idle) or len(lot) >= LOT):
            yield intake.apply(*_split(at), lot)
            lot = []
        at = event.raw
        if isinstance(event.what, Idle):
            yield intake.idle(*_split(at), event.what.until_s)
        else:
            lot.append(event.what)
    if lot:
        yield intake.apply(*_split(at), lot)


def _split(raw: str) -> tuple[str, int]:
    source, _, partition = raw.removeprefix("raw.").rpartition("/")
    return source, int(partition)
