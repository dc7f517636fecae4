"""A sweep: one plain record after the other, judged as ``streams.core.lot`` judges them, until one is not plain."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.core.bulk.entries import BulkEntries, count
from streams.core.bulk.jit import compiled
from streams.core.dedupe import Recent
from streams.core.lot import FUTURE_S, TIME_S_MAX, TOO_OLD_S
from streams.core.raw_partition import Partition

ACCEPTED, DUPLICATE, FUTURE, TOO_OLD = 0, 1, 2, 3
VERDICTS = ("", "duplicate", "future_time", "too_old")
GAP_MAX = 4096
"""Offsets passed over within a sweep; a wider gap ends it."""
_DONE, _BUILD, _SKIP = 0, 1, 2


class Judged(NamedTuple):
    """Shape (records,) each; what was not swept stays as it was made."""

    verdict: NDArray[np.int8]
    heard_s: NDArray[np.int64]
    batch: NDArray[np.int8]
    digest: NDArray[np.uint64]  # 0 where none is remembered


class Asked(NamedTuple):
    """Shape (records,) each, in the order of their offsets."""

    plain: NDArray[np.bool_]
    offset: NDArray[np.int64]
    append_s: NDArray[np.int64]
    time_s: NDArray[np.int64]
    digest: NDArray[np.uint64]
    entry_key: NDArray[np.int64]


def sweep(part: Partition, entries: BulkEntries, asked: Asked, at: int, batch_entry_min: int, judged: Judged) -> int:
    """From record ``at`` on; the first that is not plain, or the number of records. Moves the partition past those it judges."""
    marks = np.array([part.watermark_s, part.newest_s, part.since_s, part.allowed_lateness_s, batch_entry_min], np.int64)
    recent: Recent = part.recent
    while True:
        recent.skip_to(int(asked.offset[at]))
        table = recent.table()
        at, why = _sweep(
            at, *asked, marks, table.ring, table.slots, table.numbers, entries.keys, entries.counts, entries.stamps, entries.clock, *judged
        )
        recent.moved(table)
        if why == _BUILD:
            recent.build()
        if why == _DONE or at == len(asked.plain) or not asked.plain[at]:
            break
    part.watermark_s, part.newest_s, part.since_s = (int(mark) for mark in marks[:3])
    part.position = int(asked.offset[at - 1]) + 1
    return at


@compiled
def _sweep(
    at, plain, offset, append_s, time_s, digest, entry_key, marks, ring, slots, numbers, keys, counts, stamps, clock, verdict, heard_s, batch, kept
):  # fmt: skip
    """(next record, why it ended)."""
    i = at
    while i < len(plain) and plain[i]:
        if offset[i] - numbers[4] > GAP_MAX:
            return i, _SKIP
        _pass_over(offset[i], ring, numbers)
        now_s = time_s[i]
        if now_s > min(append_s[i] + FUTURE_S, TIME_S_MAX):
            verdict[i], kept[i] = FUTURE, 0
        elif now_s < marks[1] - TOO_OLD_S:
            verdict[i], kept[i] = TOO_OLD, 0
        else:
            heard_s[i] = marks[0] if now_s < marks[0] else 0
            _advance(now_s, append_s[i], marks)
            kept[i] = digest[i]
            if _seen(digest[i], ring, slots, numbers):
                verdict[i] = DUPLICATE
            else:
                verdict[i] = ACCEPTED
                batch[i] = count(entry_key[i], keys, counts, stamps, clock) >= marks[4]
        if not _add(offset[i], kept[i], ring, slots, numbers):
            return i + 1, _BUILD
        i += 1
    return i, _DONE


@compiled
def _advance(time_s, append_s, marks):
    marks[1] = max(marks[1], time_s)
    mark_s = min(marks[1], append_s) - marks[3]
    marks[0] = max(marks[0], mark_s)
    if marks[2] == 0:
        marks[2] = mark_s


@compiled
def _pass_over(offset, ring, numbers):
    """Offsets without a record stand empty."""
    while numbers[4] < offset:
        place = numbers[4] % len(ring)
        ring[place] = 0
        if place == len(ring) - 1:
            numbers[5] = len(ring)
        numbers[4] += 1


@compiled
def _seen(digest, ring, slots, numbers):
    i = np.int64(digest & np.uint64(numbers[0]))
    while slots[i]:
        if ring[slots[i] - 1] == digest:
            return True
        i += 1
    return False


@compiled
def _add(offset, digest, ring, slots, numbers):
    """Remember it; False when the table is to be built anew."""
    place = offset % len(ring)
    ring[place] = digest
    numbers[4] = offset + 1
    numbers[5] = max(numbers[5], place + 1)
    if digest == 0:
        return True
    i = np.int64(digest & np.uint64(numbers[0]))
    while slots[i]:
        if ring[slots[i] - 1] == digest:
            slots[i] = place + 1
            return True
        i += 1
    if i >= numbers[1] or numbers[3] >= numbers[2]:
        return False
    slots[i] = place + 1
    numbers[3] += 1
    return True
