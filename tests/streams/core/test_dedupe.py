from __future__ import annotations

import random
import resource

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.dedupe import Recent


class Plain:
    """What ``Recent`` should do, as simply as can be."""

    def __init__(self, offsets: int) -> None:
        self.offsets, self.at = offsets, {}

    def add(self, offset: int, digest: int) -> None:
        if digest:
            self.at[offset] = digest

    def holds(self, digest: int, before: int) -> bool:
        return any(self.at.get(offset) == digest for offset in range(before - self.offsets, before))


@given(st.integers(1, 12), st.lists(st.tuples(st.integers(1, 15), st.integers(0, 6)), max_size=60), st.integers(0, 60))
def test_it_knows_exactly_what_stood_within_the_previous_offsets(offsets: int, steps: list[tuple[int, int]], first: int):
    recent, plain, offset = Recent(offsets), Plain(offsets), first
    for gap, digest in steps:
        assert [recent.seen(offset, d) for d in range(1, 7)] == [plain.holds(d, offset) for d in range(1, 7)]
        recent.add(offset, digest)
        plain.add(offset, digest)
        offset += gap


def test_loaded_it_is_as_if_it_had_never_stopped():
    rng = random.Random(1)
    digests = [rng.randrange(1, 400) for _ in range(2600)]
    whole, loaded = Recent(500), Recent(500)
    for offset, digest in enumerate(digests[:2000]):
        whole.add(offset, digest)
    column = np.array(digests[:2000], "<u8")
    loaded.load(
        [(0, column[:700].tobytes()), (700, column[700:705].tobytes()), (600, column[600:800].tobytes()), (800, column[800:].tobytes())]
    )
    for offset, digest in enumerate(digests[2000:], 2000):
        assert [loaded.seen(offset, d) for d in range(1, 400, 7)] == [whole.seen(offset, d) for d in range(1, 400, 7)]
        whole.add(offset, digest)
        loaded.add(offset, digest)


def test_runs_with_gaps_between_them_are_loaded_where_they_stood():
    recent = Recent(10)
    recent.load([(0, np.array([7, 8], "<u8").tobytes()), (9, np.array([9], "<u8").tobytes())])
    assert [recent.seen(10, digest) for digest in (7, 8, 9)] == [True, True, True]
    assert [recent.seen(11, digest) for digest in (7, 8, 9)] == [False, True, True]
    recent.load([])
    assert [recent.seen(19, digest) for digest in (7, 8, 9)] == [False, False, True]
    assert not recent.seen(10_000, 9)


def test_digests_that_all_want_one_place_of_the_table_are_told_apart():
    recent = Recent(5000)
    alike = [1023 + i * 2**40 for i in range(1, 1200)]  # the last slot of the first table, and of larger ones
    for offset, digest in enumerate(alike):
        assert not recent.seen(offset, digest)
        recent.add(offset, digest)
    assert all(recent.seen(len(alike), digest) for digest in alike)
    assert not recent.seen(len(alike), 1023)


def test_one_record_sent_for_ever_takes_one_entry():
    recent = Recent(100_000)
    for offset in range(20_000):
        recent.add(offset, 7)
    assert recent._filled == 1
    recent.load([(20_000, np.full(20_000, 7, "<u8").tobytes())])
    assert recent._filled == 1
    assert recent.seen(139_999, 7)
    assert not recent.seen(140_000, 7)


def test_offsets_ascend():
    recent = Recent(10)
    recent.add(5, 1)
    with pytest.raises(AssertionError, match="ascend"):
        recent.add(4, 2)


def test_two_million_offsets_take_well_under_250_megabytes():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    recent = Recent(2_000_000)
    column = np.random.default_rng(1).integers(1, 2**63, 2_000_000, np.uint64)
    recent.load([(0, column.tobytes())])
    for offset, digest in enumerate(range(1, 3000), 2_000_000):
        recent.add(offset, digest)
    assert recent.seen(2_002_999, int(column[5000]))
    assert not recent.seen(2_002_999, int(column[5]))
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 250
