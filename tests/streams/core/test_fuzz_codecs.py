"""Bytes that nobody wrote, and written ones that were changed: a ValueError that says what to do, or a value that stays the same."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.columns import unpack
from streams.core.damage import REBUILD, refused
from streams.core.decide import Decide
from streams.core.journal import decode, encode
from streams.core.pipeline import Scorer
from streams.model import Closed, Counts, Finding
from streams.shells.engine import State
from tests.mutations import mutated
from tests.streams.core import intake_city, test_journal, test_score

JOURNAL = tuple(encode(sample) for sample in test_journal.SAMPLES.values())


def snapshots() -> tuple[bytes, bytes]:
    """Of score and decide, after a burst with an alert."""
    scorer = Scorer(test_score.CITY)
    decide = Decide(test_score.CITY, scorer.shards)
    for record in test_score.hours(120, burst_at=100):
        scored = scorer.apply(record)
        for said in (*scored.findings, *scored.closed):
            assert isinstance(said, Finding | Closed)
            decide.apply(said)
    return scorer.snapshot(), decide.snapshot()


SCORE, DECIDE = snapshots()


def intake_state() -> bytes:
    return intake_city.intake().apply("hotline", 0, intake_city.raws([intake_city.call("1")])).state


def refusal(read: Callable[[bytes], object], data: bytes) -> str | None:
    """What it is refused with; None where it is taken."""
    try:
        read(data)
    except ValueError as error:
        return str(error)
    return None


def assert_refused_or_taken(read: Callable[[bytes], object], data: bytes, remedy: str) -> bool:
    """Whether it was taken."""
    said = refusal(read, data)
    assert said is None or remedy in said
    return said is None


def assert_stays(data: bytes) -> None:
    """What decodes is a record, and the same one again when it is written and read."""
    if assert_refused_or_taken(decode, data, "journal record "):
        record = decode(data)
        if isinstance(record, Counts):
            unpack(record)
        again = encode(record)
        assert encode(decode(again)) == again


@given(st.binary(max_size=400) | st.binary(max_size=400).map(lambda tail: b"\x01" + tail))
@example(b"\x01" + b"\x91" * 5_000)
@example(b"\x01\xdf\xff\xff\xff\xff")
@example(b"\x01\xc6\xff\xff\xff\xff")
def test_bytes_that_nobody_wrote_are_no_journal_record(data: bytes):
    assert_stays(data)


@given(st.sampled_from(JOURNAL).flatmap(mutated))
def test_a_journal_record_that_was_changed_is_refused_or_another_record(data: bytes):
    assert_stays(data)


@given(st.binary(max_size=300) | mutated(SCORE))
@example(b"")
@example(msgspec.msgpack.encode({"version": 6}))
@example(b"\x91" * 5_000)
def test_score_refuses_what_is_no_snapshot(data: bytes):
    assert_refused_or_taken(Scorer(test_score.CITY).restore, data, REBUILD)


@given(st.binary(max_size=300) | mutated(DECIDE))
@example(b"")
@example(b"\x91" * 5_000)
def test_decide_refuses_what_is_no_snapshot(data: bytes):
    decide = Decide(test_score.CITY, Scorer(test_score.CITY).shards)
    before = decide.snapshot()
    if not assert_refused_or_taken(decide.restore, data, REBUILD):
        assert decide.snapshot() == before


@given(st.binary(max_size=300) | mutated(intake_state()))
@example(b"\x01" + b"\x91" * 5_000)
def test_intake_refuses_what_is_no_state(data: bytes):
    assert_refused_or_taken(lambda state: intake_city.intake().restore(state, ()), data, "begin anew")


PACKED = State(SCORE, DECIDE).packed()


@given(st.binary(max_size=300) | mutated(PACKED))
def test_a_snapshot_as_a_folder_keeps_it_is_refused_or_the_same(data: bytes):
    if assert_refused_or_taken(State.unpacked, data, REBUILD):
        assert State.unpacked(data) == State(SCORE, DECIDE)


@pytest.mark.parametrize("error", [KeyError("a"), TypeError("a"), msgspec.DecodeError("a"), OverflowError("a")])
def test_whatever_is_wrong_is_told_in_one_way_and_nothing_of_it(error: Exception):
    with pytest.raises(ValueError, match=rf"^x is damaged \({type(error).__name__}\): rebuild it from the journal$"), refused("x"):
        raise error
