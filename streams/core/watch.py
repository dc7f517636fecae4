"""Watch: shards that score a journal again and keep what some of their series showed, window by window.

What they score only to be looked at is neither found nor learned: findings come out as they did before.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from msgspec import Struct

from detectors.base import Ints, Verdict, Window
from streams.core.areas import AreaTree
from streams.core.incidents import Series
from streams.core.judge import Judged
from streams.core.risk import quantised
from streams.core.score import Shards
from streams.core.shard import Bank
from streams.core.windows import Open
from streams.model import Evidence
from streams.settings import City

POINTS_MAX = 200_000
"""Windows times series that are kept; beyond it nothing is added, and ``Watch.beyond`` counts."""


class Point(Struct, frozen=True, array_like=True):
    """What one series showed over its durations when a window closed."""

    window_end_s: int
    evidence: tuple[Evidence, ...]


class Watch:
    """What is asked for, and what was seen of it.

    Args:
        lines: series to be kept at each window that ends in ``from_s`` < end <= ``until_s``.
        others: series to be kept at the window that ends at ``moment_s`` only.
    """

    def __init__(self, lines: Collection[Series], others: Collection[Series], *, moment_s: int, from_s: int, until_s: int) -> None:
        self.lines, self.others = frozenset(lines), frozenset(others)
        self.moment_s, self.from_s, self.until_s = moment_s, from_s, until_s
        self.points: dict[Series, list[Point]] = {}
        self.beyond = 0
        self._kept = 0

    def at(self, end_s: int) -> frozenset[Series]:
        """The series that are asked for at a window."""
        if end_s == self.moment_s:
            return self.lines | self.others
        return self.lines if self.from_s < end_s <= self.until_s else frozenset()

    def note(self, series: Series, point: Point) -> None:
        """Keep a point, as long as there is room."""
        if self._kept >= POINTS_MAX:
            self.beyond += 1
            return
        self._kept += 1
        self.points.setdefault(series, []).append(point)


class Watched(Shards):
    """Shards with a ``Watch`` on them."""

    def __init__(self, city: City, names: tuple[str, ...], tree: AreaTree, watch: Watch) -> None:
        super().__init__(city, names, tree)
        self._watch = watch

    def ready(self) -> int:
        """How many series have history enough to be judged at the next window."""
        if self._next < 0:
            return 0
        window = self._window_at(self._next)
        known = self._next - self._first >= self.city.detection.history_s // self._window_s
        verdicts = [
            (bank, bank.detector.score(window, bank.observed(self._blank, window.start_s)))
            for bank in self._banks
            if known or bank.kind == "level"
        ]
        return sum(int((verdict.ready & ~bank.quiet).sum()) for bank, verdict in verdicts)

    def _score_bank(self, bank: Bank, window: Window, cells: Open, *, known: bool, every: bool) -> tuple[Judged, Judged]:
        asked = self._watch.at(window.start_s + self._window_s)
        if asked:
            rows = self._rows(bank, asked)
            if len(rows):
                self._note(bank, window, bank.detector.score(window, bank.observed(cells, window.start_s), rows))
        return super()._score_bank(bank, window, cells, known=known, every=every)

    def _rows(self, bank: Bank, asked: Collection[Series]) -> Ints:
        layout = self._layout
        rows = [
            layout.area_at[area] * len(layout.signals) + layout.signal_at[signal]
            for area, signal in asked
            if area in layout.area_at and signal in layout.signal_at
        ]
        return np.flatnonzero(np.isin(bank.rows, np.array(rows, np.int64)))

    def _note(self, bank: Bank, window: Window, verdict: Verdict) -> None:
        columns = [np.round(column, 5).tolist() for column in (verdict.observed, verdict.expected, verdict.lower, verdict.upper)]
        p = quantised(verdict.p).tolist()
        used = (bank.applies[verdict.rows] & ((verdict.expected > 0) | (verdict.p < 1.0))).tolist()
        for i, row in enumerate(bank.rows[verdict.rows].tolist()):
            area, signal = self._layout.name(row)
            evidence = tuple(
                Evidence(duration_s, columns[0][i][d], columns[1][i][d], columns[2][i][d], columns[3][i][d], p[i][d])
                for d, duration_s in enumerate(self._layout.durations_s)
                if used[i][d]
            )
            self._watch.note((area.code, signal.name), Point(window.start_s + self._window_s, evidence))
