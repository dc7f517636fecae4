from __future__ import annotations

import numpy as np
import pytest

from detectors.drift import DRIFTS, MEMORY, Drift

NAMES = [name for name in DRIFTS if name != "none"]
ALL = np.ones(3, bool)


def tell(drift: Drift, values: np.ndarray) -> np.ndarray:
    """Residuals (T, S); returns where it said that a series has drifted."""
    return np.array([drift.update(v, np.isfinite(v)) for v in values])


@pytest.mark.parametrize("name", NAMES)
def test_a_level_that_moves_is_seen_within_a_month_and_others_are_not(name):
    #                day 70
    # series 1:  0 [---)[+3 ------
    values = np.random.default_rng(4).normal(size=(110, 3))
    values[70:, 1] += 3.0
    said = tell(Drift(name, 3), values)
    assert not said[:, [0, 2]].any()
    assert not said[:70, 1].any()
    assert said[70:100, 1].any()


@pytest.mark.parametrize("name", ["ADWIN", "PageHinkley"])
def test_calm_residuals_are_no_drift(name):
    values = np.random.default_rng(4).normal(size=(300, 100))
    assert tell(Drift(name, 100), values).sum() <= 3


def test_a_series_that_has_drifted_begins_anew():
    values = np.random.default_rng(4).normal(size=(200, 1))
    values[70:] += 3.0
    said = tell(Drift("ADWIN", 1), values)
    assert said.sum() == 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stop", [40, MEMORY - 1, MEMORY, MEMORY + 1])
def test_it_goes_on_from_a_snapshot_as_if_it_had_never_stopped(name, stop):
    values = np.random.default_rng(4).normal(size=(MEMORY + 80, 3))
    values[stop - 5 :] += 1.5
    values[::7, 2] = np.nan
    whole, first, second = (Drift(name, 3) for _ in range(3))
    expected = tell(whole, values)
    tell(first, values[:stop])
    taken = first.snapshot()
    copy = {key: value.copy() for key, value in taken.items()}
    second.restore(taken)
    assert np.array_equal(tell(second, values[stop:]), expected[stop:])
    tell(first, values[stop:])
    assert all(np.array_equal(taken[key], copy[key], equal_nan=True) for key in taken)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(second.snapshot().values(), whole.snapshot().values(), strict=True))


def test_its_state_is_bounded():
    drift = Drift("ADWIN", 2)
    sizes = []
    for _ in range(4):
        tell(drift, np.random.default_rng(1).normal(size=(MEMORY, 2)))
        sizes.append(sum(value.nbytes for value in drift.snapshot().values()))
    assert len(set(sizes)) == 1


def test_what_is_not_known_is_not_told():
    one, other = Drift("ADWIN", 3), Drift("ADWIN", 3)
    values = np.random.default_rng(4).normal(size=(50, 3))
    for value in values:
        one.update(value, ALL)
        other.update(np.full(3, 1e9), ~ALL)
        other.update(value, ALL)
    assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one.snapshot().values(), other.snapshot().values(), strict=True))


def test_none_never_says_anything_and_another_name_is_refused():
    assert not tell(Drift("none", 3), np.full((50, 3), 9.0)).any()
    with pytest.raises(ValueError, match="'ADWYN' is not a drift detector; choose one of none, ADWIN, PageHinkley, KSWIN"):
        Drift("ADWYN", 3)
