from __future__ import annotations

import numpy as np
import pytest

from detectors.base import Observed, Setup, Verdict, Window
from detectors.levels import LIMIT_P, READING_MAX, Levels
from streams.model import DAY_S, HOUR_S, Signal

START = 19_723 * 24  # Monday, 1 January 2024, in hours


def signal(direction: str = "up", low: float | None = None, high: float | None = None) -> Signal:
    return Signal("crowd", "Crowd", "crowd_safety", kind="level", direction=direction, limit_low=low, limit_high=high)  # type: ignore[arg-type]


def bank(*signals: Signal, durations: tuple[int, ...] = (1, 3, 12), window_s: int = HOUR_S, **params: float) -> Levels:
    size = len(signals)
    return Levels(Setup(signals, np.arange(size), np.zeros(size, np.int64), window_s, durations, params))


def window(t: int, window_s: int = HOUR_S) -> Window:
    index = START * HOUR_S // window_s + t
    day, second = divmod(index * window_s, DAY_S)
    return Window(index, index * window_s, second // HOUR_S, (day + 3) % 7, day % 365 / 365)


def seen(value: np.ndarray) -> Observed:
    value = np.atleast_1d(np.asarray(value, float))
    here = np.isfinite(value)
    return Observed(np.where(here, 2.0, 0.0), 2.0 * value, value, value, here)


def play(levels: Levels, values: np.ndarray, begin: int = 0, window_s: int = HOUR_S) -> list[Verdict]:
    """Score and learn values (T, S)."""
    verdicts = []
    for t, value in enumerate(values, begin):
        verdict = levels.score(window(t, window_s), seen(value))
        levels.learn(window(t, window_s), seen(value), np.where(verdict.ready[:, None], verdict.p, 1.0).min(axis=1))
        verdicts.append(verdict)
    return verdicts


def day_and_night(hours: int, series: int = 1, scatter: float = 2.0, seed: int = 5) -> np.ndarray:
    """Levels (T, S): 100 by day, 40 by night, 30 lower on weekends."""
    hour = np.arange(hours) % 24
    weekend = np.arange(hours) // 24 % 7 >= 5
    usual = np.where((hour >= 8) & (hour < 20), 100.0, 40.0) - 30.0 * weekend
    return usual[:, None] + scatter * np.random.default_rng(seed).normal(size=(hours, series))


def least(verdicts: list[Verdict]) -> np.ndarray:
    return np.array([v.p.min(axis=1) for v in verdicts])


def test_it_learns_hours_working_days_and_weekends():
    levels = bank(signal("both"))
    play(levels, day_and_night(35 * 24))
    for day, hour, usual in ((35, 12, 100), (35, 3, 40), (40, 12, 70), (40, 3, 10)):
        t = day * 24 + hour
        ahead = [(window(k), seen([usual])) for k in range(35 * 24, t)][-20:]
        verdict = levels.score(window(t), seen([usual]), ahead=ahead)
        assert verdict.expected[0, 0] == pytest.approx(usual, abs=3.0)
        assert verdict.lower[0, 0] < usual - 3 < usual + 3 < verdict.upper[0, 0]
        assert verdict.p[0, 0] > 0.2


@pytest.mark.parametrize("direction,high,low", [("up", True, False), ("down", False, True), ("both", True, True)])
def test_a_signal_is_watched_in_its_direction(direction, high, low):
    levels = bank(signal(direction))
    play(levels, day_and_night(30 * 24))
    for value, alarming in ((70.0, high), (10.0, low)):  # 40 is usual at midnight
        p = levels.score(window(30 * 24), seen([value])).p[0, 0]
        assert p < 1e-4 if alarming else p == 1.0


@pytest.mark.parametrize("direction,usual", [("up", 12.0), ("down", 6.0), ("both", 8.0)])
def test_a_windows_value_is_its_highest_lowest_or_mean_reading(direction, usual):
    levels = bank(signal(direction))
    reading = Observed(np.array([3.0]), np.array([24.0]), np.array([6.0]), np.array([12.0]), np.array([True]))
    for t in range(20 * 24):
        levels.learn(window(t), reading, np.ones(1))
    verdict = levels.score(window(20 * 24), reading)
    assert verdict.observed[0, 0] == verdict.expected[0, 0] == usual


def test_an_event_is_seen_at_once_and_over_at_once():
    #          day 30                          day 31
    # usual --------[+12 sd for 6 hours)------------------
    levels = bank(signal(), durations=(1, 3, 12, 24))
    values = day_and_night(32 * 24)
    begin = 30 * 24 + 9
    values[begin : begin + 6] += 24.0
    p = least(play(levels, values))
    assert p[20 * 24 : begin].min() > 1e-3
    assert p[begin : begin + 6].max() < 1e-3
    assert p[begin + 6 :].min() > 1e-3


def test_an_event_does_not_numb_the_next():
    #       day 30            day 33            day 36
    # ------[12 hours)--------[12 hours)--------[12 hours)---
    levels = bank(signal())
    values = day_and_night(37 * 24)
    begins = [day * 24 + 9 for day in (30, 33, 36)]
    for begin in begins:
        values[begin : begin + 12] += 24.0
    p = least(play(levels, values))
    first, second, third = (np.median(p[begin : begin + 12]) for begin in begins)
    assert first < 1e-4
    assert second < 10 * first
    assert third < 10 * second


def test_a_level_that_stays_is_believed_after_two_to_three_weeks():
    levels = bank(signal("both"))
    values = day_and_night(70 * 24)
    values[40 * 24 :] += 25.0
    p = least(play(levels, values))
    assert np.median(p[40 * 24 : 41 * 24]) < 1e-3
    assert np.median(p[65 * 24 :]) > 0.1
    assert p[66 * 24 :].min() > 1e-3


def test_a_limit_speaks_from_the_first_reading_on():
    levels = bank(signal("up", high=90.0), signal("down", low=2.0), signal("up"))
    verdict = levels.score(window(0), seen([90.0, 1.5, 1e6]))
    assert verdict.p[:, 0].tolist() == [LIMIT_P, LIMIT_P, 1.0]
    assert (verdict.p[:, 1:] == 1.0).all()
    assert verdict.ready.tolist() == [True, True, False]
    assert verdict.observed[:2, 0].tolist() == [90.0, 1.5]
    assert verdict.expected[:2, 0].tolist() == [90.0, 2.0]
    assert np.isfinite(verdict.lower[:2, 0]).all()
    calm = levels.score(window(0), seen([89.0, 2.5, 1e6]))
    assert (calm.p == 1.0).all()
    assert not calm.ready.any()


def test_a_limit_speaks_later_too_and_never_for_missing_readings():
    levels = bank(signal("up", high=150.0))
    play(levels, day_and_night(21 * 24))
    verdict = levels.score(window(21 * 24), seen([151.0]))
    assert verdict.p[0, 0] == LIMIT_P
    assert verdict.expected[0, 0] == pytest.approx(40.0, abs=3.0)
    unknown = Observed(np.array([2.0]), np.array([400.0]), np.array([200.0]), np.array([200.0]), np.array([False]))
    assert (levels.score(window(21 * 24), unknown).p == 1.0).all()


@pytest.mark.parametrize("glitch", [READING_MAX * 2, -READING_MAX * 2])
def test_an_absurd_reading_crosses_no_limit(glitch):
    levels = bank(signal("up", low=0.0, high=150.0))
    verdict = levels.score(window(0), seen([glitch]))
    assert (verdict.p == 1.0).all()
    assert np.isfinite(verdict.observed).all()
    assert not verdict.ready.any()


def test_the_reading_that_crossed_a_limit_is_the_one_shown():
    # a signal watched upwards, with a limit below: the lowest reading crossed it, not the highest
    levels = bank(signal("up", low=0.0))
    readings = Observed(np.array([2.0]), np.array([9.0]), np.array([-1.0]), np.array([10.0]), np.array([True]))
    verdict = levels.score(window(0), readings)
    assert (verdict.p[0, 0], verdict.observed[0, 0], verdict.expected[0, 0]) == (LIMIT_P, -1.0, 0.0)


def test_the_first_change_of_a_constant_series_is_rare_not_absurd_and_wears_off():
    #       28 days of 7        one day of 8
    # -------------------------[---------------
    levels = bank(signal("up"))
    play(levels, np.full((28 * 24, 1), 7.0))
    assert levels.score(window(28 * 24), seen([7.0])).p.min() == 1.0
    first = levels.score(window(28 * 24), seen([8.0])).p.min()
    assert 1 / (28 * 24 + 1) <= first < 0.005
    later = least(play(levels, np.full((3 * 24, 1), 8.0), begin=28 * 24))
    assert later[-1, 0] > 10 * first


def test_a_series_that_is_nearly_always_zero_says_how_rare_the_rest_is():
    levels = bank(signal("up"))
    values = np.zeros((28 * 24, 1))
    values[::100] = 5.0
    play(levels, values)
    p = levels.score(window(28 * 24), seen([6.0])).p[0, 0]
    assert 0.005 < p < 0.05


@pytest.mark.parametrize("glitch", [1e9, READING_MAX * 2, np.inf, -np.inf, np.nan])
def test_one_absurd_reading_leaves_nothing_behind(glitch):
    values = day_and_night(40 * 24)
    clean, hit = bank(signal("both"), durations=(1, 24)), bank(signal("both"), durations=(1, 24))
    play(clean, values[: 30 * 24])
    broken = values.copy()
    broken[29 * 24 + 3] = glitch
    play(hit, broken[: 30 * 24])
    one, two = (play(b, values[30 * 24 :], begin=30 * 24) for b in (clean, hit))
    for v, w in zip(one, two, strict=True):
        assert w.expected[0, 0] == pytest.approx(v.expected[0, 0], abs=1.0)
        assert w.p.min() > 1e-3


def test_a_fast_rise_says_more_than_a_slow_one_to_the_same_level():
    # a tide of 89 hours between -10 and 10, and from its lowest point up to 12:
    #       slow  _,-~'        sudden ______|
    hours = np.arange(40 * 24 + 1)
    tide = -10 * np.cos(2 * np.pi * (hours - hours[-1]) / 89.0) + 0.1 * np.random.default_rng(2).normal(size=len(hours))
    slow, sudden = bank(signal("up"), durations=(1,)), bank(signal("up"), durations=(1,))
    for levels in (slow, sudden):
        play(levels, tide[:, None])
    gradual = play(slow, np.linspace(-10.0, 12.0, 40)[:, None], begin=len(tide))[-1]
    jump = play(sudden, np.array([[-10.0]] * 39 + [[12.0]]), begin=len(tide))[-1]
    assert gradual.p[0, 0] > 0.05
    assert jump.p[0, 0] < 1e-4


def test_a_mean_over_many_windows_counts_as_one_reading():
    levels = bank(signal("up"), durations=(1, 6, 24))
    play(levels, day_and_night(30 * 24))
    values = day_and_night(31 * 24)[30 * 24 :] * 0.0 + np.where((np.arange(24) >= 8) & (np.arange(24) < 20), 106.0, 46.0)[:, None]
    last = play(levels, values, begin=30 * 24)[-1]
    assert last.p[0, 2] > 1e-3  # 24 independent readings 3 sd off would have said 1e-40


def test_skewed_levels_are_not_alarming_by_themselves():
    levels = bank(*[signal("up")] * 20)
    rng = np.random.default_rng(9)
    values = 10.0 + np.exp(0.6 * rng.normal(size=(60 * 24, 20)))
    p = np.array([v.p[:, 0] for v in play(levels, values)])[16 * 24 :]
    assert (p <= 0.01).mean() < 0.02
    assert (p <= 0.001).mean() < 0.006


def test_readiness_takes_a_weeks_readings():
    levels = bank(signal(), signal())
    values = day_and_night(30 * 24, series=2)
    values[np.arange(30 * 24) % 4 > 0, 1] = np.nan  # one reading in four hours
    ready = np.array([v.ready for v in play(levels, values)])
    first = ready.argmax(axis=0) // 24
    assert 4 <= first[0] <= 9
    assert first[0] + 5 < first[1] < 30


def test_windows_of_a_quarter_hour():
    levels = bank(signal("both"), durations=(1, 4), window_s=900)
    values = np.repeat(day_and_night(25 * 24), 4, axis=0) + np.random.default_rng(1).normal(size=(25 * 96, 1))
    verdicts = play(levels, values, window_s=900)
    assert levels.block == 96
    assert least(verdicts[15 * 96 :]).min() > 1e-4
    verdict = levels.score(window(25 * 96 + 50, 900), seen([160.0]))
    assert verdict.expected[0, 0] == pytest.approx(100.0 - 0.0, abs=4.0)
    assert verdict.p[0, 0] < 1e-4


def test_windows_of_a_day():
    levels = bank(signal("both"), durations=(1, 7), window_s=DAY_S)
    rng = np.random.default_rng(4)
    verdicts = play(levels, 50 + rng.normal(size=(60, 1)), window_s=DAY_S)
    assert levels.block == 1
    assert verdicts[-1].ready.all()
    assert levels.score(window(60, DAY_S), seen([70.0])).p[0, 0] < 1e-4


def test_windows_come_in_order():
    levels = bank(signal())
    levels.learn(window(5), seen([1.0]), np.ones(1))
    with pytest.raises(AssertionError, match="does not follow"):
        levels.learn(window(7), seen([1.0]), np.ones(1))


def test_the_way_back_from_a_dip_is_no_rise():
    #     day 30
    # ----[dip of 12 sd)------
    levels = bank(signal("up"), durations=(1,))
    values = day_and_night(31 * 24)
    begin = 30 * 24 + 9
    values[begin : begin + 6] -= 24.0
    assert least(play(levels, values))[begin:].min() > 1e-3
