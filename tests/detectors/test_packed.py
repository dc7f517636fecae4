from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.packed import pack_counts, pack_means, unpack_counts, unpack_means


@given(st.lists(st.integers(-1024, 48_000), min_size=1, max_size=20))
def test_counts_that_a_town_has_are_exact(n: list[int]) -> None:
    assert unpack_counts(pack_counts(np.array(n, float))).tolist() == n


@given(st.floats(48_000, 1e12))
def test_large_counts_are_kept_to_a_tenth_of_a_percent(n: float) -> None:
    assert unpack_counts(pack_counts(np.array([n])))[0] == pytest.approx(n, rel=1e-3)


@given(st.floats(1e-30, 1e30))
def test_means_are_kept_to_a_fifth_of_a_percent(mean: float) -> None:
    assert unpack_means(pack_means(np.array([mean])))[0] == pytest.approx(mean, rel=2.1e-3)


def test_nothing_is_nothing_and_bounds_are_bounds() -> None:
    assert unpack_means(pack_means(np.zeros(2))).tolist() == [0.0, 0.0]
    assert unpack_counts(pack_counts(np.array([-5_000.0, 0.0]))).tolist() == [-1024.0, 0.0]
    assert np.isfinite(unpack_counts(pack_counts(np.array([1e300])))).all()


@given(st.lists(st.integers(0, 10**9), min_size=2, max_size=10))
def test_what_a_number_becomes_depends_on_no_other(n: list[int]) -> None:
    together = pack_counts(np.array(n, float))
    assert together.tolist() == [pack_counts(np.array([each], float))[0] for each in n]


@given(st.integers(0, 65_535))
def test_packing_again_changes_nothing(code: int) -> None:
    packed = np.array([code], np.uint16)
    assert pack_counts(unpack_counts(packed)).tolist() == [code]
