"""The scan: what neighbours see together, each too little by itself, becomes a further chance of the area that holds them.

For each signal and level of a shard the statistic of a window is the largest gain (``detectors.subsets``) over circles around areas in which
something was counted and that are a little surprised themselves, and over the durations of a day or less. How large it is by chance nobody can compute: a sketch of
its past values says so (``detectors.sketch``): how often there was any gain in that unit, times how often a gain in any signal of its shard and level was so
large; calibration then puts right what is otherwise in this signal. A window without anything to look at is one without a gain,
so a p-value is one among all windows. A unit that was flagged is left out for a block: one event counts once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from detectors.base import Bools, Detector, Expects, Floats, Ints, Observed, State, Verdict, Window
from detectors.calibration import Calibration
from detectors.sketch import Sketch
from detectors.subsets import Subsets, best_subsets
from detectors.tails import interval
from streams.core.neighbours import Circles

SHARE = 0.5
"""Part of an area's false alarms that are the scan's: p = min(own / (1 - SHARE), scan / SHARE) is a p-value whatever the two have to do with each other."""
SEED_P = 0.1
"""Circles are looked at around areas that are surprised so much by themselves."""
PLACED_P = 0.002
"""Above it nothing is placed."""
FLAG_P = 1e-5
KNOWN_BLOCKS = 14
"""Blocks' worth of windows that a unit must have been watched before it says anything."""
GAINS_MIN = 100.0
"""Gains that a pool must have seen."""
MEMORY_BLOCKS = 200.0
"""Blocks in which a window's weight falls to 1 / e."""


class Cluster(NamedTuple):
    """Areas that saw something together, the one that adds most first. Counts are over one duration."""

    row: int  # of the series that it is told of
    p: float  # its share taken
    members: tuple[int, ...]  # rows
    seen: tuple[float, ...]
    expected: float
    lower: float
    upper: float
    duration: int


class Scanned(NamedTuple):
    """What the scan of one window came to."""

    gain: Floats  # (U,)
    raw: Floats  # (U,) its p-value, not calibrated
    p: Floats  # (U,)
    clusters: list[Cluster]


class _Look(NamedTuple):
    """N circles: what was looked at."""

    at: Ints  # (N, K) series of the bank, -1 none
    unit: Ints  # (N,)
    seen: Floats  # (N, K, D), as are the others
    expected: Floats
    variance: Floats


