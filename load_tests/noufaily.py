"""The simulation study of Noufaily et al. 2013: weekly counts in 28 scenarios with outbreaks put in, and how detectors are scored on it.

Source: Noufaily, Enki, Farrington, Garthwaite, Andrews, Charlett, "An improved algorithm for outbreak detection in multiple
surveillance systems", Statistics in Medicine 32 (2013), section 4. Each of seven sets of parameters comes with and without a trend, and
with and without a season. A year has 52 weeks. Four outbreaks lie among the weeks that are learned from, one in the 49 weeks that are
judged; an outbreak of size k starts in a random week, has Poisson(k sd) cases, sd being that of the week's count, and they follow its
start by a lognormal number of weeks.

What is judged is the same for every detector: its *surprise*, larger for what is odder, against one threshold over all series,
such that of the null weeks the share ``FPR`` alarms. A null week holds no case of an outbreak. Or, in the reading called *clear*, neither
do the two before: a detector that adds up three weeks rightly remembers them, and is not blamed for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from detectors.base import Bools, Floats, Ints

WEEKS = 624
YEAR_WEEKS = 52
LEARNED = (312, 575)  # weeks in which the four outbreaks of the past start
JUDGED = (575, 624)
FPR = 0.0096
SIZES = tuple(range(1, 11))  # standard deviations
PAST_OUTBREAKS = 4
SPREAD = 0.5  # of the log of the weeks from an outbreak's start to a case
MEMORY = 3  # weeks that the longest duration covers


class Scenario(NamedTuple):
    """log mean = theta + beta t + gamma1 cos(2 pi t / 52) + gamma2 sin(2 pi t / 52), t from 1; variance = phi mean."""

    theta: float
    beta: float
    gamma1: float
    gamma2: float
    phi: float

    def mean(self) -> Floats:
        """(WEEKS,)"""
        t = np.arange(1, WEEKS + 1)
        angle = 2 * np.pi * t / YEAR_WEEKS
        return np.asarray(np.exp(self.theta + self.beta * t + self.gamma1 * np.cos(angle) + self.gamma2 * np.sin(angle)))


_SETS = (
    Scenario(0.1, 0.0025, 0.6, 0.6, 1.5),
    Scenario(-2.0, 0.005, 0.1, 0.3, 2.0),
    Scenario(1.5, 0.003, 0.2, -0.4, 1.0),
    Scenario(0.5, 0.002, 0.5, 0.5, 5.0),
    Scenario(2.5, 0.001, 1.0, 0.1, 3.0),
    Scenario(3.75, 0.001, 0.1, -0.1, 1.1),
    Scenario(5.0, 0.0001, 0.05, 0.01, 1.2),
)
SCENARIOS: tuple[Scenario, ...] = tuple(
    Scenario(s.theta, s.beta * trend, s.gamma1 * season, s.gamma2 * season, s.phi) for s in _SETS for trend in (0, 1) for season in (0, 1)
)


class Study(NamedTuple):
    """T weeks of S series."""

    counts: Ints  # (T, S) outbreaks included
    cases: Ints  # (T, S) of them, cases of outbreaks
    mean: Floats  # (T, S) without outbreaks
    phi: Floats  # (S,)
    scenario: Ints  # (S,) index into SCENARIOS


class Accuracy(NamedTuple):
    """How well outbreaks were found. ``pod``: share of the series with an alarm in a week that holds a case of an outbreak."""

    pod: float
    sensitivity: float  # share of the weeks with a case that alarm
    ppv: float  # share of the alarms in weeks with a case
    f1: float
    fpr: float  # share of the weeks without a case that alarm
    series: int
    se_pod: float


def study(series: int, seed: int) -> Study:
    """``series`` of each scenario."""
    rng = np.random.default_rng(seed)
    means = [scenario.mean() for scenario in SCENARIOS]
    parts = [_simulated(scenario, mean, series, rng) for scenario, mean in zip(SCENARIOS, means, strict=True)]
    cases = np.hstack([part[1] for part in parts])
    return Study(
        counts=np.hstack([part[0] for part in parts]) + cases,
        cases=cases,
        mean=np.repeat(np.column_stack(means), series, axis=1),
        phi=np.repeat([scenario.phi for scenario in SCENARIOS], series),
        scenario=np.repeat(np.arange(len(SCENARIOS)), series),
    )


def drawn(rng: np.random.Generator, mean: Floats, phi: float, size: tuple[int, ...]) -> Ints:
    """Counts of this mean and of variance ``phi mean``."""
    if phi <= 1.0:
        return np.asarray(rng.poisson(mean, size), np.int64)
    return np.asarray(rng.negative_binomial(mean / (phi - 1.0), 1.0 / phi, size), np.int64)


def _simulated(scenario: Scenario, mean: Floats, series: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """(T, series) counts without outbreaks, and cases of outbreaks."""
    counts = drawn(rng, mean, scenario.phi, (series, WEEKS)).T
    cases = np.zeros((WEEKS, series), np.int64)
    for column in range(series):
        starts = [*rng.choice(np.arange(*LEARNED), PAST_OUTBREAKS, replace=False), rng.integers(*JUDGED)]
        for start in starts:
            size = rng.poisson(rng.choice(SIZES) * np.sqrt(mean[start] * scenario.phi))
            weeks = start + np.floor(rng.lognormal(0.0, SPREAD, size)).astype(int)
            np.add.at(cases[:, column], weeks[weeks < WEEKS], 1)
    return counts, cases


def null_weeks(cases: Ints, memory: int) -> Bools:
    """(T, S) where neither the week nor the ``memory`` - 1 before it hold a case of an outbreak."""
    return np.asarray(rolling(cases, memory) == 0)


def rolling(counts: Ints, width: int) -> Ints:
    """Sums (T, S) over the ``width`` windows that end with each one; over those there are at the beginning.

    >>> rolling(np.array([[1], [2], [4]]), 2).ravel().tolist()
    [1, 3, 6]
    """
    total = np.cumsum(counts, axis=0)
    total[width:] -= total[:-width].copy()
    return np.asarray(total)


def judged(surprise: Floats, cases: Ints, *, memory: int = 1, fpr: float = FPR) -> Accuracy:
    """Score a detector's surprise (T, S) of the weeks ``JUDGED``. Ties at the threshold are no alarms."""
    weeks = slice(*JUDGED)
    odd, outbreak, null = surprise[weeks], cases[weeks] > 0, null_weeks(cases, memory)[weeks]
    return accuracy(odd, outbreak, null, fpr)


