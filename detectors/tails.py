"""Tail probabilities of counts.

The negative binomial is given by its mean and variance; where the variance is not above the mean it is a Poisson.
Mid-p values (half the probability of what was seen itself) are used since counts are discrete: an ordinary tail
probability would be conservative by an amount that depends on the mean (Lancaster 1961).
"""

from __future__ import annotations

import numpy as np
from scipy import special

from detectors.base import Floats

_EXCESS_MIN = 1e-6  # least relative excess of the variance over the mean: below it the size parameter overflows
TINY = 1e-300


def upper_mid_p(count: Floats, mean: Floats, variance: Floats) -> Floats:
    """P(Y > count) + P(Y = count) / 2, elementwise; ``count`` >= 0 whole, ``mean`` > 0.

    Most counts are 0, which needs no incomplete beta function.

    >>> upper_mid_p(np.array([0.0]), np.array([1.0]), np.array([1.0])).round(3).tolist()
    [0.816]
    """
    size, excess = _shape(mean, variance)
    p = np.asarray(1.0 - 0.5 * np.exp(-size * np.log1p(excess)))
    some = count > 0
    n, size, part = count[some], size[some], (excess / (1.0 + excess))[some]
    p[some] = 0.5 * (special.betainc(n + 1.0, size, part) + special.betainc(n, size, part))
    return np.clip(p, TINY, 1.0)


def lower_mid_p(count: Floats, mean: Floats, variance: Floats) -> Floats:
    """P(Y < count) + P(Y = count) / 2, elementwise.

    >>> lower_mid_p(np.array([0.0]), np.array([60.0]), np.array([60.0])) < 1e-26
    array([ True])
    """
    size, excess = _shape(mean, variance)
    part = 1.0 / (1.0 + excess)
    count = np.maximum(count, 0.0)
    at_or_below = special.betainc(size, count + 1.0, part)  # not as 1 - P(Y > count), which is 0 where the tail is below 1e-16
    below = np.where(count > 0, special.betainc(size, np.maximum(count, 1.0), part), 0.0)
    return np.asarray(np.clip(0.5 * (below + at_or_below), TINY, 1.0))


def _shape(mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Size of the negative binomial, and by what part its variance exceeds the mean."""
    mean = np.maximum(mean, 1e-12)
    excess = np.maximum(variance / mean - 1.0, _EXCESS_MIN)
    return mean / excess, excess


def interval(mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """About the central 95% of such counts: normal on the square-root scale, where their spread hardly depends on the mean."""
    root = np.sqrt(np.maximum(mean, 1e-12))
    half = 0.98 * np.sqrt(np.maximum(variance, 1e-12)) / root
    return np.maximum(root - half, 0.0) ** 2, (root + half) ** 2
