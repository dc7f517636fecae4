"""Online calibration: how often p-values so small have really come, by group of series, so that "once in a year" is once in a year.

For each group the tail of its p-values is counted at half decades. A group's tail is shrunk to that of its pool and the
pool's to the model's own, as if each had been seen in so many exceedances before. What is found is a
monotone map from a p-value to a calibrated one; beyond the last level it goes on with the slope found there.

- Blocks, like a bank's: a window is calibrated by what was learned before the previous block began, so one that is
  still open is judged as it will be once closed.
- A window of a series that was flagged within the last block is left out, and its share of the exposure with it: one
  event counts once, however long it is remembered.
- Windows in which nothing came and nothing was scored count as not exceeding: for what is only scored when something
  is counted, the map turns "rare among windows with news" into "rare among windows".
"""

from __future__ import annotations

import numpy as np

from detectors.base import Floats, Ints, State

FIRST, STEP, LEVELS = 1.0, 0.5, 11
"""Levels of -log10(p): from .1 down to 1e-6."""
FLAG = 6.0
"""-log10 of a calibrated p-value from which a window is flagged."""
WEIGHT = 10.0
"""Exceedances' worth of belief in the pool, and of the pool in the model."""
DISCOUNT = 0.998
"""A day."""
FACTOR = (0.3, 1e4)
"""Bounds of realised over nominal."""
SLOPE = (0.3, 1.0)
USUAL = 0.05
"""Share of a group's windows with a series flagged beyond which none is left out: what is flagged so often is no exception."""
USUAL_DAYS = 100
"""Days that must be known of each series of a group before anything is usual in it: an outbreak is a large part of a short life."""


class Calibration:
    """Maps p-values (R, C) of series, C kinds of them side by side. ``group`` (S,): series counted together; ``pool`` (S,): groups shrunk together."""

    def __init__(self, group: Ints, pool: Ints, *, block: int, blocks_a_day: float, kinds: int, active: bool) -> None:
        self._group = np.unique(group, return_inverse=True)[1].astype(np.int64)
        groups = int(self._group.max(initial=-1)) + 1
        self._pool_of = np.zeros(groups, np.int64)
        self._pool_of[self._group] = np.unique(pool, return_inverse=True)[1]
        self._pools = int(self._pool_of.max(initial=-1)) + 1
        self._active = active
        self._block, self._discount = block, DISCOUNT ** (1.0 / blocks_a_day)
        self._at = -1  # block that self._now is for
        self._busy_to = np.full(len(group), -1, np.int64)  # window up to which a series is left out
        self._windows = np.zeros(groups)
        self._flagged = np.zeros(groups)  # windows of series flagged of late, left out or not
        self._known = np.zeros(groups)  # windows that could have been counted
        self._known_min = USUAL_DAYS * blocks_a_day * block * np.bincount(self._group, minlength=groups)
        self._hits = np.zeros((groups, kinds, LEVELS))  # with -log10(p) between a level and the next
        self._now = self._next = self._table()

    def __call__(self, index: int, p: Floats, rows: Ints) -> Floats:
        """Calibrated p-values (R, C) of series ``rows`` in window ``index``."""
        if not self._active or not len(rows):
            return p
        table = self._now if self._at < 0 or index // self._block <= self._at else self._next
        tail = -np.log10(p)
        at = (tail - FIRST) / STEP
        left = np.clip(at.astype(np.int64), 0, LEVELS - 2)
        kind = np.arange(p.shape[1])[None, :]
        group = self._group[rows][:, None]
        low, high = table[group, kind, left], table[group, kind, left + 1]
        inside = low + (at - left) * (high - low)
        last = table[group, kind, LEVELS - 1]
        slope = np.clip((last - table[group, kind, LEVELS - 5]) / (4.0 * STEP), *SLOPE)
        beyond = last + (tail - FIRST - STEP * (LEVELS - 1)) * slope
        before = table[group, kind, 0] * tail / FIRST
        mapped = np.where(at < 0.0, before, np.where(at > LEVELS - 1, beyond, inside))
        return np.asarray(10.0**-mapped)

    def learn(self, index: int, p: Floats, rows: Ints, known: Ints) -> None:
        """Take a window in: uncalibrated p-values (R, C) of ``rows``, of all the series ``known`` that could have been scored."""
        if not self._active:
            return
        block = index // self._block
        if self._at < 0:
            self._at = block
        while self._at < block:
            self._end_block()
        busy = self._busy_to >= index
        usual = (self._known >= self._known_min) & (self._flagged > USUAL * self._known)
        left_out = busy & ~usual[self._group]
        free = known[~left_out[known]]
        self._windows += np.bincount(self._group[free], minlength=len(self._windows))
        self._known += np.bincount(self._group[known], minlength=len(self._windows))
        self._flagged += np.bincount(self._group[known[busy[known]]], minlength=len(self._windows))
        tail = -np.log10(p)
        counted = (tail >= FIRST) & np.isin(rows, free, assume_unique=True)[:, None]
        row, kind = np.nonzero(counted)
        level = np.minimum(((tail[row, kind] - FIRST) / STEP).astype(np.int64), LEVELS - 1)
        np.add.at(self._hits, (self._group[rows[row]], kind, level), 1.0)
        told = -np.log10(self(index, p, rows))
        self._busy_to[rows[told.max(axis=1, initial=0.0) >= FLAG]] = index + self._block
        if (index + 1) % self._block == 0:
            self._end_block()

    def snapshot(self) -> State:
        """Copies."""
        named = {
            "windows": self._windows,
            "flagged": self._flagged,
            "known": self._known,
            "hits": self._hits,
            "now": self._now,
            "next": self._next,
            "busy_to": self._busy_to,
        }
        return {"at": np.array([self._at]), **{name: value.copy() for name, value in named.items()}}

    def restore(self, state: State) -> None:
        """Go on from a snapshot of one with the same groups."""
        self._at = int(state["at"][0])
        names = ("windows", "flagged", "known", "hits", "now", "next")
        self._windows, self._flagged, self._known, self._hits, self._now, self._next = (np.array(state[k], float) for k in names)
        self._busy_to = np.array(state["busy_to"], np.int64)

    def _end_block(self) -> None:
        self._now, self._next = self._next, self._table()
        self._windows *= self._discount
        self._flagged *= self._discount
        self._known *= self._discount
        self._hits *= self._discount
        self._at += 1

    def _table(self) -> Floats:
        """(G, C, LEVELS) calibrated -log10(p) at each level."""
        nominal = 10.0 ** -(FIRST + STEP * np.arange(LEVELS))
        seen = np.cumsum(self._hits[:, :, ::-1], axis=2)[:, :, ::-1]
        due = np.broadcast_to(self._windows[:, None, None] * nominal, seen.shape)
        pooled = np.zeros((2, self._pools, *seen.shape[1:]))
        np.add.at(pooled[0], self._pool_of, seen)
        np.add.at(pooled[1], self._pool_of, due)
        prior = np.clip((pooled[0] + WEIGHT) / (pooled[1] + WEIGHT), *FACTOR)[self._pool_of]
        factor = np.clip((seen + WEIGHT) / (due + WEIGHT / prior), *FACTOR)
        return np.maximum.accumulate(-np.log10(nominal * factor) + 1e-6 * np.arange(LEVELS), axis=2)
