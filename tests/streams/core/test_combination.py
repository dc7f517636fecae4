from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from streams.core.combination import P_MIN, Combination

HOURS = (1, 3, 12, 24, 72, 168)
WEEKS = (1, 2, 3)


def windows_of_chance(durations: tuple[int, ...], count: int) -> np.ndarray:
    """(count, D) p-values of sums over the last windows, each normal."""
    running = np.cumsum(np.random.default_rng(3).normal(size=count + durations[-1]))
    sums = np.stack([running[durations[-1] :] - running[durations[-1] - d : -d] for d in durations], axis=1)
    return np.asarray(special.ndtr(-sums / np.sqrt(durations)))


@pytest.mark.parametrize("durations", [WEEKS, HOURS, (1, 28)])
def test_under_chance_the_combination_comes_as_often_as_it_says(durations: tuple[int, ...]) -> None:
    p = Combination(durations)(windows_of_chance(durations, 2_000_000))
    for level in (0.3, 0.1, 0.01, 0.001):
        assert (p <= level).mean() / level == pytest.approx(1.0, abs=0.12)


@given(st.lists(st.floats(1e-300, 1.0), min_size=3, max_size=3), st.integers(0, 2), st.floats(0.01, 0.99))
def test_what_grows_rarer_at_one_duration_grows_rarer_together(p: list[float], which: int, factor: float) -> None:
    rarer = list(p)
    rarer[which] *= factor
    before, after = Combination(WEEKS)(np.array([p, rarer])).tolist()
    assert P_MIN <= after <= before <= 1.0


def test_a_burst_that_one_duration_hears_alone_is_heard() -> None:
    alone = Combination(HOURS)(np.array([[1e-12, 1.0, 1.0, 1.0, 1.0, 1.0]]))[0]
    assert 1e-12 < alone < 1e-10


def test_what_all_durations_half_see_is_more_than_any_of_them_says() -> None:
    assert Combination(WEEKS)(np.full((1, 3), 0.02))[0] < 0.02


def test_one_duration_stands_as_it_is_and_none_says_nothing() -> None:
    assert Combination((1,))(np.array([[0.3]])).tolist() == [0.3]
    assert Combination(())(np.zeros((2, 0))).tolist() == [1.0, 1.0]
    with pytest.raises(AssertionError, match="not ascending"):
        Combination((3, 1))
