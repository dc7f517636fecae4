from __future__ import annotations

import pytest

from streams.core.explain import number_words, recurrence_words, span_words, why
from streams.model import DAY_S, HOUR_S, Area, Evidence, Signal

AREA = Area("1605", "Precinct 1605", 2, "dorchester")
SNOW = Signal("snow", "Snow not cleared", "weather")
WATER = Signal("water_level", "Water level", "floods", kind="level", limit_high=3.5, limit_low=0.2)


def evidence(observed: float, expected: float = 0.5, duration_s: int = 3 * HOUR_S) -> Evidence:
    return Evidence(duration_s, observed, expected, 0.0, 3.2, 1e-9)


def test_a_count_is_said_with_what_was_expected_and_how_rare_it_is() -> None:
    assert why(SNOW, AREA, evidence(37), 40 * DAY_S, fewer_than=5, small=True) == (
        "Snow not cleared, Precinct 1605: 37 in the last 3 hours, 0.5 expected (0 to 3.2); by chance once in 6 weeks."
    )


def test_a_small_count_of_a_small_area_is_never_said() -> None:
    said = why(SNOW, AREA, evidence(4), 40 * DAY_S, fewer_than=5, small=True)
    assert said == "Snow not cleared, Precinct 1605: fewer than 5 in the last 3 hours, more than is usual there."
    assert "4 in the last" in why(SNOW, AREA, evidence(4), 40 * DAY_S, fewer_than=5, small=False)


@pytest.mark.parametrize(("value", "limit"), [(3.6, "3.5"), (0.1, "0.2")])
def test_a_limit_is_named_when_it_is_crossed(value: float, limit: str) -> None:
    said = why(WATER, AREA, evidence(value), 1e12, fewer_than=5, small=True, flags=("limit",))
    assert said.endswith(f"crosses the limit of {limit}.")


def test_a_level_is_said_with_its_normal_range() -> None:
    assert "2.1 over the last 3 hours; normal is 0.5 (0 to 3.2)" in why(WATER, AREA, evidence(2.1), DAY_S, fewer_than=5, small=True)


def test_words_stay_readable_at_the_edges() -> None:
    assert recurrence_words(1.0) == "at any time"
    assert recurrence_words(1e30) == "less than once in 1000 years"
    assert span_words(90) == "90 seconds"
    assert (number_words(0.0), number_words(1e6), number_words(-2.5)) == ("0", "1000000", "-2.5")
