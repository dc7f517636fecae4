"""How a day and a week are shaped: weights of windows, pooled over the series of a signal."""

from __future__ import annotations

import numpy as np

from detectors.base import Floats, Setup, State, Window
from streams.model import DAY_S

_HOUR_PRIOR = 24.0  # events spread evenly over the hours before any was seen
_DAY_PRIOR = 70.0


class Profile:
    """Weights (signals,) of a window, mean 1 over a week: hour of the day (working days and weekends apart) times day of the week."""

    def __init__(self, setup: Setup, discount: float, pool_weight: float) -> None:
        count = len(setup.signals)
        self._signal = setup.signal
        self._hourly, self._daily = setup.window_s < DAY_S, setup.window_s <= DAY_S
        self._discount, self._pool_weight = discount, pool_weight
        self._hours = np.zeros((count, 2, 24))
        self._days = np.zeros((count, 7))

    def add(self, window: Window, n: Floats) -> None:
        """Count the events (S,) of a window."""
        if not self._daily:
            return
        by_signal = np.bincount(self._signal, n, len(self._hours))
        self._days[:, window.weekday] += by_signal
        if self._hourly:
            self._hours[:, int(window.weekday >= 5), window.hour] += by_signal

    def end_block(self) -> None:
        self._hours *= self._discount
        self._days *= self._discount

    def table(self) -> Floats:
        """(signals, 7, 24) weights, or (signals, 7, 1) for windows of a day, (signals, 1, 1) for longer ones."""
        if not self._daily:
            return np.ones((len(self._hours), 1, 1))
        days = _shape(self._days, _DAY_PRIOR, self._pool_weight)
        if not self._hourly:
            return days[:, :, None].copy()
        smooth = 0.25 * np.roll(self._hours, 1, axis=2) + 0.5 * self._hours + 0.25 * np.roll(self._hours, -1, axis=2)
        hours = _shape(smooth, _HOUR_PRIOR, self._pool_weight)
        kind = np.array([0, 0, 0, 0, 0, 1, 1])
        return np.asarray(days[:, :, None] * hours[:, kind, :])

    def weights(self, table: Floats, window: Window) -> Floats:
        """The weight of ``window`` per signal, from a table published earlier."""
        return np.asarray(table[:, window.weekday % table.shape[1], window.hour % table.shape[2]])

    def snapshot(self) -> State:
        return {"hours": self._hours.copy(), "days": self._days.copy()}

    def restore(self, state: State) -> None:
        self._hours, self._days = np.array(state["hours"], float), np.array(state["days"], float)


def _shape(counts: Floats, prior: float, pool_weight: float) -> Floats:
    """Counts (signals, ..., K) as weights with mean 1 over the last axis, shrunk to the pool's shape, which is shrunk to flat."""
    width = counts.shape[-1]
    pool = counts.sum(axis=0) + prior / width
    pool = pool / pool.mean(axis=-1, keepdims=True)
    total = counts.sum(axis=-1, keepdims=True)
    mixed = counts + pool[None] * (pool_weight / width)
    return np.asarray(mixed / (total + pool_weight) * width)
