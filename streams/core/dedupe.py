"""Which digests stood within the previous N offsets of one raw partition.

A ring holds the digest of each of the last N offsets; a hash table by linear probing tells where in the ring a digest
may stand. Nothing is deleted from the table: an entry whose place in the ring was taken over points at another digest,
which is harmless; when the table fills up it is built anew from the ring. For 2 million offsets both take 48 MB.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

SLOTS_MIN = 1024
SPARE = 256
"""Slots behind the table's end, so that probing need not wrap around."""

DIGEST = np.dtype("<u8")


class Recent:
    """The digests of the last ``offsets`` offsets; 0 stands for an offset without one."""

    def __init__(self, offsets: int) -> None:
        assert 0 < offsets < 2**31
        self._offsets = offsets
        self._ring: NDArray[np.uint64] = np.zeros(offsets, np.uint64)  # untouched pages take no memory
        self._cells = self._ring.data  # plain ints, much faster than numpy scalars
        self._high = 0  # places of the ring in use: [0, high)
        self._next = -1  # offset behind the last one added
        self._build()

    def seen(self, offset: int, digest: int) -> bool:
        """Whether it stood within the offsets before ``offset``, which is past all added so far."""
        self._skip_to(offset)
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
        self._skip_to(offset)
        place = offset % self._offsets
        self._cells[place] = digest
        self._next = offset + 1
        self._high = max(self._high, place + 1)
        if digest:
            self._enter(place, digest)

    def load(self, segments: Iterable[tuple[int, bytes]]) -> None:
        """Take over digests of before, as after a restart: (first offset, 8 bytes for each offset from there), ascending."""
        for from_offset, digests in segments:
            column = np.frombuffer(digests, DIGEST)
            skipped = max(0, self._next - from_offset, len(column) - self._offsets)
            self._copy(from_offset + skipped, column[skipped:])
        self._build()

    def _copy(self, first: int, column: NDArray[np.uint64]) -> None:
        if not len(column):
            return
        self._skip_to(first)
        start = first % self._offsets
        head = min(len(column), self._offsets - start)
        self._ring[start : start + head] = column[:head]
        self._ring[: len(column) - head] = column[head:]
        self._next = first + len(column)
        self._high = self._offsets if head < len(column) else max(self._high, start + head)

    def _skip_to(self, offset: int) -> None:
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
            self._build()  # enters this one too: it stands in the ring already
            return
        slots[i] = place + 1
        self._filled += 1

    def _build(self) -> None:
        """The table of what stands in the ring, at most a third full and wider where that does not do."""
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
        self._slots = table.data
        self._mask, self._last, self._limit = size - 1, size + SPARE - 1, size * 3 // 5
        self._filled = len(places)
        return True
