"""Counters of cameras: from a count since the last reset to what came since the last reading."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

COUNTERS_MAX = 20_000
"""Counters remembered for one raw partition; beyond it the one not heard of for longest begins anew."""


class Step(NamedTuple):
    """What a reading adds; None when it cannot be told. ``evicted``: another counter was forgotten for this one."""

    increment: int | None
    note: Literal["", "counter_reset", "out_of_order"] = ""
    evicted: bool = False


class Counters:
    """The last reading of each counter, by the digest of its device and rule; least recently seen first."""

    def __init__(self, limit: int = COUNTERS_MAX) -> None:
        self._limit = limit
        self._last: dict[int, tuple[int, int]] = {}  # digest -> (time_s, count)
        self._touched: dict[int, None] | None = None  # since the last delta, in the order of the map; None: nobody asks

    def step(self, counter: int, time_s: int, count: int) -> Step:
        """Take a reading of ``count`` >= 0 at ``time_s``.

        The first one gives nothing; one that is older than the last is left out; one below the last comes from a counter
        that was reset since, so all of it is new.

        >>> counters = Counters()
        >>> [counters.step(1, 60 * i, count).increment for i, count in enumerate((7, 9, 9, 2))]
        [None, 2, 0, 2]
        """
        last = self._last.pop(counter, None)
        if self._touched is not None:
            self._touched.pop(counter, None)
            self._touched[counter] = None
        if last is None:
            evicted = len(self._last) >= self._limit
            if evicted:
                oldest = next(iter(self._last))
                del self._last[oldest]
                if self._touched is not None:
                    self._touched.setdefault(oldest)
            self._last[counter] = (time_s, count)
            return Step(None, evicted=evicted)
        if time_s < last[0]:
            self._last[counter] = last
            return Step(None, "out_of_order")
        self._last[counter] = (time_s, count)
        if count < last[1]:
            return Step(count, "counter_reset")
        return Step(count - last[1])

    def rows(self) -> list[tuple[int, int, int]]:
        """Digest, time and count of each, in the order of the map."""
        return [(counter, time_s, count) for counter, (time_s, count) in self._last.items()]

    def load(self, rows: Iterable[tuple[int, int, int]]) -> None:
        """Go on from ``rows``."""
        self._last = {counter: (time_s, count) for counter, time_s, count in rows}

    def delta(self) -> list[tuple[int, int, int] | int]:
        """What has changed since the last time this was asked: rows in the order of the map, and digests of forgotten ones.

        Laying every delta over the ones before gives the rows in their order. The first call tells nothing and begins to keep count.
        """
        touched, self._touched = self._touched, {}
        return [(counter, *self._last[counter]) if counter in self._last else counter for counter in touched or ()]
