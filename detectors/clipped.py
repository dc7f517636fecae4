"""How much of a count's variance is left when deviations are clipped: a robust estimate of dispersion divides by it.

Clipping keeps one outbreak from being taken for the way a series always scatters. By itself it would make every
dispersion too small, most of all that of sparse and clustered series, whose variance lives in their tail.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import special

from detectors.base import Floats

_MEAN = (-3.0, 2.5, 23)  # log10: from, to, points; beyond, counts are as good as normal, or single events
_PHI = (0.0, 1.75, 15)  # log10
_TAIL_SD = 40.0


class Clip(NamedTuple):
    """Beyond ``sd`` standard deviations and ``events`` above the mean a deviation adds no more. Below, all of it counts: no outbreak is there."""

    sd: float
    events: float

    def clipped(self, deviation: Floats, variance: Floats) -> Floats:
        """Deviations from the mean, cut above."""
        return np.minimum(deviation, self.events + self.sd * np.sqrt(variance))

    def kept(self, mean: Floats, phi: Floats) -> Floats:
        """E[clipped(Y - mean) ** 2] / variance of a negative binomial with variance ``phi * mean``, phi >= 1; interpolated, elementwise."""
        table = _table(self)
        x = np.clip((np.log10(np.maximum(mean, 1e-9)) - _MEAN[0]) / (_MEAN[1] - _MEAN[0]) * (_MEAN[2] - 1), 0.0, _MEAN[2] - 1.000001)
        y = np.clip((np.log10(phi) - _PHI[0]) / (_PHI[1] - _PHI[0]) * (_PHI[2] - 1), 0.0, _PHI[2] - 1.000001)
        i, j = x.astype(np.int64), y.astype(np.int64)
        x, y = x - i, y - j
        low = table[i, j] + x * (table[i + 1, j] - table[i, j])
        high = table[i, j + 1] + x * (table[i + 1, j + 1] - table[i, j + 1])
        return np.asarray(low + y * (high - low))


@lru_cache(maxsize=8)
def _table(clip: Clip) -> Floats:
    """(means, phis)."""
    table = np.ones((_MEAN[2], _PHI[2]))
    for i, mean in enumerate(np.logspace(*_MEAN).tolist()):
        for j, phi in enumerate(np.logspace(*_PHI).tolist()):
            variance = phi * mean
            top = mean + _TAIL_SD * variance**0.5 + 20.0 * phi
            count = np.arange(0.0, min(np.ceil(top), 5e4))
            excess = max(phi - 1.0, 1e-6)
            size = mean / excess
            log_p = (
                special.gammaln(count + size)
                - special.gammaln(size)
                - special.gammaln(count + 1.0)
                + count * np.log(excess / (1.0 + excess))
                - size * np.log1p(excess)
            )
            deviation = clip.clipped(count - mean, np.array(variance))
            table[i, j] = min(1.0, float(np.cumsum(np.exp(log_p) * deviation * deviation)[-1]) / variance)
    return table
