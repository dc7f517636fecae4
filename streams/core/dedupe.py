"""Which digests stood within the previous N offsets of one raw partition.

A ring holds the digest of each of the last N offsets; a hash table by linear probing tells where in the ring a digest
may stand. Nothing is deleted from the table: an entry whose place in the ring was taken over points at another digest,
which is harmless; when the table fills up it is built anew from the ring. For 2 million offsets both take 48 MB.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SLOTS_MIN = 1024
SPARE = 256
"""Slots behind the table's end, so that probing need not wrap around."""

DIGEST = np.dtype("<u8")


class Table(NamedTuple):
    """All of it in arrays, to be worked on elsewhere. ``numbers``: mask, last, limit, filled, next offset, high."""

    ring: NDArray[np.uint64]
    slots: NDArray[np.int32]
    numbers: NDArray[np.int64]


class Recent:
    """The digests of the last ``offsets`` offsets; 0 stands for an offset without one."""

    def __init__(self, offsets: int) -> None:
        assert 0 < offsets < 2**31
        self._offsets = offsets
        self._ring: NDArray[np.uint64] = np.zeros(offsets, np.uint64)  # untouched pages take no memory
        self._cells = self._ring.data  # plain ints, much faster than numpy scalars
        self._high = 0  # places of the ring in use: [0, high)
        self._next = -1  # offset behind the last one added
        self.build()

    def seen(self, offset: int, digest: int) -> bool:
        """Whether it stood within the offsets before ``offset``, which is past all added so far."""
        self.skip_to(offset)
        slots, cells = self._slots, self._cells
        i = digest & self._mask
        place = slots[i]
        while place:
            if cells[place - 1] == digest:
                return True
            i += 1
            place = slots[i]
        return False

    def add(self, offset: int, digest: int) -> None:
        """Remember what stands at ``offset``, which is past all earlier ones; what it passes over stands empty."""
        self.skip_to(offset)
        place = offset % self._offsets
        self._cells[place] = digest
        self._next = offset + 1
        self._high = max(self._high, place + 1)
        if digest:
            self._enter(place, digest)

    def table(self) -> Table:
        """What there is, not copied; ``moved`` is to be told what became of the numbers."""
        numbers = np.array([self._mask, self._last, self._limit, self._filled, self._next, self._high], np.int64)
        return Table(self._ring, self._array, numbers)

    def moved(self, table: Table) -> None:
        """Somebody has worked on the arrays."""
        self._filled, self._next, self._high = (int(number) for number in table.numbers[3:])

    def load(self, segments: Iterable[tuple[int, bytes]]) -> None:
        """Take over digests of before, as after a restart: (first offset, 8 bytes for each offset from there), ascending."""
        for from_offset, digests in segments:
            column = np.frombuffer(digests, DIGEST)
            skipped = max(0, self._next - from_offset, len(column) - self._offsets)
            self._copy(from_offset + skipped, column[skipped:])
        self.build()

    def _copy(self, first: int, column: NDArray[np.uint64]) -> None:
        if not len(column):
            return
        self.skip_to(first)
        start = first % self._offsets
        head = min(len(column), self._offsets - start)
        self._ring[start : start + head] = column[:head]
        self._ring[: len(column) - head] = column[head:]
        self._next = first + len(column)
        self._high = self._offsets if head < len(column) else max(self._high, start + head)

    def skip_to(self, offset: int) -> None:
        """What lies before ``offset`` and was not added stands empty."""
        assert offset >= self._next, "offsets ascend"
        if self._next == offset:
            return
        if self._next < 0:
            self._next = offset
            return
        start, end = self._next % self._offsets, offset % self._offsets
        if offset - self._next >= self._offsets:
            self._ring[:] = 0
        elif start < end:
            self._ring[start:end] = 0
        else:
            self._ring[start:] = 0
            self._ring[:end] = 0
            self._high = self._offsets
        self._next = offset

    def _enter(self, place: int, digest: int) -> None:
        slots, cells = self._slots, self._cells
        i = digest & self._mask
        while slots[i]:
            if cells[slots[i] - 1] == digest:  # a repeat moves its entry, so that one record sent for ever fills no table
                slots[i] = place + 1
                return
            i += 1
        if i >= self._last or self._filled >= self._limit:
            self.build()  # enters this one too: it stands in the ring already
            return
        slots[i] = place + 1
        self._filled += 1

    def build(self) -> None:
        """Make the table anew: of what stands in the ring, at most a third full and wider where that does not do."""
        places = np.flatnonzero(self._ring[: self._high])
        newest_first = places[np.argsort((self._next - 1 - places) % self._offsets, kind="stable")]
        _, first = np.unique(self._ring[newest_first], return_index=True)
        places = newest_first[first]
        size = SLOTS_MIN
        while size < 3 * len(places):
            size *= 2
        while not self._place(places, size):
            size *= 2

    def _place(self, places: NDArray[np.intp], size: int) -> bool:
        """Fill a table of ``size`` slots; False when probing would run over its end."""
        homes = (self._ring[places] & np.uint64(size - 1)).astype(np.int64)
        order = np.argsort(homes, kind="stable")
        steps = np.arange(len(order))
        taken = np.maximum.accumulate(homes[order] - steps) + steps  # each at its home, or right behind the one before it
        if len(taken) and int(taken[-1]) >= size + SPARE - 1:
            return False
        table = np.zeros(size + SPARE, np.int32)
        table[taken] = places[order] + 1
        self._use(table, size, len(places))
        return True

    def _use(self, table: NDArray[np.int32], size: int, filled: int) -> None:
        self._array, self._slots = table, table.data
        self._mask, self._last, self._limit = size - 1, size + SPARE - 1, size * 3 // 5
        self._filled = filled
