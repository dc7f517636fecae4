"""What peers without a season of their own are given: a running seasonal mean of counts, known before each window; and CUSUM on it.

The mean of a window is ``level x season``. The level is an exponentially weighted mean; the season is a product of indices of the
window's cell (hour of working days or weekends and day of the week; day of the week; the five weeks about this week of the year), each the ratio of
what was counted in such cells to what the rest of the mean led to expect, shrunk to that of all series.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.ndimage import minimum_filter1d

from detectors.base import Floats, Ints
from detectors.tails import upper_mid_p
from streams.model import DAY_S, HOUR_S

WEEK_S = 7 * DAY_S
MEMORY = {HOUR_S: 28 * 24, DAY_S: 56, WEEK_S: 26}  # windows that the level remembers
OWN_EVENTS = 50.0  # events in a cell with which a series' own index counts as much as that of all
PHI_MEMORY = 200.0  # windows
PHI_MAX = 50.0
REACH = {HOUR_S: 7 * 24 + 1, DAY_S: 29, WEEK_S: 9}  # odd
SLACK = 0.5  # of the CUSUM: half the shift, in standard deviations, that it is made for


_NEAR = np.array([[max(0.0, 3.0 - min((a - b) % 52, (b - a) % 52)) for b in range(52)] for a in range(52)])


class Running(NamedTuple):
    """Known before each of T windows of S series."""

    mean: Floats  # (T, S)
    phi: Floats  # (T, S) variance over mean


def running(counts: Ints, window_s: int) -> Running:
    """Online: row t uses rows before t. Windows count from Thursday midnight, as those of the epoch do."""
    windows, size = counts.shape
    cells = _cells(windows, window_s)
    keep = 1.0 - 1.0 / MEMORY[window_s]
    seen, due = np.zeros(size), np.zeros(size)
    tables = [(np.zeros((cell.max() + 1, size)), np.zeros((cell.max() + 1, size))) for cell in cells]
    scatter, weight = np.full(size, 10.0), np.full(size, 10.0)
    mean, phi = np.empty(counts.shape), np.empty(counts.shape)
    for t, row in enumerate(counts):
        n = row.astype(float)
        indices = [_index(table, cell[t]) for table, cell in zip(tables, cells, strict=True)]
        season = np.prod(indices, axis=0) if indices else np.ones(size)
        level = (seen + 0.5) / (due + 1.0)
        expected = level * season
        mean[t], phi[t] = expected, np.clip(scatter / weight, 1.0, PHI_MAX)
        for (counted, predicted), cell, index in zip(tables, cells, indices, strict=True):
            counted[cell[t]] += n
            predicted[cell[t]] += expected / index
        seen, due = keep * seen + n, keep * due + season
        ratio = np.minimum((n - expected) ** 2 / np.maximum(expected, 1e-6), 25.0)  # an outbreak is no dispersion
        part = expected / (1.0 + expected)
        scatter += (part * ratio - scatter / PHI_MEMORY) * (t > MEMORY[window_s])
        weight += (part - weight / PHI_MEMORY) * (t > MEMORY[window_s])
    return Running(mean, phi)


def _cells(windows: int, window_s: int) -> list[Ints]:
    """Cell (T,) of each window, one array a kind of index."""
    at = np.arange(windows)
    if window_s == WEEK_S:
        return [at % 52]
    day = at * window_s // DAY_S
    weekday = (day + 3) % 7
    if window_s == DAY_S:
        return [weekday]
    return [at * window_s % DAY_S // HOUR_S + 24 * (weekday >= 5), weekday]


def _index(table: tuple[Floats, Floats], cell: int) -> Floats:
    if len(table[0]) == len(_NEAR):  # weeks: a season moves on within a month
        counted, predicted = ((_NEAR[cell][:, None] * sums).sum(axis=0) for sums in table)
    else:
        counted, predicted = table[0][cell], table[1][cell]
    pool = (counted.sum() + OWN_EVENTS) / (predicted.sum() + OWN_EVENTS)
    return np.asarray((counted + OWN_EVENTS * pool) / (predicted + OWN_EVENTS))


def residuals(counts: Ints, window_s: int) -> Floats:
    """(T, S) about standard normal: Rossi's square-root residuals, over the running dispersion.

    Source: Rossi, Lampugnani, Marchi, "An approximate CUSUM procedure for surveillance of health events", Statistics in
    Medicine 18 (1999).
    """
    mean, phi = running(counts, window_s)
    return np.asarray((counts - 3.0 * mean + 2.0 * np.sqrt(mean * counts)) / (2.0 * np.sqrt(phi * mean)))


def cusum(counts: Ints, window_s: int, since: int = 0) -> Floats:  # noqa: ARG001 - an interface that peers share
    """One-sided CUSUM (T, S) of the residuals, never below 0, over the last ``REACH`` windows at most.

    The limit does what a reset after an alarm does, without knowing the threshold. Source: Lai, "Sequential changepoint detection
    in quality control and dynamical systems", JRSS B 57 (1995).
    """
    total = np.cumsum(residuals(counts, window_s) - SLACK, axis=0)
    reach = REACH[window_s]
    before = np.pad(total[:-1], ((1, 0), (0, 0)))
    least = minimum_filter1d(before, reach, axis=0, origin=(reach - 1) // 2, mode="nearest")
    return np.asarray(np.maximum(0.0, total - least))


def exceedance(counts: Ints, window_s: int, since: int = 0) -> Floats:  # noqa: ARG001
    """-log10 of the negative binomial tail (T, S) of each window at the running mean: the plain thing to do."""
    mean, phi = running(counts, window_s)
    return np.asarray(-np.log10(upper_mid_p(counts.astype(float), mean, phi * mean)))
