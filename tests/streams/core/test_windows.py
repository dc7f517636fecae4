from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np

from streams.columns import Cells
from streams.core.windows import Open, index_of, window_at
from streams.model import HOUR_S


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def cells(n: list[int], levels: list[float], batch: int = 0) -> Cells:
    size, values = len(n), np.array(levels)
    return Cells(*(np.zeros(size, int),) * 4, np.array(n), np.full(size, batch), values, values, values, np.zeros(size, int))


def test_seasons_follow_the_local_clock_over_a_change_of_the_hour() -> None:
    # Boston sets its clocks on at 2015-03-08 07:00 UTC and back at 2015-11-01 06:00 UTC
    hours = [window_at(at(t) // HOUR_S, HOUR_S, "America/New_York").hour for t in ("2015-03-08T06:00", "2015-03-08T07:00")]
    assert hours == [1, 3]
    hours = [window_at(at(t) // HOUR_S, HOUR_S, "America/New_York").hour for t in ("2015-11-01T05:00", "2015-11-01T06:00")]
    assert hours == [1, 1]


def test_a_year_runs_from_0_to_1() -> None:
    first, last = (window_at(at(t) // HOUR_S, HOUR_S, "UTC").year for t in ("2016-01-01T00:00", "2016-12-31T23:00"))
    assert first == 0.0
    assert 0.99 < last < 1.0


def test_minutes_belong_to_the_window_that_holds_them() -> None:
    assert index_of(np.array([0, 59, 60, 119], np.int32), HOUR_S).tolist() == [0, 0, 1, 1]


def test_cells_of_one_row_add_up_and_absent_levels_stay_unknown() -> None:
    window = Open(3)
    window.add(np.array([0, 0, 1]), cells([2, 3, 1], [1.0, 4.0, np.nan]), np.array([0, 1, 2]))
    seen = window.observed(np.arange(3), absent_is_zero=False, levels=True)
    assert seen.n.tolist() == [5.0, 1.0, 0.0]
    assert seen.present.tolist() == [True, True, False]
    assert (seen.least[0], seen.most[0]) == (1.0, 4.0)
    assert np.isnan(seen.most[1:]).all()


def test_corrections_take_away_but_never_below_nothing_and_batches_are_left_out() -> None:
    window = Open(2)
    window.add(np.array([0, 1]), cells([-2, 7], [np.nan, np.nan], batch=4), np.array([0, 1]))
    assert window.observed(np.arange(2), absent_is_zero=True, levels=False).n.tolist() == [0.0, 3.0]


def test_a_window_comes_back_from_its_bytes_as_it_was() -> None:
    window = Open(2)
    window.add(np.array([1]), cells([3], [2.0]), np.array([0]))
    window.said[1] = 7.0
    again = Open.unpacked(2, window.packed())
    for name in Open.__slots__:
        np.testing.assert_array_equal(getattr(again, name), getattr(window, name))
    again.n[0] = 9.0
    assert window.n[0] == 0.0


def test_a_day_off_goes_like_a_sunday() -> None:
    monday = at("2015-05-25T16:00") // HOUR_S
    off = frozenset({date(2015, 5, 25).toordinal()})
    assert [window_at(monday, HOUR_S, "America/New_York", days).weekday for days in (frozenset(), off)] == [0, 6]
    assert window_at(monday + 24, HOUR_S, "America/New_York", off).weekday == 1
