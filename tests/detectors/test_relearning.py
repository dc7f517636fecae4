from __future__ import annotations

import numpy as np
import pytest

from detectors.relearning import Relearning


class Diary:
    """A model that remembers everything."""

    def __init__(self) -> None:
        self.items: list[float] = []


def models(memory_blocks: int = 3) -> Relearning:
    """Two units, one number each, blocks of two windows."""
    return Relearning(
        2, 2, block=2, memory_blocks=memory_blocks, make=Diary, learn=lambda model, unit, item: model.items.append(item[unit])
    )


def play(diaries: Relearning, begin: int, end: int, moved: dict[int, int] | None = None) -> None:
    """Windows begin..end-1; window t shows t and -t. ``moved``: block -> unit."""
    for t in range(begin, end):
        diaries.push(t, np.array([float(t), -float(t)]), np.ones(2, bool))
        if t % 2:
            diaries.end_block(np.arange(2) == (moved or {}).get(t // 2, -1))


def test_this_block_is_judged_by_what_was_learned_two_blocks_ago_and_the_next_by_one_more():
    diaries = models()
    play(diaries, 0, 8)  # blocks 0..3 are over, block 4 runs
    assert diaries.model(0, 0).items == [0, 1, 2, 3, 4, 5]
    assert diaries.model(1, 1).items == [0, -1, -2, -3, -4, -5, -6, -7]
    assert diaries.learned(0).tolist() == [6, 6]


def test_a_model_begins_anew_with_the_newest_half_of_twice_its_memory():
    diaries = models(memory_blocks=3)
    play(diaries, 0, 12)  # six blocks
    assert diaries.model(1, 0).items == [6, 7, 8, 9, 10, 11]
    assert len(diaries.model(0, 0).items) == 10
    play(diaries, 12, 14)
    assert diaries.model(0, 0).items == [6, 7, 8, 9, 10, 11]


def test_a_unit_that_has_moved_begins_with_nothing_and_the_other_does_not():
    diaries = models()
    play(diaries, 0, 8, moved={3: 0})
    assert diaries.model(1, 0).items == []
    assert diaries.model(0, 0).items == [0, 1, 2, 3, 4, 5]
    play(diaries, 8, 10)
    assert (diaries.model(0, 0).items, diaries.model(1, 0).items) == ([], [8, 9])
    assert len(diaries.model(1, 1).items) == 10


def test_what_is_not_taken_is_not_learned_and_what_is_not_known_stays_so():
    diaries = models()
    diaries.push(0, np.array([1.5, np.nan]), np.array([True, True]))
    diaries.push(1, np.array([2.5, 3.5]), np.array([False, True]))
    diaries.end_block(np.zeros(2, bool))
    assert diaries.model(1, 0).items == [1.5]
    assert np.isnan(diaries.model(1, 1).items[0])
    assert diaries.model(1, 1).items[1] == 3.5


@pytest.mark.parametrize("stop", [0, 1, 2, 5, 11, 12, 13, 14, 24, 25, 26, 27])
@pytest.mark.parametrize("moved", [{}, {5: 0}, {6: 1}])
def test_a_restore_learns_the_same_again_wherever_it_falls(stop, moved):
    whole, first, second = models(), models(), models()
    play(whole, 0, 33, moved)
    play(first, 0, stop, moved)
    second.restore(first.snapshot())
    for which in (0, 1):
        assert [second.model(which, u).items for u in (0, 1)] == [first.model(which, u).items for u in (0, 1)]
    play(second, stop, 33, moved)
    assert all(np.array_equal(a, b) for a, b in zip(second.snapshot().values(), whole.snapshot().values(), strict=True))
    assert [second.model(w, u).items for w in (0, 1) for u in (0, 1)] == [whole.model(w, u).items for w in (0, 1) for u in (0, 1)]
