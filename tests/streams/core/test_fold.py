from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.columns import Cells, timeless
from streams.core.fold import Fold
from streams.model import Span
from tests.streams.core.intake_city import cells

AREAS, SIGNALS = ("b", "a", "aa"), ("y", "x")


def rows(folded):
    from streams.columns import pack

    return cells(
        [
            pack(
                rollup=False,
                config_hash="",
                spans=[Span("r", "s", 0, 1, 0, 0)],
                areas=folded.areas,
                signals=folded.signals,
                cells=folded.cells,
            )
        ]
    )


def test_cells_are_sorted_by_area_signal_and_minute():
    fold = Fold(AREAS, SIGNALS)
    for area, signal, time_s, n in (
        ("b", "y", 125, 1),
        ("a", "y", 60, 1),
        ("a", "x", 3600, 2),
        ("a", "x", 61, 1),
        ("a", "x", 119, 4),
        ("b", "y", 130, -3),
    ):
        fold.count(area, signal, time_s, n, batch=int(n == 4))
    folded = fold.take()
    assert (folded.areas, folded.signals) == (("a", "b"), ("x", "y"))
    columns = [column.tolist() for column in folded.cells[1:6]]
    assert list(zip(*columns, strict=True)) == [(0, 0, 1, 5, 1), (0, 0, 60, 2, 0), (0, 1, 1, 1, 0), (1, 1, 2, -2, 0)]
    assert not len(fold.take().cells.n)


def test_readings_have_a_sum_and_extremes():
    fold = Fold(AREAS, SIGNALS)
    for value in (3.0, -1.5, 2.0):
        fold.level("a", "x", 60, value)
    fold.count("a", "y", 60, 0)
    assert rows(fold.take()) == {("a", "x", 1): (3, 0, 3.5, -1.5, 3.0), ("a", "y", 1): (0, 0)}


def test_the_upper_record_has_the_sums():
    fold = Fold(AREAS, SIGNALS)
    fold.level("a", "x", 60, 1.0)
    fold.level("aa", "x", 61, 5.0)
    fold.count("aa", "y", 60, 2, 1)
    fold.count("b", "y", 60, 3)
    folded = fold.take()
    upper = fold.rolled(folded, lambda code: code[0])
    assert rows(upper) == {("a", "x", 1): (2, 0, 6.0, 1.0, 5.0), ("a", "y", 1): (2, 1), ("b", "y", 1): (3, 0)}
    assert rows(fold.rolled(folded, lambda _: "b"))["b", "y", 1] == (5, 1)
    assert rows(fold.rolled(fold.take(), lambda _: "b")) == {}


def test_what_does_not_fit_four_bytes_is_cut_and_told():
    fold = Fold(AREAS, SIGNALS)
    fold.count("a", "x", 60, 2**31 - 1)
    fold.count("a", "x", 60, 5)
    fold.count("b", "x", 60, 7)
    folded = fold.take()
    assert folded.saturated == 1
    assert folded.cells.n.tolist() == [2**31 - 1, 7]


def test_late_events_are_a_cell_of_their_own_until_a_table_adds_them_up():
    fold = Fold(AREAS, SIGNALS)
    fold.count("a", "x", 60, 1)
    fold.count("a", "x", 61, 2, heard_s=600)
    fold.count("aa", "x", 62, 4, batch=1, heard_s=659)
    fold.count("a", "x", 63, 8, heard_s=660)
    fold.count("a", "x", 64, 16, heard_s=119)  # late within its own minute
    fold.level("b", "y", 60, 2.5)
    fold.level("b", "y", 61, 1.5, heard_s=240)
    folded = fold.take()
    assert _late(folded.cells) == [
        (0, 0, 1, 17, 0, 0),
        (0, 0, 1, 2, 0, 10),
        (0, 0, 1, 8, 0, 11),
        (1, 0, 1, 4, 1, 10),
        (2, 1, 1, 1, 0, 0),
        (2, 1, 1, 1, 0, 4),
    ]
    upper = fold.rolled(folded, lambda code: code[0])
    assert _late(upper.cells) == [(0, 0, 1, 17, 0, 0), (0, 0, 1, 6, 1, 10), (0, 0, 1, 8, 0, 11), (1, 1, 1, 1, 0, 0), (1, 1, 1, 1, 0, 4)]
    plain = timeless(upper.cells)
    assert _late(plain) == [(0, 0, 1, 31, 1, 0), (1, 1, 1, 2, 0, 0)]
    assert (plain.total[1], plain.least[1], plain.most[1]) == (4.0, 1.5, 2.5)
    assert np.isnan(plain.least[0])


def _late(cells: Cells) -> list[tuple[int, ...]]:
    columns = (cells.area, cells.signal, cells.minute, cells.n, cells.batch, cells.heard)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@given(st.lists(st.tuples(st.sampled_from(AREAS), st.sampled_from(SIGNALS), st.integers(0, 300), st.integers(-2, 9))))
def test_every_event_is_in_one_cell(events: list[tuple[str, str, int, int]]):
    fold = Fold(AREAS, SIGNALS)
    expected: dict[tuple[str, str, int], int] = {}
    for area, signal, time_s, n in events:
        fold.count(area, signal, time_s, n)
        key = (area, signal, time_s // 60)
        expected[key] = expected.get(key, 0) + n
    folded = fold.take()
    assert {key: row[0] for key, row in rows(folded).items()} == expected
    keys = np.stack([folded.cells.area, folded.cells.signal, folded.cells.minute], axis=1).tolist()
    assert keys == sorted(keys)
    assert sum(row[0] for row in rows(fold.rolled(folded, lambda _: "a")).values()) == sum(expected.values())
