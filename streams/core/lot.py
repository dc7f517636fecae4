"""A lot: the records of one raw partition that intake takes at once, judged one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.core.decode import Fields
from streams.core.fold import Batch, Fold
from streams.core.raw_partition import Partition
from streams.core.reader import Claim, Reader
from streams.model import DAY_S, MINUTE_S, Quality

FUTURE_S = 30
"""An event may lie so far after its append time: clocks differ."""
TOO_OLD_S = 400 * DAY_S
"""An event so far before the newest of its partition is rejected. The partition's own time decides and no clock, so history can be replayed."""
TIME_S_MAX = (2**31 - 1) * MINUTE_S
"""Minutes are columns of four bytes."""


class Raw(NamedTuple):
    """A record as it stands in a raw partition. ``append_s``: when the log took it."""

    offset: int
    append_s: int
    payload: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class Lot:
    """Records of ``part``, read by ``reader``, going into ``fold``. ``feed``: the signal of a heartbeat source, or empty."""

    def __init__(self, part: Partition, reader: Reader, fold: Fold, *, feed: str, batch_entry_min: int) -> None:
        self._part, self._reader, self._fold = part, reader, fold
        self._feed, self._batch_entry_min = feed, batch_entry_min
        self._quality: Counter[str] = Counter()
        self._digests: list[tuple[int, int]] = []  # (offset, digest)
        self._columns: list[tuple[NDArray[np.int64], NDArray[np.uint64]]] = []  # the same of records that were judged elsewhere

    def take(self, raw: Raw) -> str:
        """Judge the next record and move the partition past it: ``""`` if it counts, ``"duplicate"``, or why it is rejected."""
        digest, verdict = self._judge(raw)
        self._part.position = raw.offset + 1
        self._part.recent.add(raw.offset, digest)
        self._digests.append((raw.offset, digest))
        if verdict:
            self._quality[verdict] += 1
        return verdict

    def quality(self, saturated: int) -> tuple[Quality, ...]:
        """What was not as usual, sorted by its word. ``saturated``: cells whose count did not fit."""
        notes = self._quality + Counter(saturated=saturated)  # drops zeros
        return tuple(Quality(self._part.raw, self._part.source, reason, n) for reason, n in sorted(notes.items()))

    def digests(self) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
        """Offsets, ascending, and what is remembered of each; 0: nothing."""
        offset = np.concatenate([np.array([at for at, _ in self._digests], np.int64), *(at for at, _ in self._columns)])
        digest = np.concatenate([np.array([mark for _, mark in self._digests], np.uint64), *(marks for _, marks in self._columns)])
        if bool((offset[1:] > offset[:-1]).all()):
            return offset, digest
        order = np.argsort(offset)
        return offset[order], digest[order]

    def note(self, notes: Mapping[str, int], offset: NDArray[np.int64], digest: NDArray[np.uint64]) -> None:
        """Records at these offsets were judged elsewhere."""
        self._quality.update(notes)
        self._columns.append((offset, digest))

    def add_feed(self, fold: Fold, area: NDArray[np.int32], minute: NDArray[np.int64], heard: NDArray[np.int64]) -> None:
        """They were heard, if that is watched."""
        if self._feed:
            signal = np.full(len(area), fold.signals.index(self._feed), np.int32)
            fold.add(Batch(area, signal, minute, np.zeros(len(area), np.int8), heard))

    def _judge(self, raw: Raw) -> tuple[int, str]:
        """The digest to remember the record by (0: none), and the verdict."""
        part, reader = self._part, self._reader
        fields = reader.read(raw.payload, raw.headers)
        if isinstance(fields, str):
            return 0, fields
        time_s = reader.time_s(fields)
        if isinstance(time_s, str):
            return 0, time_s
        if time_s > min(raw.append_s + FUTURE_S, TIME_S_MAX):
            return 0, "future_time"
        if time_s < part.newest_s - TOO_OLD_S:
            return 0, "too_old"
        heard_s = part.watermark_s if time_s < part.watermark_s else 0  # by its own partition alone, however far the others are
        part.advance(time_s, raw.append_s)
        claim = reader.claim(fields, time_s)
        if isinstance(claim, str):
            return 0, claim
        if part.recent.seen(raw.offset, claim.id):
            return claim.id, "duplicate"
        reason = self._measure(fields, time_s, heard_s) if reader.has_readings else self._count(fields, claim, time_s, heard_s)
        if reason:
            return 0, reason
        if heard_s:
            self._quality["late"] += 1
        return claim.id, ""

    def _count(self, fields: Fields, claim: Claim, time_s: int, heard_s: int) -> str:
        """A call or complaint: why it does not count, or empty."""
        events = self._reader.events(fields, claim, time_s)
        if isinstance(events, str):
            return events
        for event in events:
            batch = 0
            if not claim.correction:
                entry_s = event.time_s if event.entry_s is None else event.entry_s
                batch = int(self._part.entries.count(event.signal, entry_s) >= self._batch_entry_min)
                self._quality["batch_entry"] += batch
            self._fold.count(event.area, event.signal, event.time_s, event.weight, batch, heard_s=heard_s)
        if claim.correction:
            self._quality["correction"] += 1
        self._beat(events[0].area, time_s, heard_s)
        return ""

    def _measure(self, fields: Fields, time_s: int, heard_s: int) -> str:
        """A camera's or gauge's record: why it does not count, or empty."""
        measures = self._reader.measures(fields)
        if isinstance(measures, str):
            return measures
        area = self._reader.area(fields, time_s)
        if area is None:
            return "unknown_area"
        for measure in measures:
            if measure.counter is None:
                self._fold.level(area, measure.signal, time_s, measure.value, heard_s=heard_s)
                continue
            step = self._part.counters.step(measure.counter, time_s, int(measure.value))
            if step.increment is not None:
                self._fold.count(area, measure.signal, time_s, step.increment, heard_s=heard_s)
            if step.note:
                self._quality[step.note] += 1
            if step.evicted:
                self._quality["counter_evicted"] += 1
        self._beat(area, time_s, heard_s)
        return ""

    def _beat(self, area: str, time_s: int, heard_s: int) -> None:
        if self._feed:
            self._fold.count(area, self._feed, time_s, 1, heard_s=heard_s)
