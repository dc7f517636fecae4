"""Late events on hold: each amends the longer durations just before the window that it was heard in closes.

Which one that is follows from its own raw partition (``streams.columns.Cells.heard``), so it does not matter how far the
others, or the shard, were when it came.
"""

from __future__ import annotations

from typing import NamedTuple

HELD_MAX = 100_000
"""Amendments on hold; what comes beyond them amends nothing and is counted."""


class Amendment(NamedTuple):
    """``n`` late events of an area and signal (indices of a layout) for ``window``."""

    window: int
    area: int
    signal: int
    n: int


class Held:
    """Amendments by the window before whose end they are made; those of one window, area and signal are added up."""

    def __init__(self) -> None:
        self._waiting: dict[int, dict[tuple[int, int, int], int]] = {}
        self._size = 0

    def add(self, due: int, index: int, area: int, signal: int, n: int) -> bool:
        """Hold events of window ``index`` until ``due``, a later one, closes. False when there is no room."""
        assert due > index, f"window {index} has not closed before {due}"
        waiting, key = self._waiting.setdefault(due, {}), (index, area, signal)
        if key not in waiting:
            if self._size >= HELD_MAX:
                return False
            self._size += 1
        waiting[key] = waiting.get(key, 0) + n
        return True

    def take(self, closing: int) -> list[Amendment]:
        """What is to be made before this window closes, oldest first."""
        taken = []
        for due in sorted(due for due in self._waiting if due <= closing):
            waiting = self._waiting.pop(due)
            self._size -= len(waiting)
            taken += [Amendment(*key, n) for key, n in sorted(waiting.items())]
        return taken

    def packed(self) -> list[tuple[int, list[tuple[int, ...]]]]:
        """For a snapshot."""
        return [(due, [(*key, n) for key, n in sorted(waiting.items())]) for due, waiting in sorted(self._waiting.items())]

    @classmethod
    def unpacked(cls, state: list[tuple[int, list[tuple[int, int, int, int]]]]) -> Held:
        """Back from a snapshot."""
        held = cls()
        for due, rows in state:
            for index, area, signal, n in rows:
                held.add(due, index, area, signal, n)
        return held
