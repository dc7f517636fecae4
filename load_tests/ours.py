"""What the product's own detector says of tables of counts: its bank, window after window, and the combination over durations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from detectors.base import Floats, Ints, Observed, Setup, Window
from detectors.calibration import Calibration
from detectors.counts import Counts
from streams.core.combination import Combination, with_onset
from streams.model import DAY_S, HOUR_S, Signal

WEEK_S = 7 * DAY_S
HOURLY = (1, 3, 12, 24, 72, 168)
DAILY = (1, 3, 7)
WEEKLY = (1, 2, 3)
THURSDAY = 3  # the first day of the epoch


class Places(NamedTuple):
    """What the bank is told of S series."""

    signal: Ints  # (S,) series of one signal share their season and, at first, their dispersion
    depth: Ints  # (S,) 0: the whole city
    shard: Ints  # (S,) only series of one shard learn from one another

    @staticmethod
    def alike(size: int) -> Places:
        """One signal, one shard."""
        return Places(np.zeros(size, int), np.ones(size, int), np.zeros(size, int))


class Scored(NamedTuple):
    """p-values of T windows of S series; 1 where nothing is known or the bank is not ready."""

    combined: Floats  # (T, S)
    each: Floats  # (D, T, S)


def p_values(counts: Ints, *, window_s: int, durations: tuple[int, ...], first_index: int, places: Places | None = None) -> Scored:
    """Upper tails of ``counts`` (T, S), a count below 0 meaning that nothing is known; ``first_index``: windows since the epoch, civil time.

    Scored, combined and calibrated as score does it, with every window of every series judged. Years of weekly windows have 52 weeks, as
    those of the simulation have.
    """
    signal, depth, shard = places or Places.alike(counts.shape[1])
    signals = tuple(Signal(f"s{i}", "", "fire") for i in range(int(signal.max()) + 1))
    bank = Counts(Setup(signals, signal, depth, window_s, durations, {}, shard))
    level = shard * (1 + int(depth.max())) + depth
    calibration = Calibration(
        level * len(signals) + signal,
        level,
        block=bank.block,
        blocks_a_day=DAY_S / (bank.block * window_s),
        kinds=1,
        active=window_s <= DAY_S,
    )
    combine, rows = Combination(durations), np.arange(counts.shape[1])
    each = np.ones((len(durations), *counts.shape))
    combined = np.ones(counts.shape)
    for at, row in enumerate(counts):
        n = np.maximum(row, 0).astype(float)
        observed = Observed(n, n, n, n, row >= 0)
        window = calendar(first_index + at, window_s)
        verdict = bank.score(window, observed)
        each[:, at] = np.where(verdict.ready, verdict.p.T, 1.0)
        together = combine(verdict.p)
        raw = (together if verdict.onset is None else with_onset(together, verdict.onset))[:, None]
        combined[at] = np.where(verdict.ready, calibration(window.index, raw, rows)[:, 0], 1.0)
        bank.learn(window, observed, verdict.p.min(axis=1))
        known = np.flatnonzero(verdict.ready & observed.present)
        calibration.learn(window.index, raw[known], known, known)
    return Scored(combined, each)


def calendar(index: int, window_s: int) -> Window:
    """The window ``index`` of civil time without clock changes."""
    start_s = index * window_s
    day = start_s // DAY_S
    year = index % 52 / 52 if window_s == WEEK_S else start_s / (365.25 * DAY_S) % 1.0
    return Window(index, start_s, start_s % DAY_S // HOUR_S, (day + THURSDAY) % 7, year)


def surprise(p: Floats) -> Floats:
    """-log10 p."""
    return np.asarray(-np.log10(p))
