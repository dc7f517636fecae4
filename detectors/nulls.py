"""Ordinary data, drawn with fixed seeds: what a detector of each kind should find nothing in. For ``detectors.checks`` and tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from detectors.base import Bools, Floats, Make, Observed, Setup, Window
from streams.model import DAY_S, HOUR_S, Direction, Kind, Signal

_FIRST_DAY = 19_723  # 1 January 2024, a Monday
_OFFSET = 1  # the first window is not the first of its block


@dataclass
class World:
    """A bank's setup and a run of windows that are ordinary: what such a detector should find nothing in."""

    setup: Setup
    kind: str
    values: Floats  # (T, S) counts, levels or readings
    present: Bools = field(default_factory=lambda: np.zeros(0, bool))

    def window(self, t: int) -> Window:
        """Window t; civil time is UTC."""
        per_day = DAY_S // self.setup.window_s
        index = _FIRST_DAY * per_day + _OFFSET + t
        day, second = divmod(index * self.setup.window_s, DAY_S)
        return Window(index, index * self.setup.window_s, second // HOUR_S, (day + 3) % 7, (day % 365) / 365)

    def observed(self, t: int) -> Observed:
        """What is seen in window t; a level's readings lie within half a unit of its value. What is absent stands there all the same."""
        value = self.values[t].copy()
        here = self.present[t].copy() if self.present.size else np.isfinite(value)
        unknown = np.full(len(value), np.nan)
        if self.kind != "level":
            return Observed(np.where(np.isfinite(value), value, 0.0), unknown, unknown, unknown, here)
        return Observed(np.where(np.isfinite(value), 4.0, 0.0), 4.0 * value, value - 0.5, value + 0.5, here)

    def steps(self, begin: int, end: int) -> Iterator[tuple[Window, Observed]]:
        """Windows begin..end-1 with what was seen."""
        return ((self.window(t), self.observed(t)) for t in range(begin, end))

    def but(self, begin: int, end: int, change: Callable[[Floats], Floats]) -> World:
        """The same world with other values in windows begin..end-1."""
        values = self.values.copy()
        values[begin:end] = change(values[begin:end])
        return replace(self, values=values)


def null_world(make: Make, series: int, windows: int, window_s: int, durations: tuple[int, ...] = (1, 2, 8), seed: int = 7) -> World:
    """Ordinary data for a detector of this kind: counts with a season, noisy levels, or machines that report regularly."""
    directions: tuple[Direction, ...] = ("up", "down", "both")
    kind = kind_of(make)
    of_kind: Kind = "level" if kind == "level" else "count"
    signals = tuple(Signal(f"signal_{d}", f"Signal {d}", "facilities", kind=of_kind, direction=d) for d in directions)
    setup = Setup(signals, np.arange(series) % len(signals), np.zeros(series, np.int64), window_s, durations, {})
    rng = np.random.default_rng(seed)
    second = (np.arange(windows) + _OFFSET) * window_s
    day = np.sin(2 * np.pi * (second % DAY_S) / DAY_S)[:, None]
    weekend = (second // DAY_S % 7 >= 5)[:, None]  # the first day is a Monday
    if kind == "level":
        values = 50.0 + 15.0 * day - 6.0 * weekend + (2.0 + day) * _noise(rng, windows, series)
    elif kind == "silence":
        due = np.resize([4.0, 12.0, 60.0], series) * window_s / HOUR_S
        values = rng.binomial(np.broadcast_to(due, (windows, series)).astype(np.int64), 0.97).astype(float)
    else:
        mean = np.geomspace(0.5, 20.0, series) * (1.0 + 0.6 * day) * np.where(weekend, 0.7, 1.0)
        shape = np.where(np.arange(series) % 2 == 0, 4.0, 50.0)
        values = rng.poisson(mean * rng.gamma(shape, 1.0 / shape, (windows, series))).astype(float)
    return World(setup, kind, values)


def kind_of(make: Make) -> str:
    """The kind of detector that ``make`` makes."""
    probe = Signal("probe", "Probe", "facilities")
    return make(Setup((probe,), np.zeros(1, np.int64), np.zeros(1, np.int64), HOUR_S, (1,), {})).kind


def _noise(rng: np.random.Generator, windows: int, series: int) -> Floats:
    """Autoregressive normal noise of variance 1."""
    fresh = rng.normal(size=(windows, series))
    for t in range(1, windows):
        fresh[t] = 0.7 * fresh[t - 1] + 0.51**0.5 * fresh[t]
    return fresh
