"""How far counts are from what is usual for their hour, in standard deviations: what models that know no season are shown."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from detectors.base import Bools, Floats, Ints, Observed, Setup, State, Window
from detectors.profile import Profile

STEP = 1.0 / 256
"""Deviations are multiples of this: rounding of sums is not mistaken for a deviation, and 16 bits hold one."""
Z_MAX = 100.0

_SHIFT = 0.375  # Anscombe's: the root of a Poisson count plus this has a spread that hardly depends on the mean
_CLIP = 3.0  # standard deviations above the mean up to which a flagged window shapes what is usual
_CLIP_SCALE = 4.0  # beyond so many a deviation adds no more to the scale
_SCALE_PRIOR = 10.0  # windows' worth of belief in a Poisson's spread
_PROFILE_DISCOUNT, _PROFILE_WEIGHT = 0.99, 200.0
_AFTER_DRIFT = 0.1  # what counts of the past once the level has moved


class Look(NamedTuple):
    """One window against what is usual, (S,) each."""

    mean: Floats  # 0 where nothing is known
    scale: Floats  # of the root of the count, in halves
    z: Floats  # NaN where absent or not ready


class Deviations:
    """Usual counts of S series: a discounted mean rate times the profile of hours and weekdays that the series of a signal share.

    The spread is measured on the scale of roots, where it hardly depends on the mean (Anscombe 1948), and never taken to be below a Poisson's.
    """

    def __init__(self, setup: Setup, *, memory_blocks: float, blocks_min: int) -> None:
        pool = np.zeros(len(setup.signal), np.int64) if setup.pool is None else setup.pool
        self._profile = Profile(setup, pool * len(setup.signals) + setup.signal, _PROFILE_DISCOUNT, _PROFILE_WEIGHT)
        self._size, self._blocks_min = len(setup.signal), blocks_min
        self._every: Ints = np.arange(self._size)
        self._keep = float(np.exp(-1.0 / memory_blocks))
        self._tally = np.zeros((4, self._size))  # events, windows' worth of profile, windows judged, squares of their deviations
        self._blocks = np.zeros(self._size, np.int64)  # learned
        self._fresh = np.zeros(self._size, bool)  # something was known in this block
        self._usual = np.zeros((2, 3, self._size))  # of this block and the next: rate, scale, ready
        self._shapes = [self._profile.table(), self._profile.table()]

    def look(self, which: int, window: Window, observed: Observed) -> Look:
        """Deviations in ``window``. ``which``: 0 in this block, 1 in the next."""
        rate, scale, ready = self._usual[which]
        known = observed.present & (ready > 0)
        mean = np.where(known, rate * self._profile.weights(self._shapes[which], window, self._every), 0.0)
        away = 2.0 * (np.sqrt(np.where(known, np.maximum(observed.n, 0.0), 0.0) + _SHIFT) - np.sqrt(mean + _SHIFT))
        z = np.clip(away / np.where(known, scale, 1.0), -Z_MAX, Z_MAX)
        return Look(mean, scale, np.where(known, np.rint(z / STEP) * STEP, np.nan))

    def learn(self, window: Window, observed: Observed, look: Look, flagged: Bools) -> None:
        """Take ``window`` in; what was flagged (S,) counts as far as it is still usual."""
        most = np.square(np.sqrt(look.mean + _SHIFT) + 0.5 * _CLIP * look.scale) - _SHIFT
        n = np.where(observed.present, np.where(flagged, np.minimum(observed.n, most), observed.n), 0.0)
        weight = self._profile.weights(self._shapes[0], window, self._every)
        judged = np.isfinite(look.z)
        away = np.where(judged, np.clip(look.z, -_CLIP_SCALE, _CLIP_SCALE) * look.scale, 0.0)
        self._tally += np.stack((n, np.where(observed.present, weight, 0.0), judged, away * away))
        self._profile.add(window, n, observed.present)
        self._fresh |= observed.present

    def end_block(self, moved: Bools) -> None:
        """Publish what the block after the next will be judged by. Where the level has ``moved`` (S,), the past counts little."""
        self._tally *= np.where(moved, _AFTER_DRIFT, 1.0)
        events, exposure, windows, squares = self._tally
        self._blocks += self._fresh
        self._fresh[:] = False
        self._profile.end_block()
        rate = events / np.maximum(exposure, 1e-9)
        scale = np.sqrt(np.maximum((squares + _SCALE_PRIOR) / (windows + _SCALE_PRIOR), 1.0))
        self._usual[0] = self._usual[1]
        self._usual[1] = np.stack((rate, scale, (self._blocks >= self._blocks_min) & (exposure > 0)))
        self._shapes = [self._shapes[1], self._profile.table()]
        self._tally *= self._keep

    def snapshot(self) -> State:
        return {
            "tally": self._tally.copy(),
            "blocks": self._blocks.copy(),
            "fresh": self._fresh.copy(),
            "usual": self._usual.copy(),
            "shapes": np.stack(self._shapes),
            **self._profile.snapshot(),
        }

    def restore(self, state: State) -> None:
        """Go on from a snapshot."""
        self._tally, self._usual = np.array(state["tally"], float), np.array(state["usual"], float)
        self._blocks, self._fresh = np.array(state["blocks"], np.int64), np.array(state["fresh"], bool)
        self._shapes = [np.array(shape, float) for shape in state["shapes"]]
        self._profile.restore(state)
