"""The moments of entry of ``streams.core.entries`` in arrays, so that a sweep can count them; the same rows, the same outcome."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from streams.core.bulk.jit import compiled
from streams.core.entries import ENTRIES_MAX, Entries

_SECOND_BITS = 40


class BulkEntries(Entries):
    """How many records of each signal carry each second of entry. ``signals``: all there can be."""

    def __init__(self, signals: Sequence[str], limit: int = ENTRIES_MAX) -> None:
        super().__init__(limit)
        self._signals = tuple(signals)
        self._at = {name: i for i, name in enumerate(self._signals)}
        self.keys, self.counts, self.stamps = np.full(limit, -1, np.int64), np.zeros(limit, np.int64), np.zeros(limit, np.int64)
        self.clock = np.zeros(1, np.int64)

    def count(self, signal: str, entry_s: int) -> int:
        """How many there are with this one."""
        return int(count(self._at[signal] << _SECOND_BITS | entry_s, self.keys, self.counts, self.stamps, self.clock))

    def rows(self) -> list[tuple[str, int, int]]:
        """Signal, second and number of each, least recently seen first."""
        used = [i for i in np.argsort(self.stamps, kind="stable").tolist() if self.keys[i] >= 0]
        mask = (1 << _SECOND_BITS) - 1
        return [(self._signals[int(self.keys[i]) >> _SECOND_BITS], int(self.keys[i]) & mask, int(self.counts[i])) for i in used]

    def load(self, rows: Iterable[tuple[str, int, int]]) -> None:
        """Go on from ``rows``; a signal that is no more has nothing to go on with."""
        self.keys[:], self.counts[:], self.stamps[:] = -1, 0, 0
        known = [(self._at[signal] << _SECOND_BITS | entry_s, n) for signal, entry_s, n in rows if signal in self._at]
        for i, (key, n) in enumerate(known[-len(self.keys) :]):
            self.keys[i], self.counts[i], self.stamps[i] = key, n, i + 1
        self.clock[0] = len(known)


def entry_keys(signal: np.ndarray, entry_s: np.ndarray) -> np.ndarray:
    """What ``count`` knows a signal's second by, of many."""
    keys: np.ndarray = signal.astype(np.int64) << _SECOND_BITS | entry_s
    return keys


@compiled
def count(key, keys, counts, stamps, clock):
    """How many records there are of ``key`` with this one; the least recently seen goes where there is no room."""
    clock[0] += 1
    at = oldest = 0
    found = False
    for i in range(len(keys)):
        if keys[i] == key:
            at, found = i, True
            break
        if stamps[i] < stamps[oldest]:
            oldest = i
    if not found:
        at = oldest
        keys[at], counts[at] = key, 0
    counts[at] += 1
    stamps[at] = clock[0]
    return counts[at]
