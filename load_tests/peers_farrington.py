"""Farrington-flexible: the quasi-Poisson regression that public health agencies use for weekly counts, over many series at once.

Source: Noufaily et al., Statistics in Medicine 32 (2013), sections 3.1 to 3.5. For each week asked, and each series: the weeks of
the last ``YEARS`` years without the last ``RECENT`` ones; a factor of ten levels for the season, one of which is the seven weeks about
this week's own; a log-linear trend; a second fit in which weeks with an Anscombe residual above 2.58 weigh less; the tail of
the negative binomial with the fitted mean and dispersion.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from detectors.base import Bools, Floats, Ints
from detectors.tails import upper_mid_p

YEARS, RECENT, HALF_WIDTH, LEVELS = 5, 26, 3, 10
YEAR_WEEKS = 52
RESIDUAL_MAX = 2.58
TREND_P = 0.05  # the trend is left out where it is not as significant as this
STEPS_MAX = 12
STEP_MIN = 0.01  # of a mean: the step after it would be about its square
RIDGE = 1e-6  # of a level in which nothing was ever counted
ETA = (-12.0, 15.0)


def scores(counts: Ints, window_s: int, since: int = 0) -> Floats:  # noqa: ARG001 - an interface that peers share
    """-log10 of the tail (T, S); 0 before ``since`` and while there are no five years."""
    out = np.zeros(counts.shape)
    reach = YEARS * YEAR_WEEKS + HALF_WIDTH
    for week in range(max(since, reach), len(counts)):
        out[week] = _week(counts, week)
    return out


def _week(counts: Ints, week: int) -> Floats:
    past = np.arange(week - YEARS * YEAR_WEEKS - HALF_WIDTH, week - RECENT)
    y = counts[past].T.astype(float)  # (S, n)
    design = np.column_stack((_season(past, week), (past - week) / YEAR_WEEKS))
    beta, phi, covariance = _fitted_twice(design, y)
    t = beta[:, -1] / np.sqrt(np.maximum(covariance[:, -1, -1] * phi, 1e-12))
    mean = np.exp(np.clip(beta[:, 0], *ETA))  # the week itself is level 0 at time 0
    kept: Bools = 2.0 * special.stdtr(len(past) - design.shape[1], -np.abs(t)) < TREND_P
    kept &= mean <= np.maximum(y.max(axis=1), 1.0)  # never predict beyond what was ever seen
    if not kept.all():
        plain, phi[~kept], _ = _fitted_twice(design[:, :-1], y[~kept])
        mean[~kept] = np.exp(np.clip(plain[:, 0], *ETA))
    return np.asarray(-np.log10(upper_mid_p(counts[week].astype(float), mean, phi * mean)))


def _season(past: Ints, week: int) -> Floats:
    """(n, LEVELS) an intercept, and a column for each level but the one about ``week``'s own time of the year."""
    off = (past - week + YEAR_WEEKS // 2) % YEAR_WEEKS - YEAR_WEEKS // 2
    rest = np.mod(off - HALF_WIDTH - 1, YEAR_WEEKS)  # 0.. for the weeks that follow the seven
    width = (YEAR_WEEKS - 2 * HALF_WIDTH - 1) / (LEVELS - 1)
    level = np.where(np.abs(off) <= HALF_WIDTH, 0, 1 + np.minimum(rest // width, LEVELS - 2))
    columns = level[:, None] == np.arange(LEVELS)
    columns[:, 0] = True
    return np.asarray(columns, float)


def _fitted_twice(design: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Coefficients (S, k), dispersion (S,) and unscaled covariance (S, k, k) after the second, reweighted fit."""
    once = _fit(design, y, np.ones_like(y), np.log(y + 0.5))
    hat = (once.covariance.reshape(len(y), -1) @ _outer(design).T) * once.mean
    root = np.sqrt(once.phi[:, None] * np.maximum(1.0 - hat, 1e-6))
    residual = 1.5 * (y ** (2 / 3) - once.mean ** (2 / 3)) / (once.mean ** (1 / 6) * root)
    weight = np.where(residual > RESIDUAL_MAX, 1.0 / np.maximum(residual, 1.0) ** 2, 1.0)
    weight *= y.shape[1] / weight.sum(axis=1, keepdims=True)
    twice = _fit(design, y, weight, np.log(once.mean))
    return twice.beta, twice.phi, twice.covariance


class _Fit(NamedTuple):
    beta: Floats  # (S, k)
    phi: Floats  # (S,)
    covariance: Floats  # (S, k, k)
    mean: Floats  # (S, n)


def _fit(design: Floats, y: Floats, weight: Floats, eta: Floats) -> _Fit:
    """Quasi-Poisson regression of every row of ``y`` (S, n) by iterated least squares, begun at ``eta``."""
    n, k = design.shape
    outer = _outer(design)
    ridge = RIDGE * np.eye(k)
    mean, beta = np.exp(eta), np.zeros((len(y), k))
    for _ in range(STEPS_MAX):
        work = weight * mean
        information = (work @ outer).reshape(-1, k, k) + ridge
        target = (work * eta + weight * (y - mean)) @ design
        beta = np.asarray(np.linalg.solve(information, target[:, :, None])[:, :, 0], float)
        eta = np.clip(beta @ design.T, *ETA)
        before, mean = mean, np.exp(eta)
        if (np.abs(mean - before) <= STEP_MIN * (mean + 0.1)).all():
            break
    covariance = np.linalg.inv(((weight * mean) @ outer).reshape(-1, k, k) + ridge)
    phi = np.maximum((weight * (y - mean) ** 2 / mean).sum(axis=1) / (n - k), 1.0)
    return _Fit(beta, phi, np.asarray(covariance, float), np.asarray(mean, float))


def _outer(design: Floats) -> Floats:
    """(n, k * k)"""
    return np.asarray((design[:, :, None] * design[:, None, :]).reshape(len(design), -1))
