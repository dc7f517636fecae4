"""Slow rates of many series: a dynamic generalised linear model with a conjugate gamma-Poisson step.

State per series: log level, slope a block, and one yearly harmonic. Discounting instead of system noise.
Source: West, Harrison, Migon, "Dynamic Generalized Linear Models and Bayesian Forecasting", JASA 80 (1985).
"""

from __future__ import annotations

import math

import numpy as np

from detectors.base import Bools, Floats, Ints, State

_LEVEL, _SLOPE = 0, 1
_PRIOR_SHAPE = 0.5  # gamma shape a new series starts with: its rate is known to within a factor of several
_PRIOR_SLOPE_VAR = 1e-6
_PRIOR_SEASON_VAR = 0.1
_POOL_SERIES_MIN = 5  # known series from which a pool says what a new one of it is like
_POOL_VAR = (0.05, 4.0)  # bounds of the relative variance of a pool's rates
_LEVEL_VAR_MAX = 4.0
_BLOCK_VAR = (
    0.0025  # of what a block's rate is by itself, about its trend: however much is counted in one block, it says no more than 400 events
)
_MOVED_VAR = 0.25  # of the log level, once it is known to have moved: it may be half or double
_LOG_RATE_MIN = -16.0
_LOG_RATE_MAX = 36.0  # thousands of times what a cell can hold; keeps whatever is fed finite
_CLIP_SD = 3.0
_ODD_MIN = 5.0  # events off the mark before a block may be doubted: a lone event in a sparse series is always surprising, and real


