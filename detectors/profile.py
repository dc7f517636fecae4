"""How a day and a week are shaped: weights of windows, pooled over the series of a signal."""

from __future__ import annotations

import numpy as np

from detectors.base import Bools, Floats, Ints, Setup, State, Window
from streams.model import DAY_S

_CELL_PRIOR = 10.0  # events' worth of belief, for each cell, that the pool's profile is flat
_KIND_OF_DAY = np.array([0, 0, 0, 0, 0, 1, 1])  # working day, weekend


class Profile:
    """Weights (S,) of a window, mean 1 over a week: hour of the day (working days and weekends apart) times day of the week.

    Series of one signal and pool share a profile, shrunk to that of all signals of their pool (P pools, K signals).
    A weight is events seen over events expected had all windows been alike, so days not seen yet weigh 1.
    """

    def __init__(self, setup: Setup, kind: Ints, discount: float, own_weight: float) -> None:
        self._kind = kind  # (S,) pool * K + signal
        self._signals = len(setup.signals)
        self._pools = int(kind.max(initial=0)) // self._signals + 1
        self._hourly, self._daily = setup.window_s < DAY_S, setup.window_s <= DAY_S
        self._discount, self._own_weight = discount, own_weight
        self._hours = np.zeros((self._pools, self._signals + 1, 2, 24))  # the last row of a pool: windows seen
        self._days = np.zeros((self._pools, self._signals + 1, 7))

    def add(self, window: Window, n: Floats, present: Bools) -> None:
        """Count the events (S,) of a window; an absent window says nothing."""
        if not self._daily:
            return
        counted = np.bincount(self._kind, n, self._pools * self._signals).reshape(self._pools, self._signals)
        known = np.bincount(self._kind // self._signals, present, self._pools) > 0
        seen: Floats = np.concatenate((counted, known[:, None]), axis=1).astype(float)
        self._days[:, :, window.weekday] += seen
        if self._hourly:
            self._hours[:, :, int(window.weekday >= 5), window.hour] += seen

    def end_block(self) -> None:
        """Forget a little."""
        self._hours *= self._discount
        self._days *= self._discount

    def table(self) -> Floats:
        """(P * K, 7, 24) weights, or (P * K, 7, 1) for windows of a day, (P * K, 1, 1) for longer ones."""
        rows = self._pools * self._signals
        if not self._daily:
            return np.ones((rows, 1, 1))
        days = self._weights(self._days)
        days = days / days.mean(axis=2, keepdims=True)
        if not self._hourly:
            return np.asarray(days.reshape(rows, 7, 1))
        smooth = 0.25 * np.roll(self._hours, 1, axis=3) + 0.5 * self._hours + 0.25 * np.roll(self._hours, -1, axis=3)
        hours = self._weights(smooth)
        hours = hours / hours.mean(axis=3, keepdims=True)
        return np.asarray((days[:, :, :, None] * hours[:, :, _KIND_OF_DAY, :]).reshape(rows, 7, 24))

    def weights(self, table: Floats, window: Window, rows: Ints) -> Floats:
        """The weight of ``window`` for series ``rows``, from a table published earlier."""
        return np.asarray(table[self._kind[rows], window.weekday % table.shape[1], window.hour % table.shape[2]])

    def snapshot(self) -> State:
        """Copies of the tallies."""
        return {"hours": self._hours.copy(), "days": self._days.copy()}

    def restore(self, state: State) -> None:
        """Go on from a snapshot."""
        self._hours, self._days = np.array(state["hours"], float), np.array(state["days"], float)

    def _weights(self, tally: Floats) -> Floats:
        """Tallies (P, K + 1, ..., cells) as weights (P, K, ..., cells), shrunk to the pool's, which are shrunk to 1."""
        counts, windows = tally[:, :-1], tally[:, -1:]
        cells = tuple(range(2, counts.ndim))
        share = windows / np.maximum(windows.sum(axis=cells, keepdims=True), 1e-9)
        even = counts.sum(axis=cells, keepdims=True) * share
        pool = (counts.sum(axis=1, keepdims=True) + _CELL_PRIOR) / (even.sum(axis=1, keepdims=True) + _CELL_PRIOR)
        own = self._own_weight / windows[0].size
        return np.asarray((counts + own * pool) / (even + own))
