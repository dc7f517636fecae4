from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest

from detectors.calibration import Calibration

BLOCK = 24


def calibration(series: int = 40, groups: int = 1) -> Calibration:
    return Calibration(np.arange(series) % groups, np.zeros(series, np.int64), block=BLOCK, blocks_a_day=1.0, kinds=1, active=True)


def played(bank: Calibration, p: np.ndarray, begin: int = 0) -> np.ndarray:
    """Calibrated p-values (T, S) of raw ones, each before it is learned."""
    rows = np.arange(p.shape[1])
    out = np.ones_like(p)
    for t in range(len(p)):
        out[t] = bank(begin + t, p[t][:, None], rows)[:, 0]
        bank.learn(begin + t, p[t][:, None], rows, rows)
    return out


def test_a_tail_too_heavy_comes_as_often_as_it_says_once_it_is_known() -> None:
    raw = np.random.default_rng(1).uniform(size=(400 * BLOCK, 40)) ** 1.6  # 1e-3 comes 13 times too often
    late = played(calibration(), raw)[200 * BLOCK :]
    assert (raw <= 1e-3).mean() > 1e-2
    for level in (1e-2, 1e-3):
        assert (late <= level).mean() / level == pytest.approx(1.0, abs=0.2)


def test_a_tail_too_light_gains_little() -> None:
    raw = np.full((100 * BLOCK, 40), 0.5)
    bank = calibration()
    played(bank, raw)
    assert bank(100 * BLOCK, np.array([[1e-4]]), np.array([0]))[0, 0] == pytest.approx(0.3e-4, rel=0.3)


def test_nothing_known_changes_nothing() -> None:
    p = np.array([[1.0], [0.3], [1e-3], [1e-9], [1e-30]])
    assert calibration()(0, p, np.arange(5)) == pytest.approx(p, rel=1e-3)


def test_the_map_is_monotone_whatever_was_learned() -> None:
    bank = calibration()
    played(bank, np.random.default_rng(2).uniform(size=(60 * BLOCK, 40)) ** 3)
    p = np.logspace(-30, 0, 200)[:, None]
    mapped = bank(60 * BLOCK, p, np.zeros(200, np.int64))[:, 0]
    assert (np.diff(mapped) > 0).all()
    assert 0 < mapped[0] < mapped[-1] <= 1.0


def test_an_event_counts_once_however_long_it_lasts() -> None:
    raw = np.full((60 * BLOCK, 40), 0.9)
    raw[100:160, 3] = 1e-9
    short = raw.copy()
    short[101:160, 3] = 0.9
    assert np.array_equal(played(calibration(), raw)[300:], played(calibration(), short)[300:])


def test_what_is_flagged_all_the_time_is_no_exception() -> None:
    raw = np.random.default_rng(5).uniform(size=(200 * BLOCK, 40))
    raw[:, 7] **= 6.0
    late = played(calibration(groups=40), raw)[150 * BLOCK :, 7]
    assert (raw[:, 7] <= 1e-3).mean() > 0.3
    assert (late <= 1e-3).mean() < 0.15


def test_a_group_learns_for_itself_and_lends_to_its_pool() -> None:
    raw = np.random.default_rng(4).uniform(size=(200 * BLOCK, 40))
    raw[:, ::2] **= 2.0  # group 0 of two
    bank = calibration(groups=2)
    played(bank, raw)
    heavy, light = bank(200 * BLOCK, np.full((2, 1), 1e-3), np.array([0, 1]))[:, 0].tolist()
    assert heavy > 10e-3
    assert light == pytest.approx(1e-3, rel=0.3)


def test_a_window_is_judged_by_what_was_known_before_the_block_before_it() -> None:
    bank = calibration()
    raw = np.random.default_rng(5).uniform(size=(30 * BLOCK, 40)) ** 2
    played(bank, raw[: 29 * BLOCK])
    ahead = bank(30 * BLOCK - 1, np.full((1, 1), 1e-4), np.array([7]))
    played(bank, raw[29 * BLOCK : 30 * BLOCK - 1], 29 * BLOCK)
    assert np.array_equal(ahead, bank(30 * BLOCK - 1, np.full((1, 1), 1e-4), np.array([7])))


def test_a_restored_one_goes_on_as_if_it_had_never_stopped() -> None:
    raw = np.random.default_rng(6).uniform(size=(20 * BLOCK, 40)) ** 2
    whole, first, second = calibration(), calibration(), calibration()
    played(whole, raw[: 11 * BLOCK + 5])
    played(first, raw[: 11 * BLOCK + 5])
    state = first.snapshot()
    kept = deepcopy(state)
    second.restore(state)
    assert np.array_equal(played(whole, raw[11 * BLOCK + 5 :], 11 * BLOCK + 5), played(second, raw[11 * BLOCK + 5 :], 11 * BLOCK + 5))
    assert all(np.array_equal(state[key], kept[key]) for key in kept)
