from __future__ import annotations

import numpy as np
import pytest

from detectors.base import Observed, Setup, Window
from detectors.counts import Counts
from streams.model import DAY_S, HOUR_S, Signal

FIRE = (Signal("fire", "Fire", "fire"),)


def setup(
    size: int = 4,
    window_s: int = HOUR_S,
    durations: tuple[int, ...] = (1, 3, 24),
    signals: tuple[Signal, ...] = FIRE,
    **params: float | str,
) -> Setup:
    return Setup(signals, np.arange(size) % len(signals), np.full(size, 1), window_s, durations, params)


def window(index: int, window_s: int = HOUR_S) -> Window:
    start_s = index * window_s
    return Window(index, start_s, start_s // HOUR_S % 24, start_s // DAY_S % 7, start_s / DAY_S % 365 / 365)


def seen(n: np.ndarray, present: np.ndarray | None = None) -> Observed:
    n = np.asarray(n, float)
    return Observed(n, n, n, n, np.ones(len(n), bool) if present is None else present)


def taught(bank: Counts, rates: np.ndarray, windows: int, seed: int = 1, window_s: int = HOUR_S) -> np.ndarray:
    """Feed Poisson counts; returns p-values (windows, S, D)."""
    random = np.random.default_rng(seed)
    out = []
    for i in range(windows):
        now, observed = window(i, window_s), seen(random.poisson(rates))
        verdict = bank.score(now, observed)
        out.append(verdict.p)
        bank.learn(now, observed, verdict.p.min(axis=1))
    return np.array(out)


def test_it_learns_the_mean_and_says_so() -> None:
    rates = np.array([0.1, 0.5, 3.0, 40.0])
    bank = Counts(setup())
    taught(bank, rates, 60 * 24)
    verdict = bank.score(window(60 * 24), seen(rates))
    np.testing.assert_allclose(verdict.expected[:, 0], rates, rtol=0.35)
    assert verdict.ready.all()


@pytest.mark.parametrize("alpha", [0.1, 0.01])
def test_p_values_hold_their_promise_at_each_duration(alpha: float) -> None:
    bank = Counts(setup(size=40))
    p = taught(bank, np.linspace(0.1, 8.0, 40), 90 * 24)[30 * 24 :]
    share = (p <= alpha).mean(axis=(0, 1))
    assert (share < 1.3 * alpha).all(), share
    assert (share > 0.4 * alpha).all(), share


def test_a_burst_is_surprising_and_the_more_the_greater_it_is() -> None:
    bank = Counts(setup())
    taught(bank, np.full(4, 1.0), 40 * 24)
    verdict = bank.score(window(40 * 24), seen(np.array([1, 4, 8, 16])))
    assert (np.diff(verdict.p[:, 0]) < 0).all()
    assert verdict.p[3, 0] < 1e-6
    assert verdict.lower[3, 0] < verdict.expected[3, 0] < verdict.upper[3, 0] < 16


def test_the_hours_of_the_day_are_learned() -> None:
    bank = Counts(setup(size=2))
    for i in range(40 * 24):
        now = window(i)
        observed = seen(np.array([20.0, 20.0]) if 8 <= now.hour < 18 else np.array([1.0, 1.0]))
        bank.learn(now, observed, np.ones(2))
    noon, night = window(40 * 24 + 12), window(40 * 24 + 3)
    assert bank.score(noon, seen(np.array([20.0, 20.0]))).p[0, 0] > 0.1
    assert bank.score(night, seen(np.array([20.0, 20.0]))).p[0, 0] < 1e-6


def test_a_warming_bank_is_not_ready_and_an_absent_window_teaches_nothing() -> None:
    bank = Counts(setup())
    taught(bank, np.full(4, 5.0), 10 * 24)
    absent = np.zeros(4, bool)
    for i in range(10 * 24, 30 * 24):
        verdict = bank.score(window(i), seen(np.zeros(4), absent))
        assert (verdict.p == 1.0).all()
        assert not verdict.ready.any()
        bank.learn(window(i), seen(np.zeros(4), absent), np.ones(4))
    np.testing.assert_allclose(bank.score(window(30 * 24), seen(np.full(4, 5.0))).expected[:, 0], 5.0, rtol=0.3)


def test_an_outbreak_does_not_become_normal_at_once_but_a_new_level_does_in_the_end() -> None:
    # rate 4 a day  [--- 60 days ---) 40 a day [------- 60 days -------)
    #                                 3 days: still surprising   60 days: normal
    bank = Counts(setup(size=2, window_s=DAY_S, durations=(1, 3)))
    taught(bank, np.full(2, 4.0), 60, window_s=DAY_S)
    p = []
    for i in range(60, 120):
        now, observed = window(i, DAY_S), seen(np.full(2, 40.0))
        verdict = bank.score(now, observed)
        p.append(verdict.p[0, 0])
        bank.learn(now, observed, verdict.p.min(axis=1))
    assert p[3] < 1e-6
    assert p[-1] > 1e-3


def test_downward_signals_see_what_is_missing_and_upward_ones_do_not() -> None:
    signals = tuple(Signal(d, d, "fire", direction=d) for d in ("up", "down", "both"))  # type: ignore[arg-type]
    bank = Counts(setup(size=3, signals=signals))
    taught(bank, np.full(3, 10.0), 40 * 24)
    up, down, both = bank.score(window(40 * 24), seen(np.zeros(3))).p[:, 0]
    assert up > 0.9
    assert down < 1e-3
    assert down < both < 1e-2


def test_late_events_are_added_to_the_durations_that_reach_back() -> None:
    bank = Counts(setup())
    taught(bank, np.full(4, 1.0), 30 * 24)
    before = bank.score(window(30 * 24), seen(np.zeros(4))).observed
    assert bank.amend(2, 1, 5.0)
    after = bank.score(window(30 * 24), seen(np.zeros(4))).observed
    assert (after - before)[1].tolist() == [0.0, 5.0, 5.0]
    assert (after - before)[0].tolist() == [0.0, 0.0, 0.0]
    assert not bank.amend(24, 1, 5.0)


def test_an_unknown_parameter_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="'counts' has no parameter 'level_discont'"):
        Counts(setup(level_discont=0.9))


