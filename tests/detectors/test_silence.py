from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from detectors.base import Observed, Setup, Verdict, Window
from detectors.silence import Silence, _at_most
from streams.model import DAY_S, HOUR_S, Signal

START = 19_723 * 24  # Monday, 1 January 2024, in hours


def bank(size: int = 1, durations: tuple[int, ...] = (1, 3, 12, 24), window_s: int = HOUR_S, **params: float) -> Silence:
    feed = (Signal("feed.camera", "Readings of cameras", "data_quality"),)
    return Silence(Setup(feed, np.zeros(size, np.int64), np.zeros(size, np.int64), window_s, durations, params))


def window(t: int, window_s: int = HOUR_S) -> Window:
    index = START * HOUR_S // window_s + t
    day, second = divmod(index * window_s, DAY_S)
    return Window(index, index * window_s, second // HOUR_S, (day + 3) % 7, day % 365 / 365)


def seen(n: np.ndarray, present: bool = True) -> Observed:
    n = np.atleast_1d(np.asarray(n, float))
    unknown = np.full(len(n), np.nan)
    return Observed(n, unknown, unknown, unknown, np.full(len(n), present))


def play(silence: Silence, readings: np.ndarray, begin: int = 0) -> list[Verdict]:
    """Score and learn readings (T, S)."""
    verdicts = []
    for t, n in enumerate(readings, begin):
        verdict = silence.score(window(t), seen(n))
        silence.learn(window(t), seen(n), np.where(verdict.ready[:, None], verdict.p, 1.0).min(axis=1))
        verdicts.append(verdict)
    return verdicts


def camera(hours: int, each_hour: int = 12, lost: float = 0.02, series: int = 1, seed: int = 3) -> np.ndarray:
    """A machine's readings (T, S): as many every hour, a few lost."""
    return np.random.default_rng(seed).binomial(each_hour, 1.0 - lost, (hours, series)).astype(float)


def least(verdicts: list[Verdict]) -> np.ndarray:
    return np.array([v.p.min(axis=1) for v in verdicts])


def test_a_regular_feed_that_falls_silent_is_seen_at_once_and_forgiven_at_once():
    #            day 20
    # 12 12 12 12[0 0 0 0 0 0)12 12 12
    silence = bank()
    readings = camera(21 * 24)
    begin = 20 * 24 + 4
    readings[begin : begin + 6] = 0.0
    p = least(play(silence, readings))
    assert p[:begin].min() > 0.05
    assert p[begin : begin + 6].max() < 1e-4
    assert p[begin + 6 :].min() == 1.0


def test_it_gets_surer_as_the_silence_lasts():
    silence = bank()
    play(silence, camera(20 * 24, each_hour=2, lost=0.1))
    p = least(play(silence, np.zeros((24, 1)), begin=20 * 24))
    assert p[0, 0] > p[3, 0] > p[23, 0]
    assert p[23, 0] < 1e-6


def test_a_feed_that_reports_half_of_what_it_should():
    #   day 20
    # 60[30 30 30 30
    silence = bank()
    readings = camera(21 * 24, each_hour=60)
    readings[20 * 24 :] = 30.0
    verdicts = play(silence, readings)
    assert least(verdicts[20 * 24 :]).max() < 1e-3
    assert verdicts[20 * 24].expected[0, 0] == pytest.approx(58.8, abs=1.0)
    assert verdicts[20 * 24].lower[0, 0] > 30.0


def test_a_feed_that_never_reported_says_nothing():
    silence = bank()
    for verdict in play(silence, np.zeros((30 * 24, 1))):
        assert (verdict.p == 1.0).all()
        assert not verdict.ready.any()


def test_a_feed_that_reported_once_says_nothing():
    silence = bank()
    readings = np.zeros((30 * 24, 1))
    readings[30:32] = 40.0
    assert least(play(silence, readings)).min() > 0.05


def test_an_irregular_feed_may_be_quiet_for_hours():
    readings = np.random.default_rng(8).negative_binomial(0.5, 0.5 / 4.5, (60 * 24, 10)).astype(float)  # mean 4, most windows below 1
    p = np.array([v.p for v in play(bank(10), readings)])
    assert (p[14 * 24 :] < 1e-3).mean() < 1e-3
    quiet = bank(1)
    play(quiet, readings[: 30 * 24, :1])
    assert least(play(quiet, np.zeros((3, 1)), begin=30 * 24)).min() > 0.01


def test_a_feed_that_sleeps_at_night_sleeps_in_peace():
    # 0[8 ------- 20)0
    silence = bank()
    awake = (np.arange(30 * 24) % 24 >= 8) & (np.arange(30 * 24) % 24 < 20)
    readings = camera(30 * 24) * awake[:, None]
    p = least(play(silence, readings))
    assert p[10 * 24 :].min() > 0.05
    by_day = [(window(t), seen([0.0])) for t in range(30 * 24, 30 * 24 + 10)]
    assert silence.score(window(30 * 24 + 10), seen([0.0]), ahead=by_day).p.min() < 1e-4


def test_it_does_not_get_used_to_silence_for_a_week():
    #   day 20                         day 27       day 30
    # 12[0 ----- alarming ------------- )[0 - quiet -
    silence = bank()
    readings = camera(32 * 24)
    readings[20 * 24 :] = 0.0
    verdicts = play(silence, readings)
    p = least(verdicts)
    assert p[20 * 24 : 27 * 24].max() < 1e-3
    assert verdicts[26 * 24].expected[0, 0] == pytest.approx(verdicts[20 * 24].expected[0, 0], rel=0.1)
    assert (p[30 * 24 :] == 1.0).all()
    assert not verdicts[-1].ready.any()


def test_a_feed_that_comes_back_is_learned_anew():
    silence = bank()
    readings = camera(50 * 24)
    readings[20 * 24 : 32 * 24] = 0.0
    readings[45 * 24 :] = 0.0
    verdicts = play(silence, readings)
    assert (least(verdicts[30 * 24 : 45 * 24]) > 0.05).all()
    assert verdicts[44 * 24].ready.all()
    assert least(verdicts[45 * 24 : 46 * 24]).max() < 1e-3


def test_a_feed_that_drops_out_often_says_less_each_time():
    # 12 12 12[0 0)12 12 ... every other day
    silence = bank()
    readings = camera(60 * 24)
    begins = range(20 * 24, 60 * 24, 48)
    for begin in begins:
        readings[begin : begin + 2] = 0.0
    p = least(play(silence, readings))[:, 0]
    assert p[begins[0]] < 1e-4
    assert p[begins[3]] > 10 * p[begins[0]]
    assert p[begins[-1]] == pytest.approx(1 / 48, rel=0.5)


def test_no_data_is_not_silence():
    silence = bank()
    play(silence, camera(20 * 24))
    verdict = silence.score(window(20 * 24), seen([0.0], present=False))
    assert (verdict.p == 1.0).all()


def test_late_readings_take_silence_back():
    silence = bank()
    readings = camera(20 * 24)
    readings[-2:] = 0.0
    play(silence, readings)
    before = silence.score(window(20 * 24), seen([2.0])).p[0]
    assert silence.amend(1, 0, 12.0)
    assert silence.amend(2, 0, 12.0)
    after = silence.score(window(20 * 24), seen([2.0])).p[0]
    assert after[0] == before[0]
    assert after[1] > 100 * before[1]
    assert not silence.amend(24, 0, 12.0)


def test_a_day_of_learning_is_frozen_for_a_day():
    silence = bank()
    play(silence, camera(20 * 24, each_hour=12))
    expected = [v.expected[0, 0] for v in play(silence, camera(3 * 24, each_hour=40), begin=20 * 24)]
    assert len({*expected[:24]}) <= 24
    assert max(expected[:48]) < 13.0
    assert min(expected[48:]) > max(expected[24:48])


@pytest.mark.parametrize(
    "known,mean,variance",
    [(stats.binom(20, 0.7), 14.0, 4.2), (stats.poisson(9.0), 9.0, 9.0), (stats.nbinom(4, 0.25), 12.0, 48.0)],
    ids=["binomial", "poisson", "negative_binomial"],
)
def test_the_tail_is_that_of_the_known_distribution(known, mean, variance):
    n = np.arange(int(0.8 * mean))
    tail = _at_most(n.astype(float), np.full(len(n), mean), np.full(len(n), variance))
    assert tail == pytest.approx(known.cdf(n), rel=0.02)


@given(mean=st.floats(0.01, 1e5), dispersion=st.floats(0.01, 50.0), part=st.floats(0.0, 0.79), less=st.floats(0.0, 1.0))
def test_fewer_readings_are_never_less_surprising(mean, dispersion, part, less):
    n = np.floor(np.array([part * mean * less, part * mean]))
    fewer, more = _at_most(n, np.full(2, mean), np.full(2, dispersion * mean))
    assert 0.0 <= fewer <= more <= 1.0
