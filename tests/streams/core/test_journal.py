from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams import model
from streams.columns import Cells, empty, pack, unpack
from streams.core.journal import CodecError, decode, encode

GOLDEN = Path(__file__).parents[2] / "golden"

EVIDENCE = model.Evidence(3600, 37.0, 2.5, 0.2, 6.9, 1e-9)
SAMPLES = {
    "counts": pack(
        rollup=False,
        config_hash="c0ffee",
        spans=[model.Span("raw.hotline/0", "hotline", 10, 25, 1_420_070_400, 1_420_070_700)],
        areas=["0101", "0102"],
        signals=["snow", "water_level"],
        cells=Cells(
            *(np.array(c) for c in ([0, 0], [0, 1], [0, 1], [23_667_840, 23_667_841], [3, 2], [1, 0], [0.0, 4.5])),
            np.array([np.nan, 2.0]),
            np.array([np.nan, 2.5]),
            np.zeros(2, np.int32),
        ),
        quality=[model.Quality("raw.hotline/0", "hotline", "late", 1)],
    ),
    "finding": model.Finding(
        "01", 7, 0, 3600, "0101", "snow", False, 1e-9, 3.6e12, 3.6e12, 82.5, "red", (EVIDENCE,), "Snow: 37.", ("batch_entry",), "v1"
    ),
    "closed": model.Closed("01", 3600, 8, ("snow",)),
    "command": model.Command("c-1", 5, "officer-3", "acknowledge", '{"alert":"a"}'),
    "tick": model.Tick(12),
    "transition": model.Transition(
        "a1", 0, 3600, 0, "0101", ("snow",), "none", "open", "raised", "red", 82.5, 3.6e12, True, why="Snow: 37.", config_version="v1"
    ),
}

GROWN = {"transition": "what"}
"""Kinds that have a field more than in their first form, which is read as one that leaves it empty."""

columns = st.integers(0, 20).flatmap(
    lambda size: st.builds(
        Cells,
        *(st.lists(st.integers(0, 2), min_size=size, max_size=size).map(np.array) for _ in range(3)),
        *(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=size, max_size=size).map(np.array) for _ in range(3)),
        *(st.lists(st.floats(allow_infinity=False), min_size=size, max_size=size).map(np.array) for _ in range(3)),
        st.lists(st.sampled_from([0, 0, 0, 23_667_900]), min_size=size, max_size=size).map(np.array),
    )
)


@pytest.mark.parametrize("kind", SAMPLES)
def test_bytes_of_every_record_kind_stay_as_they_were_first_written(kind: str) -> None:
    written = (GOLDEN / f"{kind}.{GROWN.get(kind, 'v1')}.bin").read_bytes()
    assert encode(SAMPLES[kind]) == written, f"the codec changed: a new version is needed, golden/{kind}.v1.bin must go on being readable"
    assert decode(written) == SAMPLES[kind]
    assert decode((GOLDEN / f"{kind}.v1.bin").read_bytes()) == SAMPLES[kind]


def test_every_journal_record_kind_has_a_golden_file() -> None:
    kinds = {t.__struct_config__.tag for t in (model.Counts, model.Finding, model.Closed, model.Command, model.Tick, model.Transition)}
    assert kinds == set(SAMPLES) == {path.name.split(".")[0] for path in GOLDEN.glob("*.v1.bin")}


def test_bytes_of_counts_with_late_events_stay_as_they_were_first_written() -> None:
    cells = unpack(SAMPLES["counts"])._replace(heard=np.array([0, 23_667_900], np.int32))  # type: ignore[arg-type]
    spans, words = SAMPLES["counts"].spans, (SAMPLES["counts"].areas, SAMPLES["counts"].signals)  # type: ignore[union-attr]
    late = pack(rollup=False, config_hash="c0ffee", spans=spans, areas=words[0], signals=words[1], cells=cells)
    written = (GOLDEN / "counts.late.bin").read_bytes()
    assert encode(late) == written
    assert unpack(decode(written)).heard.tolist() == [0, 23_667_900]  # type: ignore[arg-type]


def test_counts_written_before_late_events_stood_apart_have_none() -> None:
    before = msgspec.msgpack.decode((GOLDEN / "counts.v1.bin").read_bytes()[1:])
    assert "heard" not in before
    record = decode((GOLDEN / "counts.v1.bin").read_bytes())
    assert unpack(record).heard.tolist() == [0, 0]  # type: ignore[arg-type]


@given(columns)
def test_columns_come_back_as_they_went_in(cells: Cells) -> None:
    counts = pack(rollup=True, config_hash="", spans=[_span(i) for i in range(3)], areas="abc", signals="xyz", cells=cells)
    back = unpack(decode(encode(counts)))  # type: ignore[arg-type]
    levels = bool(np.any(~np.isnan(cells.least)))
    for name, before, after in zip(Cells._fields, cells, back, strict=True):
        if levels or name not in {"total", "least", "most"}:
            np.testing.assert_array_equal(before, after)


@given(
    st.builds(model.Tick, st.integers(0, 2**40))
    | st.builds(model.Command, *(st.text() if i != 1 else st.integers(0, 2**40) for i in range(5)))
)
def test_encode_decode_is_the_identity(record: model.Tick | model.Command) -> None:
    assert decode(encode(record)) == record


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_a_codec_error_or_a_record(data: bytes) -> None:
    try:
        record = decode(data)
    except CodecError:
        return
    assert isinstance(record, msgspec.Struct)


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"", "empty"), (b"\x63abc", "version 99"), (b"\x01\xc1", "damaged"), (encode(SAMPLES["tick"])[:-1], "damaged")],
)
def test_what_is_not_a_record_is_refused(data: bytes, says: str) -> None:
    with pytest.raises(CodecError, match=says):
        decode(data)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"n": b"\0\0\0\0"}, "unequal length"),
        ({"areas": ("0101",)}, "area column points outside"),
        ({"spans": ()}, "span column points outside"),
    ],
)
def test_counts_with_broken_columns_are_refused(change: dict[str, object], says: str) -> None:
    broken = msgspec.structs.replace(SAMPLES["counts"], **change)  # type: ignore[type-var]
    with pytest.raises(CodecError, match=says):
        decode(encode(broken))  # type: ignore[arg-type]


def test_no_cells_is_a_record_too() -> None:
    assert len(unpack(pack(rollup=False, config_hash="", spans=[], areas=[], signals=[], cells=empty())).n) == 0


def _span(i: int) -> model.Span:
    return model.Span(f"raw.s/{i}", "s", 0, 1, 0, 0)
