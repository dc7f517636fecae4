from __future__ import annotations

import msgspec
import numpy as np
import pytest

from streams.core.dedupe import Recent
from streams.core.intake import Intake
from streams.core.raw_partition import GAP_MAX, Partition, by_partition, decode_state, digest_runs, encode_state
from tests.streams.core.intake_city import CITY, KEY, T0, call, count, intake, raws


def partition(source: str = "hotline", number: int = 0) -> Partition:
    return Partition(source, number, 300, Recent(10))


def test_a_state_comes_back_as_it_was():
    part = partition()
    part.advance(T0, T0 + 5)
    part.position = 7
    part.counters.step(2**64 - 1, T0, 5)
    part.entries.count("noise", T0)
    state = encode_state({part.raw: part.save(), "raw.hotline/1": partition(number=1).save()})
    saved, other = decode_state(state)
    again = partition()
    again.go_on(saved)
    assert again.save() == part.save()
    assert again.span(0) == part.span(0)
    assert (other.partition, other.position) == (1, 0)


def test_states_of_the_same_partitions_are_the_same_bytes():
    a, b = partition().save(), partition("camera").save()
    assert encode_state({"x": a, "y": b}) == encode_state({"y": b, "x": a})


@pytest.mark.parametrize(
    "state, message",
    [
        (b"", "no version: it is empty"),
        (b"\x63" + msgspec.msgpack.encode([]), "version 99; this release reads version 1"),
        (b"\x01\xc1", "damaged"),
        (b"\x01" + msgspec.msgpack.encode([["hotline", "x"]]), "damaged"),
    ],
)
def test_a_state_that_cannot_be_read_is_refused(state: bytes, message: str):
    with pytest.raises(ValueError, match=message):
        intake().restore(state, ())


def test_digests_are_cut_where_offsets_leap():
    marks = [(5, 1), (7, 2), (7 + GAP_MAX, 3), (8 + 2 * GAP_MAX, 4), (10**12, 5)]
    offset, digest = np.array(marks, np.int64).T
    runs = list(digest_runs(offset, digest.astype(np.uint64)))
    assert [(first, len(column) // 8) for first, column in runs] == [(5, GAP_MAX + 3), (8 + 2 * GAP_MAX, 1), (10**12, 1)]
    assert runs[0][1][:24] == b"".join(n.to_bytes(8, "little") for n in (1, 0, 2))
    assert list(digest_runs(offset[:0], digest[:0].astype(np.uint64))) == []
    assert by_partition([("b", 9, b"x"), ("a", 1, b"y"), ("b", 2, b"z")]) == {"a": [(1, b"y")], "b": [(2, b"z"), (9, b"x")]}


def test_a_source_that_is_no_more_is_let_go():
    one = intake()
    one.apply("camera", 0, raws([count(5)]))
    state = one.apply("hotline", 1, raws([call(1)])).state
    fewer = Intake(msgspec.structs.replace(CITY, sources={"hotline": CITY.sources["hotline"]}), KEY, dedupe_offsets=10)
    fewer.restore(state, ())
    assert fewer.position("hotline", 1) == 1
    assert [saved.source for saved in decode_state(fewer.apply("hotline", 1, ()).state)] == ["hotline"]
