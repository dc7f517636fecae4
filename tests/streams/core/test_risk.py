from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.risk import P_MIN, band, quantised, recurrence_s, risk
from streams.settings import Bands

p_values = st.floats(1e-300, 1.0)


@given(p_values)
def test_quantising_rounds_up_by_less_than_a_quarter_of_a_percent(p: float) -> None:
    value = float(quantised(np.array([p]))[0])
    p = max(p, P_MIN)
    assert p * (1 - 1e-8) <= value <= p * 1.0024
    assert float(quantised(np.array([value]))[0]) == pytest.approx(value, rel=1e-12)


@given(st.floats(1.0, 1e20), st.floats(1.0, 1e20), st.floats(0.1, 3.0))
def test_risk_grows_with_the_recurrence_interval_and_stays_between_0_and_100(a: float, b: float, consequence: float) -> None:
    low, high = risk(np.array(sorted((a, b))), np.full(2, consequence)).tolist()
    assert 0.0 <= low <= high <= 100.0


def test_bands_are_steps_of_the_risk_and_grey_without_history() -> None:
    steps = [band(value, True, Bands()) for value in (0, 25, 45, 60, 75, 100)]
    assert steps == ["none", "blue", "yellow", "orange", "red", "red"]
    assert band(100, False, Bands()) == "grey"


def test_a_p_value_of_a_week_of_hours_recurs_once_a_week() -> None:
    assert recurrence_s(np.array([1 / 168]), 3600)[0] == pytest.approx(7 * 86400)