class Scan:
    """The scan of one bank's series.

    Args:
        circles: of the areas of the layout.
        rows: (S,) rows of the layout, ``area * signals + signal``.
        signals: how many there are.
        apart: (S,) the pool of each series: nothing is shared between pools.
        up: (S,) series that are notable when there is more.
        applies: (S, D) durations that a series' signal asks for, those longer than a day left out.
    """

    def __init__(
        self, detector: Detector, circles: Circles, rows: Ints, signals: int, *, apart: Ints, up: Bools, applies: Bools, blocks_a_day: float
    ) -> None:
        assert isinstance(detector, Expects)
        self._detector: Expects = detector
        self._circles, self._rows, self._signals = circles, rows, signals
        self._block = detector.block
        area = rows // max(signals, 1)
        self._series = np.full(signals * (1 + int(area.max(initial=0))), -1)
        self._series[rows] = np.arange(len(rows))
        self._applies = applies
        self._scanned: Bools = up & (circles.of[area] >= 0)
        key = (apart * (1 + int(circles.level.max(initial=0))) + circles.level[area]) * max(signals, 1) + rows % max(signals, 1)
        found, unit = np.unique(key[self._scanned], return_inverse=True)
        self._units = len(found)
        self._unit = np.full(len(rows), self._units)  # the last of them: not scanned
        self._unit[self._scanned] = unit
        self._shares = np.where(up, np.minimum(circles.levels_below[area], 1) * SHARE, 0.0)  # (S,)
        self._parts = np.where(up, SHARE / np.maximum(circles.levels_below[area], 1), 0.0)  # (S,) of one level below
        pool = np.unique(key[self._scanned] // max(signals, 1), return_inverse=True)[1]
        self._pool_of = np.zeros(self._units, np.int64)
        self._pool_of[self._unit[self._scanned]] = pool
        self._sketch = Sketch(1 + int(pool.max(initial=-1)))
        self._often = np.zeros(
            (3, 2, self._units)
        )  # windows watched, and those with a gain: until now, and what this block and the next are judged by
        self._calibration = Calibration(
            np.arange(self._units), self._pool_of, block=self._block, blocks_a_day=blocks_a_day, kinds=1, active=True
        )
        self._discount = float(np.exp(-1.0 / MEMORY_BLOCKS))
        self._busy_to = np.full(self._units, -1, np.int64)  # window up to which a unit is left out
        self._at = -1  # block that is learned now

    def own_part(self) -> Floats:
        """(S,) the part of a series' false alarms that is left for itself."""
        return np.asarray(1.0 - self._shares)

    def score(self, window: Window, observed: Observed, verdict: Verdict) -> Scanned:
        """Changes nothing."""
        gain, raw, p = np.zeros(self._units), np.ones(self._units), np.ones(self._units)
        p_own = np.where(self._applies[verdict.rows], verdict.p, 1.0).min(axis=1)
        seeds = verdict.rows[(observed.n[verdict.rows] > 0) & self._scanned[verdict.rows] & verdict.ready & (p_own < SEED_P)]
        if not len(seeds):
            return Scanned(gain, raw, p, [])
        look = self._look(window, observed, seeds)
        size = np.where(look.expected > 0, look.variance / np.maximum(look.expected, 1e-12), 1.0)
        best = best_subsets(look.seen / size, look.expected / size)
        order = np.lexsort((-best.gain, look.unit))
        first = order[np.concatenate(([True], np.diff(look.unit[order]) > 0))]  # the best circle of each unit
        first = first[best.gain[first] > 0]
        units = look.unit[first]
        gain[units] = best.gain[first]
        which = int(self._at >= 0 and window.index // self._block > self._at)
        raw[units] = self._raw(which, gain[units], units)
        p[units] = self._calibration(window.index, raw[units, None], units)[:, 0]
        rare = first[p[units] <= PLACED_P]
        return Scanned(gain, raw, p, [cluster for i in rare.tolist() if (cluster := self._cluster(look, best, i, p)) is not None])

    def learn(self, window: Window, scanned: Scanned | None, able: Ints) -> None:
        """Take a window in; None: there was nothing to look at. ``able``: series that could have been scored and in which nothing was planned."""
        block = window.index // self._block
        if self._at < 0:
            self._at = block
        while self._at < block:
            self._end_block()
        free = np.zeros(self._units + 1, bool)
        free[self._unit[able]] = True
        free = free[:-1] & (self._busy_to < window.index)
        self._often[0, 0] += free
        units = np.zeros(0, np.int64) if scanned is None else np.flatnonzero(free & (scanned.gain > 0))
        raw = np.ones((0, 1))
        if scanned is not None:
            raw = scanned.raw[units, None]
            self._often[0, 1, units] += 1.0
            self._sketch.count(self._pool_of[units], scanned.gain[units])
            self._busy_to[scanned.p < FLAG_P] = window.index + self._block
        self._calibration.learn(window.index, raw, units, np.flatnonzero(free & (self._often[1, 0] > 0)))
        if (window.index + 1) % self._block == 0:
            self._end_block()

    def snapshot(self) -> State:
        """Copies."""
        own = {"busy_to": self._busy_to.copy(), "often": self._often.copy(), "at": np.array([self._at])}
        return own | self._sketch.snapshot() | {f"calibration.{key}": value for key, value in self._calibration.snapshot().items()}

    def restore(self, state: State) -> None:
        """Go on from a snapshot of one with the same circles."""
        self._sketch.restore(state)
        self._calibration.restore(
            {key.removeprefix("calibration."): value for key, value in state.items() if key.startswith("calibration.")}
        )
        self._often = np.array(state["often"], float)
        self._busy_to, self._at = np.array(state["busy_to"], np.int64), int(state["at"][0])

    def _end_block(self) -> None:
        self._sketch.end_block(self._discount)
        self._often[0] *= self._discount
        self._often[1:] = self._often[[2, 0]]
        self._at += 1

    def _raw(self, which: int, gain: Floats, units: Ints) -> Floats:
        """P(gain >= this) of some units; 1 where too little is known."""
        pool = self._pool_of[units]
        windows, gains = self._often[1 + which][:, units]
        p = self._sketch.p_of(which, pool, gain) * np.minimum((gains + 1.0) / (windows + 1.0), 1.0)
        known = (windows >= KNOWN_BLOCKS * self._block) & (self._sketch.number(which)[pool] >= GAINS_MIN)
        return np.asarray(np.where(known, p, 1.0))

    def _look(self, window: Window, observed: Observed, seeds: Ints) -> _Look:
        """The circles around series, each once."""
        row = self._rows[seeds]
        wanted = np.unique(self._circles.of[row // self._signals] * self._signals + row % self._signals)
        members = self._circles.members[wanted // self._signals]
        at = np.where(members >= 0, self._series[members * self._signals + (wanted % self._signals)[:, None]], -1)
        series, place = np.unique(at, return_inverse=True)
        none = int(series[0] < 0)
        moments = self._detector.moments(window, observed, series[none:])
        usable = (moments.ready & observed.present[series[none:]])[:, None] & self._applies[series[none:]] & (moments.expected > 0)
        columns = [np.where(usable, column, 0.0) for column in (moments.observed, moments.expected, moments.variance)]
        tables = [np.concatenate((np.zeros((none, column.shape[1])), column))[place.reshape(at.shape)] for column in columns]
        return _Look(at, self._unit[at[:, 0]], *tables)

    def _cluster(self, look: _Look, best: Subsets, i: int, p: Floats) -> Cluster | None:
        """The subset of a circle, and the series of the area that holds it; None where that is no series of the bank."""
        members, duration = best.members[i, : best.size[i]], int(best.duration[i])
        seen, expected = (column[i, members, duration] for column in (look.seen, look.expected))
        most = np.argsort(expected - seen, kind="stable")
        rows = self._rows[look.at[i, members[most]]].tolist()
        row = self._circles.around([row // self._signals for row in rows]) * self._signals + rows[0] % self._signals
        series = int(self._series[row])
        if series < 0:
            return None
        mean = float(np.cumsum(expected)[-1])
        low, high = interval(np.array(mean), np.cumsum(look.variance[i, members, duration])[-1])
        share = float(self._parts[series])
        return Cluster(
            row, min(1.0, float(p[look.unit[i]]) / share), tuple(rows), tuple(seen[most].tolist()), mean, float(low), float(high), duration
        )
