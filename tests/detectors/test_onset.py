from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detectors.onset import S_MAX, Onset, gain

DAY = 24


def played(counts: np.ndarray, mean: float, phi: float, memory: float = DAY, alone: float = 1.0) -> np.ndarray:
    """p-values (T, S) of hourly counts."""
    size = counts.shape[1]
    onset, s = Onset(size, memory), np.zeros(size)
    added = np.full(size, (3.0 + 3.0 * np.sqrt(mean * DAY * phi)) / DAY)
    out = np.ones(counts.shape)
    for t, row in enumerate(counts):
        s = onset.after(s, row, np.full(size, mean), added, np.full(size, phi))
        out[t] = onset.p_value(s, np.full(size, alone))
    return out


def drawn(mean: float, phi: float, shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).negative_binomial(mean / (phi - 1.0), 1.0 / phi, shape).astype(float)


def test_the_gain_is_the_log_of_the_likelihood_ratio() -> None:
    n, mean, added, phi = np.arange(6.0), 0.7, 1.9, 2.2
    there = [
        stats.nbinom((mean + added) / (phi - 1.0), 1.0 / phi).logpmf(k) - stats.nbinom(mean / (phi - 1.0), 1.0 / phi).logpmf(k) for k in n
    ]
    assert gain(n, np.full(6, mean), np.full(6, added), np.full(6, phi)) == pytest.approx(np.array(there))


@pytest.mark.parametrize(("mean", "phi"), [(0.01, 1.5), (0.2, 1.2), (3.0, 2.0)])
def test_without_an_outbreak_a_p_value_is_hardly_ever_too_small(mean: float, phi: float) -> None:
    p = played(drawn(mean, phi, (2000, 500)), mean, phi)[200:]
    for level in (1e-2, 1e-3):
        assert 0.1 < (p <= level).mean() / level < 1.2


def test_clusters_that_reach_over_windows_are_allowed_for() -> None:
    rng = np.random.default_rng(4)
    counts = np.zeros((3_000, 400))
    for t, column in np.argwhere(rng.random(counts.shape) < 0.01).tolist():  # three reports within six hours
        np.add.at(counts[:, column], np.minimum(t + rng.integers(0, 6, 3), len(counts) - 1), 1.0)
    blind, fair = (played(counts, 0.03, 1.15, alone=alone)[200:] for alone in (1.0, 1.15 / 2.6))
    assert (blind <= 1e-3).mean() > 10e-3
    assert (fair <= 1e-3).mean() < 0.3 * (blind <= 1e-3).mean()


def test_what_begins_between_two_durations_is_seen_as_well_as_what_fills_one() -> None:
    counts = np.zeros((200, 2))
    counts[100:112:2, 0] = 1.0  # six in twelve hours
    counts[100:148:8, 1] = 1.0  # six in two days
    p = played(counts, 0.01, 1.2)
    assert p[112, 0] < 1e-6
    assert p[141, 1] < 1e-3


def test_many_in_one_window_count_little_more_than_one() -> None:
    counts = np.zeros((10, 2))
    counts[5, 0], counts[2:8, 1] = 6.0, 1.0
    burst, spread = played(counts, 0.01, 2.0)[9]
    assert spread < burst / 1e3


def test_what_is_over_is_forgotten_within_days_however_large_it_was() -> None:
    counts = np.zeros((300, 1))
    counts[50:60] = 1000.0
    p = played(counts, 0.05, 1.5)[:, 0]
    assert p[59] == pytest.approx(np.exp(-1.5 * S_MAX))
    assert p[60 + 2 * DAY] > 1e-2


def test_late_events_count_as_much_as_is_left_of_them() -> None:
    onset = Onset(2, DAY)
    onset.amend(1, 0, 5.0)
    onset.amend(DAY, 1, 5.0)
    assert onset.s == pytest.approx([5.0 * (1 - 1 / DAY), 5.0 * (1 - 1 / DAY) ** DAY])
    onset.amend(1, 0, -50.0)
    assert onset.s[0] == 0.0
