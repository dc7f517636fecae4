"""Other people's detectors, to be compared with: each a function of counts, strictly online, larger where it is more surprised.

EARS C1, C2 and C3: Hutwagner, Thompson, Seeman, Treadwell, "The bioterrorism preparedness and response Early Aberration Reporting
System (EARS)", Journal of Urban Health 80 (2003). A constant and a random detector are floors that everybody must be above.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from detectors.base import Floats, Ints
from load_tests import peers_farrington, peers_river, peers_seasonal
from load_tests.noufaily import rolling

BASELINE = 7
GAP = 2
SD_MIN = 0.2
DAY = 24


class Peer(Protocol):
    """Scores (T, S) of counts (T, S) of windows of ``window_s``; row t depends on rows up to t. Before ``since`` nobody asks."""

    def __call__(self, counts: Ints, window_s: int, since: int = 0) -> Floats: ...


def _ears(x: Floats, gap: int, step: int = 1) -> Floats:
    """Standard deviations (T, S) above the mean of ``BASELINE`` windows, ``step`` apart, the newest of them ``gap + 1`` steps ago."""
    out = np.zeros(x.shape)
    reach = step * (gap + BASELINE)
    if len(x) <= reach:
        return out
    past = np.stack([x[reach - step * (gap + i) : len(x) - step * (gap + i)] for i in range(1, BASELINE + 1)])
    sd = np.maximum(past.std(axis=0, ddof=1), SD_MIN)
    out[reach:] = (x[reach:] - past.mean(axis=0)) / sd
    return out


def ears_c1(counts: Ints, window_s: int, since: int = 0) -> Floats:  # noqa: ARG001 - an interface that peers share
    """Against the seven windows before."""
    return _ears(counts.astype(float), gap=0)


def ears_c2(counts: Ints, window_s: int, since: int = 0) -> Floats:  # noqa: ARG001
    """Against the seven windows before the two before."""
    return _ears(counts.astype(float), gap=GAP)


def ears_c3(counts: Ints, window_s: int, since: int = 0) -> Floats:  # noqa: ARG001
    """What C2 exceeded 1 by, over three windows."""
    return _c3(_ears(counts.astype(float), gap=GAP), step=1)


def _c3(c2: Floats, step: int) -> Floats:
    over = np.maximum(c2 - 1.0, 0.0)
    out = over.copy()
    for lag in (step, 2 * step):
        out[lag:] += over[: len(over) - lag]
    return out


def ears_c2_hour(counts: Ints, window_s: int, since: int = 0) -> Floats:  # noqa: ARG001
    """C2 of hourly counts, against the same hour of seven days."""
    return _ears(counts.astype(float), gap=GAP, step=DAY)


def ears_c2_day(counts: Ints, window_s: int, since: int = 0) -> Floats:  # noqa: ARG001
    """C2 as it is meant to be used, on daily totals, asked anew each hour: the last 24 hours against seven such days."""
    return _ears(rolling(counts, DAY).astype(float), gap=GAP, step=DAY)


def ears_c3_day(counts: Ints, window_s: int, since: int = 0) -> Floats:
    """C3 of rolling daily totals."""
    return _c3(ears_c2_day(counts, window_s, since), step=DAY)


def constant(counts: Ints, window_s: int, since: int = 0) -> Floats:  # noqa: ARG001
    """Never surprised."""
    return np.zeros(counts.shape)


def chance(counts: Ints, window_s: int, since: int = 0) -> Floats:  # noqa: ARG001
    """Surprised at random."""
    return np.random.default_rng(0).random(counts.shape)


WEEKLY: Mapping[str, Peer] = {
    "farrington_flexible": peers_farrington.scores,
    "running_mean": peers_seasonal.exceedance,
    "cusum": peers_seasonal.cusum,
    "ears_c1": ears_c1,
    "ears_c2": ears_c2,
    "ears_c3": ears_c3,
    "river_gaussian_scorer": peers_river.gaussian,
    "river_half_space_trees": peers_river.half_space_trees,
    "constant": constant,
    "random": chance,
}
"""For the simulation study."""

HOURLY: Mapping[str, Peer] = {
    "running_mean": peers_seasonal.exceedance,
    "cusum": peers_seasonal.cusum,
    "ears_c2_hour": ears_c2_hour,
    "ears_c2_day": ears_c2_day,
    "ears_c3_day": ears_c3_day,
    "river_gaussian_scorer": peers_river.gaussian,
    "river_half_space_trees": peers_river.half_space_trees,
    "constant": constant,
    "random": chance,
}
"""For hourly counts of a city. Farrington-flexible needs five years, which no hourly data here has."""