class Rate:
    """Rates per block of S series. ``pool`` (S,): series with the same number share a first guess."""

    def __init__(self, *, pool: Ints, level_discount: float, drift_discount: float, flag_weight: float, accept_blocks: int) -> None:
        size = len(pool)
        self._pool = np.unique(pool, return_inverse=True)[1]
        self._level_discount, self._drift_discount = level_discount, drift_discount
        self._flag_weight, self._accept_blocks = flag_weight, accept_blocks
        self._mean = np.zeros((4, size))
        self._cov = np.zeros((4, 4, size), np.float32)
        for i, variance in enumerate((1.0 / _PRIOR_SHAPE, _PRIOR_SLOPE_VAR, _PRIOR_SEASON_VAR, _PRIOR_SEASON_VAR)):
            self._cov[i, i] = variance
        self._known = np.zeros(size, bool)  # once a series has its first guess
        self._flagged_for = np.zeros(size, np.int16)  # blocks in a row
        self.first_q = np.zeros(size, np.float32)  # variance of the log rate that a series began with, where its pool told it
        self._size_of_pool = int(self._pool.max(initial=-1)) + 1

    def predict(self, year: float, blocks_on: int) -> tuple[Floats, Floats]:
        """Mean rate (S,) of the block ``blocks_on`` after the last one learned, in which ``year`` has passed, and variance (S,) of its log."""
        f, q = self._linear(self._mean, self._evolved(blocks_on), year, blocks_on)
        rate = np.exp(f)
        typical, variance, usable = self._pooled(rate)
        new = ~self._known & usable[self._pool]
        return np.where(self._known, rate, np.where(new, typical[self._pool], 0.0)), np.where(new, variance[self._pool], q)

    def pooled(self, ready: Bools) -> Bools:
        """(S,) series whose pool has enough ``ready`` (S,) series to say what any other one of it is like."""
        return np.asarray((np.bincount(self._pool, ready, self._size_of_pool) >= _POOL_SERIES_MIN)[self._pool])

    def update(self, events: Floats, exposure: Floats, phi: Floats, year: float, flagged: Bools) -> None:
        """Learn a block: ``events`` (S,) seen during ``exposure`` (S,) of its weight; ``phi`` (S,) dispersion."""
        self._guess(events, exposure)
        self._mean[_LEVEL] += self._mean[_SLOPE]
        cov = self._evolved(1)
        f, q = self._linear(self._mean, cov, year, 0)
        self._flagged_for = np.where(flagged, np.minimum(self._flagged_for + 1, 32_000), 0).astype(np.int16)
        expected = np.exp(f) * exposure
        doubted = flagged & (self._flagged_for <= self._accept_blocks) & (np.abs(events - expected) > _ODD_MIN)
        spread = np.sqrt(phi * expected + q * expected * expected)
        taken = np.where(doubted, np.clip(events, expected - _CLIP_SD * spread, expected + 1.0 + _CLIP_SD * spread), events)
        weight = np.where(doubted, self._flag_weight, 1.0) / (phi + _BLOCK_VAR * expected)
        shape = 1.0 / q
        shape_after = shape + np.maximum(taken, 0.0) * weight
        rate_after = shape / np.exp(f) + exposure * weight
        shift = np.where(exposure > 0, np.log(shape_after / rate_after) - f, 0.0)
        shrink = np.where(exposure > 0, (q - 1.0 / shape_after) / q, 0.0)
        self._correct(cov, year, q, shift, np.maximum(shrink, 0.0))

    def believe(self, moved: Bools) -> None:
        """A drift detector says of series (S,) that their level has moved: what surprises from now on is learned in full, and fast."""
        self._flagged_for = np.where(moved, self._accept_blocks, self._flagged_for).astype(np.int16)
        self._cov[_LEVEL, _LEVEL] = np.where(moved, np.maximum(self._cov[_LEVEL, _LEVEL], _MOVED_VAR), self._cov[_LEVEL, _LEVEL])

    def believed(self) -> Bools:
        """(S,) series flagged for so many blocks in a row that they are learned in full again: what is usual has moved."""
        return self._flagged_for > self._accept_blocks

    def snapshot(self) -> State:
        return {
            "mean": self._mean.copy(),
            "cov": self._cov.copy(),
            "known": self._known.copy(),
            "flagged_for": self._flagged_for.copy(),
            "first_q": self.first_q.copy(),
        }

    def restore(self, state: State) -> None:
        self._mean, self._cov = np.array(state["mean"], float), np.array(state["cov"], np.float32)
        self.first_q = np.array(state["first_q"], np.float32)
        self._known, self._flagged_for = np.array(state["known"], bool), np.array(state["flagged_for"], np.int16)

    def _guess(self, events: Floats, exposure: Floats) -> None:
        """First guess of series never seen before: the mean rate of their pool, half an event where the pool had none."""
        new = ~self._known & (exposure > 0)
        if not new.any():
            return
        pools = self._size_of_pool
        total = np.bincount(self._pool, np.where(exposure > 0, events, 0.0), pools)
        weight = np.bincount(self._pool, exposure, pools)
        rate = (total + 0.5) / (weight + 1.0)
        _, variance, usable = self._pooled(np.exp(self._mean[_LEVEL]))
        self._mean[_LEVEL] = np.where(new, np.log(rate)[self._pool], self._mean[_LEVEL])
        self._cov[_LEVEL, _LEVEL] = np.where(new & usable[self._pool], variance[self._pool], self._cov[_LEVEL, _LEVEL])
        self.first_q = np.where(new & usable[self._pool], variance[self._pool], self.first_q).astype(np.float32)
        self._known = self._known | new

    def _pooled(self, rate: Floats) -> tuple[Floats, Floats, Bools]:
        """Of each pool the mean rate of its known series, their relative variance, and whether they are enough."""
        number = np.bincount(self._pool, self._known, self._size_of_pool)
        mean = np.bincount(self._pool, np.where(self._known, rate, 0.0), self._size_of_pool) / np.maximum(number, 1.0)
        square = np.bincount(self._pool, np.where(self._known, rate * rate, 0.0), self._size_of_pool) / np.maximum(number, 1.0)
        variance = np.clip(square / np.maximum(mean * mean, 1e-30) - 1.0, *_POOL_VAR)
        return mean, variance, number >= _POOL_SERIES_MIN

    def _evolved(self, blocks: int) -> Floats:
        """Covariance after ``blocks`` blocks without news: discounted, bounded, level moved on by the slope."""
        cov = self._cov.astype(float)
        grow = np.array([self._level_discount, self._drift_discount, self._drift_discount, self._drift_discount]) ** (-blocks / 2.0)
        cov[_LEVEL] += blocks * cov[_SLOPE]
        cov[:, _LEVEL] += blocks * cov[:, _SLOPE]
        cov *= grow[:, None, None] * grow[None, :, None]
        for i, bound in enumerate((_LEVEL_VAR_MAX, 100 * _PRIOR_SLOPE_VAR, 10 * _PRIOR_SEASON_VAR, 10 * _PRIOR_SEASON_VAR)):
            excess = np.sqrt(np.minimum(1.0, bound / np.maximum(cov[i, i], 1e-30)))
            cov[i] *= excess
            cov[:, i] *= excess
        return cov

    def _linear(self, mean: Floats, cov: Floats, year: float, blocks: int) -> tuple[Floats, Floats]:
        """Mean and variance of the log rate."""
        design = _design(year)
        f = mean[_LEVEL] + blocks * mean[_SLOPE] + design[2] * mean[2] + design[3] * mean[3]
        q = sum(design[i] * design[j] * cov[i, j] for i in (0, 2, 3) for j in (0, 2, 3))
        return np.clip(f, _LOG_RATE_MIN, _LOG_RATE_MAX), np.maximum(q, 1e-6)

    def _correct(self, cov: Floats, year: float, q: Floats, shift: Floats, shrink: Floats) -> None:
        """Linear Bayes: the state moves by its covariance with the log rate."""
        design = _design(year)
        gain = sum(design[j] * cov[:, j] for j in (0, 2, 3)) / q
        self._mean += gain * shift
        self._mean[_LEVEL] = np.clip(self._mean[_LEVEL], _LOG_RATE_MIN, _LOG_RATE_MAX)
        self._cov = (cov - gain[:, None] * gain[None, :] * (q * shrink)).astype(np.float32)


def _design(year: float) -> tuple[float, float, float, float]:
    angle = 2.0 * math.pi * year
    return 1.0, 0.0, math.cos(angle), math.sin(angle)