def accuracy(surprise: Floats, outbreak: Bools, null: Bools, fpr: float) -> Accuracy:
    """All (T, S). The threshold is the least surprise above which at most ``fpr`` of the null weeks lie."""
    ranked = np.sort(surprise[null])[::-1]
    alarm = surprise > ranked[int(fpr * len(ranked))]
    found = alarm & outbreak
    series = alarm.shape[1]
    pod = float(found.any(axis=0).mean())
    sensitivity = found.sum() / max(outbreak.sum(), 1)
    ppv = found.sum() / max(alarm.sum(), 1)
    return Accuracy(
        pod=round(pod, 4),
        sensitivity=round(float(sensitivity), 4),
        ppv=round(float(ppv), 4),
        f1=round(float(2 * sensitivity * ppv / max(sensitivity + ppv, 1e-12)), 4),
        fpr=round(float(alarm[~outbreak].mean()), 5),
        series=series,
        se_pod=round(float(np.sqrt(pod * (1 - pod) / series)), 4),
    )


def oracle(of: Study, durations: Sequence[int]) -> Floats:
    """Surprise (T, S) of who knows mean and dispersion: -log10 of the least mid-p over ``durations`` (weeks)."""
    best = np.zeros(of.counts.shape)
    phi = np.maximum(of.phi, 1.0 + 1e-6)[None, :]
    for duration in durations:
        seen, mean = rolling(of.counts, duration), _rolled(of.mean, duration)
        size, part = mean / (phi - 1.0), 1.0 / phi
        p = stats.nbinom.sf(seen, size, part) + 0.5 * stats.nbinom.pmf(seen, size, part)
        best = np.maximum(best, -np.log10(np.clip(p, 1e-300, 1.0)))
    return best


def _rolled(mean: Floats, width: int) -> Floats:
    total = np.cumsum(np.pad(mean, ((width, 0), (0, 0))), axis=0)
    return np.asarray(total[width:] - total[:-width])
