"""How a day and a week are shaped: weights of windows, pooled over the series of a signal."""

from __future__ import annotations

import numpy as np

from detectors.base import Floats, Setup, State, Window
from streams.model import DAY_S

_CELL_PRIOR = 10.0  # events' worth of belief, for each cell, that the pool's profile is flat
_KIND_OF_DAY = np.array([0, 0, 0, 0, 0, 1, 1])  # working day, weekend


class Profile:
    """Weights (signals,) of a window, mean 1 over a week: hour of the day (working days and weekends apart) times day of the week.

    A weight is events seen over events expected had all windows been alike, so days not seen yet weigh 1.
    """

    def __init__(self, setup: Setup, discount: float, own_weight: float) -> None:
        count = len(setup.signals)
        self._signal = setup.signal
        self._hourly, self._daily = setup.window_s < DAY_S, setup.window_s <= DAY_S
        self._discount, self._own_weight = discount, own_weight
        self._hours = np.zeros((count + 1, 2, 24))  # the last row: windows seen
        self._days = np.zeros((count + 1, 7))

    def add(self, window: Window, n: Floats, present: bool) -> None:
        """Count the events (S,) of a window; an absent window says nothing."""
        if not self._daily:
            return
        seen = np.append(np.bincount(self._signal, n, len(self._days) - 1), float(present))
        self._days[:, window.weekday] += seen
        if self._hourly:
            self._hours[:, int(window.weekday >= 5), window.hour] += seen

    def end_block(self) -> None:
        """Forget a little."""
        self._hours *= self._discount
        self._days *= self._discount

    def table(self) -> Floats:
        """(signals, 7, 24) weights, or (signals, 7, 1) for windows of a day, (signals, 1, 1) for longer ones."""
        if not self._daily:
            return np.ones((len(self._days) - 1, 1, 1))
        days = self._weights(self._days)
        days = days / days.mean(axis=1, keepdims=True)
        if not self._hourly:
            return days[:, :, None].copy()
        smooth = 0.25 * np.roll(self._hours, 1, axis=2) + 0.5 * self._hours + 0.25 * np.roll(self._hours, -1, axis=2)
        hours = self._weights(smooth)
        hours = hours / hours.mean(axis=2, keepdims=True)
        return np.asarray(days[:, :, None] * hours[:, _KIND_OF_DAY, :])

    def weights(self, table: Floats, window: Window) -> Floats:
        """The weight of ``window`` per signal, from a table published earlier."""
        return np.asarray(table[:, window.weekday % table.shape[1], window.hour % table.shape[2]])

    def snapshot(self) -> State:
        """Copies of the tallies."""
        return {"hours": self._hours.copy(), "days": self._days.copy()}

    def restore(self, state: State) -> None:
        """Go on from a snapshot."""
        self._hours, self._days = np.array(state["hours"], float), np.array(state["days"], float)

    def _weights(self, tally: Floats) -> Floats:
        """Tallies (signals + 1, ..., K) as weights (signals, ..., K), shrunk to the pool's, which are shrunk to 1."""
        counts, windows = tally[:-1], tally[-1]
        axes = tuple(range(1, counts.ndim))
        even = counts.sum(axis=axes, keepdims=True) / max(windows.sum(), 1e-9) * windows
        pool = (counts.sum(axis=0) + _CELL_PRIOR) / (even.sum(axis=0) + _CELL_PRIOR)
        cell = self._own_weight / windows.size
        return np.asarray((counts + cell * pool) / (even + cell))
