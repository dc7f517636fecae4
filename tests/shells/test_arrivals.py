from __future__ import annotations

import pytest

from streams.model import DAY_S
from streams.shells import arrivals as module
from streams.shells.arrivals import arrivals


def clock(*times: int | None) -> list[int]:
    return [at_s for at_s, _ in arrivals((time_s, i) for i, time_s in enumerate(times))]


def test_the_clock_is_the_newest_time_so_far() -> None:
    assert clock(100, 90, 110, None, 105) == [100, 100, 110, 110, 110]


def test_a_stray_from_the_future_moves_nothing() -> None:
    assert clock(100, 100 + 9 * DAY_S, 110) == [100, 100, 110]


def test_a_gap_that_the_next_row_bears_out_is_a_gap() -> None:
    later = 100 + 9 * DAY_S
    assert clock(100, later, later + 5) == [100, later, later + 5]
    assert clock(100, later) == [100, later]


def test_a_stray_in_the_very_first_row_is_one_too() -> None:
    assert clock(100 * DAY_S, 100, 110) == [100, 100, 110]
    assert clock(5 * DAY_S, 5 * DAY_S + 1) == [5 * DAY_S, 5 * DAY_S + 1]


def test_rows_without_a_time_wait_for_the_first_that_has_one() -> None:
    assert clock(None, None, 3 * DAY_S, 3 * DAY_S + 1) == [3 * DAY_S, 3 * DAY_S, 3 * DAY_S, 3 * DAY_S + 1]
    assert clock(None, None) == []


def test_every_row_comes_out_once_and_in_order() -> None:
    rows = [(t, i) for i, t in enumerate((5, None, 9 * DAY_S, None, 7, 8, 30 * DAY_S))]
    assert [row for _, row in arrivals(rows)] == list(range(7))


def test_no_more_is_held_back_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELD_MAX", 3)
    assert clock(*[None] * 10) == []
    assert clock(100, 9 * DAY_S, *[None] * 4, 120) == [100, 100, 100, 100, 100, 100, 120]
