"""Intake does not depend on how its input is cut, survives a stop at any point, and never raises."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.intake import Folded, Intake, Raw
from streams.model import MINUTE_S
from tests.streams.core.intake_city import CITY, KEY, LINE, OCCUPANCY, T0, call, cells, count, fine, intake, quality

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
few = st.integers(0, 5)
near_s = st.integers(-400, 60).map(lambda s: T0 + s)
calls = st.builds(
    call,
    few,
    near_s | st.sampled_from([None, "x", T0 + 9999, T0 - 10**8]),
    st.sampled_from(["loud", "leak", "petition", "?", None]),
    st.sampled_from(["10101", "10201", "102", "?", None]),
    typed=st.sampled_from([None, T0, T0 + 1]),
    state=st.sampled_from([None, "void"]),
    before=st.sampled_from([None, None, "loud", "leak"]),
)
counts = st.builds(
    count, st.integers(-1, 40), near_s, st.sampled_from(["cam-1", "cam-2", "cam-3"]), st.sampled_from([LINE, OCCUPANCY, "x"])
)
streams = st.one_of(
    st.tuples(st.just("hotline"), st.lists(calls, max_size=40)), st.tuples(st.just("camera"), st.lists(counts, max_size=40))
)


def raw(offset: int, record: object, append_s: int = T0 + 30) -> Raw:
    return Raw(offset, append_s, json.dumps(record).encode())


def small() -> Intake:
    """Bounds so low that they are reached."""
    made = intake(dedupe_offsets=7, batch_entry_min=2)
    for source in CITY.sources:
        part = made._partition(source, 0)
        part.counters._limit = part.entries._limit = 3
    return made


def run(made: Intake, source: str, records: list[Raw], cuts: list[int]) -> list[Folded]:
    edges = [0, *sorted(cut % (len(records) + 1) for cut in cuts), len(records)]
    return [made.apply(source, 0, records[a:b]) for a, b in pairwise(edges)]


def summary(folded: list[Folded]) -> dict[str, Any]:
    """All that a stretch of records comes to, however it was cut."""
    with_counts = [one for one in folded if one.counts]
    spans = [fine(one).spans[0] for one in with_counts]
    digests: dict[int, bytes] = {}
    for _, first, column in (row for one in folded for row in one.digests):
        digests |= {first + i: column[8 * i : 8 * i + 8] for i in range(len(column) // 8)}
    return {
        "cells": cells(fine(one) for one in with_counts),
        "city": cells(one.counts[1] for one in with_counts),
        "quality": quality(*folded),
        "rejected": [bad for one in folded for bad in one.rejected],
        "digests": digests,
        "end": [(span.to_offset, span.watermark_s, span.newest_s) for span in spans[-1:]],
        "state": folded[-1].state,
    }


@settings(max_examples=60)
@given(streams, st.lists(st.integers(0, 40), max_size=6))
def test_it_does_not_matter_how_the_input_is_cut(stream: tuple[str, list[object]], cuts: list[int]):
    source, records = stream
    wanted = [raw(i, record) for i, record in enumerate(records)]
    assert summary(run(small(), source, wanted, cuts)) == summary(run(small(), source, wanted, []))


@settings(max_examples=30)
@given(streams, st.lists(st.integers(0, 40), min_size=1, max_size=4), st.integers(0, 3))
def test_stopped_anywhere_and_restored_it_is_as_if_it_had_never_stopped(stream: tuple[str, list[object]], stops: list[int], again: int):
    # [0, 1, 2, ABORT(), 2, 3, ...]: what is committed is state and digests; a few records before them come once more
    source, records = stream
    wanted = [raw(i, record) for i, record in enumerate(records)]
    expected = summary(run(small(), source, wanted, stops))
    committed: list[Folded] = []
    for a, b in pairwise([0, *sorted(stop % (len(wanted) + 1) for stop in stops), len(wanted)]):
        made = small()
        if committed:
            made.restore(committed[-1].state, reversed([row for one in committed for row in one.digests]))
            part = made._partition(source, 0)
            part.counters._limit = part.entries._limit = 3
            assert made.position(source, 0) == a
        made.apply(source, 0, [*wanted[a:b], raw(b, call("lost in the crash"))])  # applied, never committed
        made = small()
        if committed:
            made.restore(committed[-1].state, [row for one in committed for row in one.digests])
            part = made._partition(source, 0)
            part.counters._limit = part.entries._limit = 3
        committed.append(made.apply(source, 0, wanted[max(0, a - again) : b]))
    assert summary(committed) == expected


@given(
    st.lists(st.binary(max_size=60) | json_values.map(json.dumps).map(str.encode) | calls.map(json.dumps).map(str.encode), max_size=20),
    st.sampled_from(sorted(CITY.sources)),
)
def test_nothing_raises_and_every_record_is_accounted_for(payloads: list[bytes], source: str):
    folded = intake().apply(source, 0, [Raw(i, T0 + 30, payload) for i, payload in enumerate(payloads)])
    if not payloads:
        assert folded.counts == ()
        return
    noted = quality(folded)
    assert all(noted[bad.reason] for bad in folded.rejected)
    columns = b"".join(column for _, _, column in folded.digests)
    remembered = sum(columns[i : i + 8] != bytes(8) for i in range(0, len(columns), 8))
    accepted = remembered - noted.get("duplicate", 0)
    assert accepted + noted.get("duplicate", 0) + len(folded.rejected) == len(payloads) == fine(folded).spans[0].to_offset


@given(
    st.dictionaries(st.sampled_from(["no", "at", "typed", "kind", "area", "address", "lat", "lon", "state", "before"]), json_values),
    st.integers(-(2**40), 2**40),
)
def test_known_fields_may_hold_anything(record: dict[str, object], append_s: int):
    folded = intake().apply(
        "hotline", 0, [raw(0, record, append_s), raw(1, call(1) | record, append_s), raw(2, record | call(1), append_s)]
    )
    assert fine(folded).spans[0].to_offset == 3


@given(st.lists(st.tuples(few, near_s, few), min_size=1, max_size=30))
def test_the_city_has_the_sums_of_its_districts(made: list[tuple[int, int, int]]):
    folded = intake().apply(
        "hotline", 0, [raw(i, call(n, at_s, code=("10101", "10201")[way % 2])) for i, (n, at_s, way) in enumerate(made)]
    )
    below = [int(row[0]) for row in cells([fine(folded)]).values()]
    above = [int(row[0]) for row in cells([folded.counts[1]]).values()]
    assert sum(below) == sum(above) == len(made) - quality(folded).get("duplicate", 0)
    assert all(minute * MINUTE_S <= T0 + 60 for _, _, minute in cells([fine(folded)]))


def test_partitions_interleave_as_they_like():
    records = [raw(i, call(i // 2, T0 + i % 7)) for i in range(30)]
    one, other = Intake(CITY, KEY, dedupe_offsets=50), Intake(CITY, KEY, dedupe_offsets=50)
    for partition in (0, 1):
        one.apply("hotline", partition, records)
    for i in range(0, 30, 3):
        last = [other.apply("hotline", partition, records[i : i + 3]) for partition in (1, 0)][-1]
    assert last.state == one.apply("hotline", 0, []).state