def test_a_yearly_season_is_expected_when_it_comes() -> None:
    # weeks of a season between 27 and 91: what is predicted two weeks on is of those weeks, not of today
    week_s = 7 * DAY_S
    bank = Counts(setup(size=40, window_s=week_s, durations=(1, 2)))
    random = np.random.default_rng(3)
    ratio = []
    for week in range(7 * 52):
        now = window(week, week_s)
        mean = 50.0 * np.exp(0.6 * np.cos(2.0 * np.pi * now.year))
        observed = seen(random.poisson(mean, 40))
        verdict = bank.score(now, observed)
        bank.learn(now, observed, verdict.p.min(axis=1))
        if week >= 5 * 52:
            ratio.append(verdict.expected[:, 0].mean() / mean)
    assert np.abs(np.array(ratio) - 1.0).max() < 0.05


def test_counts_between_nothing_and_the_largest_stay_finite() -> None:
    bank = Counts(setup(size=2))
    for t in range(40 * 24):
        n = np.array([float(2**33) * (t // 24 % 2), 1.0])
        verdict = bank.score(window(t), seen(n))
        assert np.isfinite(verdict.p).all()
        assert np.isfinite(verdict.expected).all()
        bank.learn(window(t), seen(n), np.ones(2))


def test_a_new_level_is_named_once_it_is_believed_and_forgotten_once_it_is_usual() -> None:
    bank = Counts(setup())
    taught(bank, np.full(4, 1.0), 40 * 24)
    named = []
    for t in range(40 * 24, 110 * 24):
        verdict = bank.score(window(t), seen(np.full(4, 8.0)))
        bank.learn(window(t), seen(np.full(4, 8.0)), verdict.p.min(axis=1))
        assert verdict.new_level is not None
        named.append(bool(verdict.new_level.any()))
    first = named.index(True)
    assert 20 <= first // 24 <= 26
    assert not any(named[-24:])
    assert verdict.expected[0, 0] == pytest.approx(8.0, rel=0.2)


def believed_after(drift: str) -> int:
    """Days until a level three times as high is what is expected, nearly."""
    bank = Counts(setup(size=3, drift=drift))
    random = np.random.default_rng(3)
    for i in range(120 * 24):
        now, level = window(i), 3.0 if i < 60 * 24 else 9.0
        observed = seen(random.poisson([level, 3.0, 3.0]))
        verdict = bank.score(now, observed)
        if i >= 60 * 24 and verdict.expected[0, 0] > 7.5:
            assert verdict.expected[1:, 0].max() < 4.0, "the others stay"
            return i // 24 - 60
        bank.learn(now, observed, verdict.p.min(axis=1))
    return 60


def test_a_drift_detector_has_a_new_level_believed_sooner() -> None:
    with_it, without = believed_after("ADWIN"), believed_after("none")
    assert with_it <= 14 < without


def test_what_a_drift_detector_was_told_is_part_of_a_snapshot() -> None:
    first, second = Counts(setup(drift="PageHinkley")), Counts(setup(drift="PageHinkley"))
    taught(first, np.full(4, 2.0), 30 * 24)
    second.restore(first.snapshot())
    for i in range(30 * 24, 45 * 24):
        observed = seen(np.full(4, 7.0))
        a, b = first.score(window(i), observed), second.score(window(i), observed)
        np.testing.assert_array_equal(a.p, b.p)
        first.learn(window(i), observed, a.p.min(axis=1))
        second.learn(window(i), observed, b.p.min(axis=1))
    assert (first.snapshot()["drift.number"] == second.snapshot()["drift.number"]).all()


@pytest.mark.parametrize(("weekend", "first_day"), [(0.5, 0), (0.8, 2), (1.0, 4)])
def test_the_baseline_of_busy_series_stays_where_they_are(weekend: float, first_day: int) -> None:
    means = np.array([3.0, 100.0, 3000.0])
    bank, random = Counts(setup(size=3)), np.random.default_rng(6)
    seen_due = np.zeros((2, 3))
    for i in range(first_day * 24, (first_day + 84) * 24):
        now = window(i)
        observed = seen(random.poisson(means * (weekend if now.weekday >= 5 else (7.0 - 2.0 * weekend) / 5.0)))
        verdict = bank.score(now, observed)
        bank.learn(now, observed, verdict.p.min(axis=1))
        seen_due += verdict.observed[:, 0], verdict.expected[:, 0]
        if (i + 1) % (7 * 24) == 0:
            ratio = seen_due[1] / seen_due[0]
            assert i < (first_day + 42) * 24 or (np.abs(ratio - 1.0) < 0.12).all(), (i // 24, ratio)
            seen_due[:] = 0.0
