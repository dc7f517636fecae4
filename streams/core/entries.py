"""Batch entry: many records of one signal typed in at one second are somebody clearing a pile, not an outbreak."""

from __future__ import annotations

from collections.abc import Iterable

ENTRIES_MAX = 128
"""Moments of entry remembered for one raw partition; a pile lies together, so it is long over when it is forgotten."""


class Entries:
    """How many records of each signal carry each second of entry; least recently seen first."""

    def __init__(self, limit: int = ENTRIES_MAX) -> None:
        self._limit = limit
        self._seen: dict[tuple[str, int], int] = {}

    def count(self, signal: str, entry_s: int) -> int:
        """How many there are with this one.

        >>> entries = Entries()
        >>> [entries.count("noise", at_s) for at_s in (60, 60, 61, 60)]
        [1, 2, 1, 3]
        """
        key = (signal, entry_s)
        seen = self._seen.pop(key, 0) + 1
        if len(self._seen) >= self._limit:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = seen
        return seen

    def rows(self) -> list[tuple[str, int, int]]:
        """Signal, second and number of each, in the order of the map."""
        return [(signal, entry_s, n) for (signal, entry_s), n in self._seen.items()]

    def load(self, rows: Iterable[tuple[str, int, int]]) -> None:
        """Go on from ``rows``."""
        self._seen = {(signal, entry_s): n for signal, entry_s, n in rows}
