from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.core.counters import Counters, Step
from streams.core.entries import Entries


def test_a_counter_is_differentiated_and_its_reset_seen():
    # count     5 ─► 9 ─► 9 ─► reset 3 ─► 4
    counters = Counters()
    steps = [counters.step(1, 60 * i, count) for i, count in enumerate((5, 9, 9, 3, 4))]
    assert steps == [Step(None), Step(4), Step(0), Step(3, "counter_reset"), Step(1)]


def test_a_reading_older_than_the_last_is_left_out():
    counters = Counters()
    counters.step(1, 100, 5)
    assert counters.step(1, 99, 4) == Step(None, "out_of_order")
    assert counters.step(1, 100, 6) == Step(1)


def test_counters_do_not_meet():
    counters = Counters()
    counters.step(1, 0, 5)
    assert counters.step(2, 60, 7) == Step(None)
    assert counters.step(1, 60, 7) == Step(2)


def test_the_one_not_heard_of_for_longest_is_forgotten_and_told():
    counters = Counters(limit=2)
    counters.step(1, 0, 1)
    counters.step(2, 0, 1)
    counters.step(1, 60, 1)
    assert counters.step(3, 60, 1) == Step(None, evicted=True)
    assert counters.step(1, 120, 2) == Step(1)
    assert counters.step(2, 120, 2) == Step(None, evicted=True)
    assert len(counters.rows()) == 2


def test_entries_are_counted_and_bounded():
    entries = Entries(limit=2)
    assert [entries.count("a", 1), entries.count("b", 1), entries.count("a", 1)] == [1, 1, 2]
    assert entries.count("a", 2) == 1  # b at 1 is forgotten
    assert entries.count("b", 1) == 1
    assert len(entries.rows()) == 2


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(0, 20))), st.integers(0, 30))
def test_going_on_from_rows_is_as_if_never_stopped(readings: list[tuple[int, int, int]], cut: int):
    whole, first, second = Counters(3), Counters(3), Counters(3)
    expected = [whole.step(*reading) for reading in readings]
    found = [first.step(*reading) for reading in readings[:cut]]
    second.load(first.rows())
    assert found + [second.step(*reading) for reading in readings[cut:]] == expected
    assert second.rows() == whole.rows() or not readings[cut:]
    entries, resumed = Entries(3), Entries(3)
    for signal, at_s, _ in readings:
        entries.count(str(signal), at_s)
    resumed.load(entries.rows())
    assert resumed.rows() == entries.rows()
