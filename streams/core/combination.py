"""From the p-values of nested durations to one: the power mean with exponent -1/2, and its distribution under chance.

    m = mean(p ** -0.5) ** -2

lies between the geometric mean, which adds up what several durations half see, and the least, which hears a burst
that one duration sees alone. Under chance it is no p-value itself. Its distribution is computed once for each set of
durations: sums over nested durations of independent windows are jointly normal, nearly, so their p-values come from
cumulated normal increments. They are drawn on a Kronecker lattice, at several scales so that far tails are met as well
(importance sampling with the balance heuristic, Veach 1997), without randomness and without BLAS. Far out only one
duration can be so rare and P(m <= x) tends to x / D.

Sources: Vovk and Wang, "Combining p-values via averaging", Biometrika 107 (2020); Wilson, "The harmonic mean p-value",
PNAS 116 (2019).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

Floats = NDArray[np.float64]

P_MIN = 1e-30
EXPONENT = -0.5
POINTS = 1 << 14
SCALES = (1.0, 1.5, 2.2, 3.2, 4.5, 6.5)
STEP = 0.25  # decades
DECADES = 12.0
"""Beyond so many decades the factor no longer changes."""
ONSET_SHARE = 0.8
"""Of the false alarms, what the sequential test may use up; the durations, the short ones of which look anew at every window, have the rest."""


def with_onset(p: Floats, onset: Floats) -> Floats:
    """(R,) of the durations together and of the sequential test: their harmonic mean by shares (Wilson 2019), near the less of ``p`` over its share.

    ``p`` alone where ``onset`` is NaN: there it is not looked for.
    """
    both = np.asarray(1.0 / ((1.0 - ONSET_SHARE) / np.maximum(p, P_MIN) + ONSET_SHARE / np.maximum(onset, P_MIN)))
    return np.where(np.isnan(onset), p, both)


class Combination:
    """The p-value of some nested durations (in windows, ascending) together."""

    def __init__(self, durations: tuple[int, ...]) -> None:
        assert list(durations) == sorted(set(durations)), f"durations {durations} are not ascending"
        self.durations = durations
        self._shift = _shift(durations)

    def __call__(self, p: Floats) -> Floats:
        """(R, D) -> (R,), not below ``P_MIN``; without durations 1."""
        if not self.durations:
            return np.ones(len(p))
        if len(self.durations) == 1:
            return np.clip(p[:, 0], P_MIN, 1.0)
        mean = np.zeros(len(p))
        for column in range(p.shape[1]):  # numpy's mean over an axis adds in another order on other machines
            mean += np.clip(p[:, column], P_MIN, 1.0) ** EXPONENT
        tail = -np.log10(mean / p.shape[1]) / EXPONENT
        at = np.minimum(tail, DECADES) / STEP
        left = np.minimum(at.astype(np.int64), len(self._shift) - 2)
        shift = self._shift[left] + (at - left) * (self._shift[left + 1] - self._shift[left])
        return np.asarray(np.clip(10.0 ** (shift - tail), P_MIN, 1.0))


@lru_cache(maxsize=256)
def _shift(durations: tuple[int, ...]) -> Floats:
    """log10 of P(m <= 10 ** -t) * 10 ** t under chance, for t from 0 in steps of ``STEP``."""
    grid = np.arange(0.0, DECADES + STEP / 2, STEP)
    count = len(durations)
    if count < 2:
        return np.zeros(len(grid))
    steps, length = _draws(count)
    weight = np.exp(-0.5 * length) / np.mean([np.exp(-0.5 * length / s**2) / s**count for s in SCALES], axis=0) / len(steps)
    spans = np.diff(np.array((0, *durations), float))
    sums = np.cumsum(np.sqrt(spans) * steps, axis=1) / np.sqrt(np.array(durations, float))
    tail = np.log10(np.exp(EXPONENT * special.log_ndtr(-sums)).mean(axis=1)) / -EXPONENT
    order = np.argsort(-tail, kind="stable")
    share = np.interp(-grid, -tail[order], np.cumsum(weight[order]))
    shift = np.clip(np.log10(np.maximum(share, 1e-300)) + grid, -np.log10(count), np.log10(count))
    rising = grid < 1.0
    shift[~rising] = np.minimum.accumulate(shift[~rising])
    shift[0] = 0.0  # m <= 1 always
    return np.asarray(shift)


def _draws(count: int) -> tuple[Floats, Floats]:
    """Normal increments (N, count) at every scale, and their squared lengths (N,)."""
    ratio = 2.0
    for _ in range(40):  # the root of x ** (count + 1) = x + 1, whose powers are far from all fractions (Roberts 2018)
        ratio = (1.0 + ratio) ** (1.0 / (count + 1))
    generators = (1.0 / ratio) ** np.arange(1, count + 1)
    lattice = (0.5 + np.arange(1, POINTS + 1)[:, None] * generators) % 1.0
    normal = special.ndtri(np.clip(lattice, 1e-9, 1.0 - 1e-9))
    steps = np.concatenate([scale * normal for scale in SCALES])
    return steps, np.cumsum(steps * steps, axis=1)[:, -1]
