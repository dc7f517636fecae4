"""Two of river's anomaly detectors, one model a series, given residuals from a running seasonal mean: raw counts would show them the season."""

from __future__ import annotations

from typing import Any

import numpy as np
from river import anomaly

from detectors.base import Floats, Ints
from load_tests.peers_seasonal import residuals

SEED = 1
GRACE = 100  # windows a GaussianScorer waits, its own default
TREES, HEIGHT, WINDOW = 10, 6, 250
LAGS = 2  # residuals before the present one that are features too


def gaussian(counts: Ints, window_s: int, since: int = 0) -> Floats:  # noqa: ARG001 - an interface that peers share
    """Standard deviations (T, S) above the mean of GaussianScorer's Gaussian; 0 below it.

    Its own score is a monotone function of them where they are above 0, but comes to 1 at eight and cannot rank what is beyond.
    """
    z = residuals(counts, window_s)
    out = np.zeros(z.shape)
    make: Any = anomaly.GaussianScorer
    for column in range(z.shape[1]):
        model = make(grace_period=GRACE)
        for t, value in enumerate(z[:, column].tolist()):
            if model.score_one(None, value) > 0:  # else in its grace period
                out[t, column] = max(0.0, (value - model.gaussian.mu) / model.gaussian.sigma)
            model.learn_one(None, value)
    return out


def half_space_trees(counts: Ints, window_s: int, since: int = 0) -> Floats:
    """HalfSpaceTrees' score (T, S), 0 before ``since``. Features: this residual and the ``LAGS`` before it, squeezed into (0, 1)."""
    z = residuals(counts, window_s)
    squeezed = 0.5 + z / (2.0 * (3.0 + np.abs(z)))
    names = [f"lag{lag}" for lag in range(LAGS + 1)]
    out = np.zeros(z.shape)
    for column in range(z.shape[1]):
        model: Any = anomaly.HalfSpaceTrees(n_trees=TREES, height=HEIGHT, window_size=WINDOW, seed=SEED)
        values = squeezed[:, column].tolist()
        above = (z[:, column] > 0).tolist()
        for t in range(LAGS, len(values)):
            features = dict(zip(names, values[t - LAGS : t + 1], strict=True))
            if t >= since and above[t]:
                out[t, column] = model.score_one(features)
            model.learn_one(features)
    return out
