from __future__ import annotations

from load_tests import scale


def test_series_are_measured_with_a_part_of_them_changing() -> None:
    found = scale.score(1_000, 0.1)
    assert found.series == 1_000
    assert found.us_a_cell > found.us_a_series > 0
    assert 300 < found.bytes_a_series < 2_000


def test_idle_series_close_their_windows() -> None:
    assert 0 <= scale.idle(1_000).core < 1


def test_the_ratio_is_of_the_dearest_to_the_cheapest() -> None:
    assert (scale._ratio([2.0, 4.0, 3.0]), scale._ratio([])) == (2.0, 0.0)
