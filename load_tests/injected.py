"""Outbreaks put into real counts: how soon each detector sees them, all at the same number of false alerts a day.

The alarm rule is one for everybody. A series alarms when its score reaches a threshold that all series share; alarms of a series less
than three days apart are one episode. The threshold is the one at which the counts as they were, with nothing put in, come to so many
episodes a day over all series. An outbreak is seen in the first window, at or after its start, in which its series' score comes from
below the threshold to it or above. Its delay is from its start to that window's end; one that is not seen within seven days is
counted as seven days.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from detectors.base import Bools, Floats, Ints
from load_tests.backgrounds import Background
from load_tests.noufaily import rolling
from streams.model import DAY_S

SIZES_SD = (3, 5, 8, 12)  # of the counts of 24 hours
SPREAD_H = (3, 12, 48)  # mean time from an outbreak's start to a case
CASES_MIN = 5  # as many as a city shows: fewer are suppressed
EPISODE_D = 3
CENSORED_D = 7
APART_D = 84  # more often, and they would be what is usual
EVENTS_MIN = 60  # that a series must have among what is judged, or a day's count has no scatter to speak of


class Outbreaks(NamedTuple):
    """O outbreaks in a background."""

    counts: Ints  # (T, S) with the outbreaks
    column: Ints  # (O,) the series
    start: Ints  # (O,) window
    size_sd: Ints  # (O,)
    spread_h: Ints  # (O,)
    cases: Ints  # (O,)


class Seen(NamedTuple):
    """What one detector saw of the outbreaks at one threshold."""

    threshold: float
    episodes_per_day: float
    delay_h: Floats  # (O,) censored


def eligible(background: Background) -> Background:
    """The series with events enough to have a scatter of their own."""
    events = np.where(background.judged, np.maximum(background.counts, 0), 0).sum(axis=0)
    return background.of(events >= EVENTS_MIN)


def put_into(background: Background, seed: int) -> Outbreaks:
    """About one outbreak a quarter in each series, in what is judged, at any hour."""
    rng = np.random.default_rng(seed)
    day = DAY_S // background.window_s
    counts = background.counts.copy()
    known = np.maximum(counts, 0)
    daily = rolling(known, day)
    found: list[tuple[int, int, int, int, int]] = []
    for column in range(counts.shape[1]):
        judged = background.judged[:, column]
        sd = float(daily[judged, column].std())
        for start in _starts(judged, day, rng):
            size, spread = int(rng.choice(SIZES_SD)), int(rng.choice(SPREAD_H))
            cases = max(CASES_MIN, int(rng.poisson(size * sd)))
            windows = start + np.floor(rng.exponential(spread * day / 24, cases)).astype(int)
            windows = windows[windows < len(counts)]
            windows = windows[counts[windows, column] >= 0]
            np.add.at(counts[:, column], windows, 1)
            found.append((column, start, size, spread, cases))
    table = np.array(found, np.int64).reshape(-1, 5)
    return Outbreaks(counts, *table.T)


def _starts(judged: Bools, day: int, rng: np.random.Generator) -> list[int]:
    """Windows at least eleven weeks apart, each with all of the days before and after it judged that matter."""
    clear = np.cumsum(np.pad(~judged, (1, 0)))
    starts = []
    for slot in range(0, len(judged), APART_D * day):
        start = slot + int(rng.integers(0, 7 * day))
        low, high = start - EPISODE_D * day, start + CENSORED_D * day
        if low >= 0 and high < len(judged) and clear[high] == clear[low]:
            starts.append(start)
    return starts


def days(background: Background) -> float:
    """Days in which some series is judged."""
    return float(background.judged.any(axis=1).sum()) * background.window_s / DAY_S


class Peaks:
    """The larger scores of the counts as they were, in order of series and time: what thresholds are chosen by."""

    SHARE = 0.3

    def __init__(self, scores: Floats, background: Background) -> None:
        self._gap = EPISODE_D * DAY_S // background.window_s
        self.days = days(background)
        floor = np.quantile(scores[background.judged], 1.0 - self.SHARE)
        self._column, self._at = np.nonzero(((scores >= floor) & background.judged).T)
        self._score = scores[self._at, self._column]

    def episodes(self, threshold: float) -> int:
        """Alarms with none of the same series in the three days before."""
        over = self._score >= threshold
        column, at = self._column[over], self._at[over]
        if not len(at):
            return 0
        return 1 + int(((np.diff(column) != 0) | (np.diff(at) > self._gap)).sum())

    def threshold(self, per_day: float) -> float:
        """The least one, coming from above, with at most ``per_day`` episodes a day; above all scores where there is none."""
        values = np.unique(self._score)[::-1]
        allowed = per_day * self.days
        low, high = 0, 1  # values[:low] are allowed
        while high <= len(values) and self.episodes(values[high - 1]) <= allowed:
            low, high = high, high * 2
        high = min(high, len(values) + 1)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.episodes(values[middle - 1]) <= allowed else (low, middle)
        return float(values[low - 1]) if low else float("inf")


def seen(scores: Floats, of: Outbreaks, peaks: Peaks, per_day: float, window_s: int) -> Seen:
    """``scores`` (T, S) of the counts with outbreaks, at the threshold that gives so many episodes a day without them."""
    threshold = peaks.threshold(per_day)
    censored = CENSORED_D * DAY_S // window_s
    delays = np.array([_delay(scores[:, column], start, threshold, censored) for column, start in zip(of.column, of.start, strict=True)])
    return Seen(threshold, round(peaks.episodes(threshold) / peaks.days, 3), delays * window_s / 3600.0)


def _delay(scores: Floats, start: int, threshold: float, censored: int) -> int:
    """Windows from ``start`` to the end of the one in which the score first comes to the threshold."""
    over = scores[start - 1 : start + censored] >= threshold
    crossing = np.flatnonzero(over[1:] & ~over[:-1])
    return min(int(crossing[0]) + 1, censored) if len(crossing) else censored


def median_h(delay_h: Floats) -> float:
    """Of delays, those not seen counted as seven days."""
    return round(float(np.median(delay_h)), 1)


def gain(ours: Floats, peer: Floats, column: Ints) -> tuple[float, float, float]:
    """1 - median of ours over median of the peer's, and its 95% interval when series are drawn with replacement."""
    rng = np.random.default_rng(0)
    groups: Sequence[Ints] = np.split(np.argsort(column, kind="stable"), np.flatnonzero(np.diff(np.sort(column))) + 1)
    ratios = []
    for _ in range(200):
        rows = np.concatenate([groups[i] for i in rng.integers(0, len(groups), len(groups))])
        ratios.append(1.0 - float(np.median(ours[rows])) / float(np.median(peer[rows])))
    value = 1.0 - float(np.median(ours)) / float(np.median(peer))
    low, high = np.quantile(ratios, (0.025, 0.975)).tolist()
    return round(value, 3), round(low, 3), round(high, 3)
