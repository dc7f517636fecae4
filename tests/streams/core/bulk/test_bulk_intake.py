"""Intake in columns says what intake says record by record: of any records, cut in any way, from any state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.core.bulk.entries import BulkEntries
from streams.core.bulk.intake import Block, BulkIntake
from streams.core.intake import Intake, Raw
from streams.model import Area
from streams.settings import derived
from tests.streams.core.intake_city import AREAS, CITY, HOTLINE, KEY, OPEN311, T0, call

FLAT = replace(HOTLINE, area=replace(HOTLINE.area, code=("code", "other_code"), placeholders=((0.3, 0.3),)), heartbeat=True)
TOWN = derived(replace(CITY, sources={"hotline": FLAT, "complaint": OPEN311}))
LIMIT = 5

words = st.sampled_from(["loud", "leak", "petition", "?", "", " loud ", "ЛОУД", "噪声", "l\\u006fud", 7, None, True])
codes = st.sampled_from(["10101", "0101", "101", "10201", "10202", "102", "?", "", " 102", "0102", 102, 10202.0, None])
times = st.integers(-500, 90).map(lambda s: T0 + s) | st.sampled_from([T0 - 10**8, T0 + 10**9, 0, -5, None, "", "soon"])
texts = st.sampled_from(["Z", "+00:00", "-05:00", "+23:59", "", ".5Z", ".123456789+05:30", " Z", "+24:00", "z", ".Z"])
numbers = st.sampled_from([0.3, 0.30, 0.9, 1.1, 1.6, 1.5, 0.5, 5.0, 91.0, -0.0, "0.3", None, "x", 1e-1, 0.1 + 0.2])


@st.composite
def payloads(draw: st.DrawFn) -> bytes:
    """A record of the hotline, plain more often than not."""
    at = draw(times)
    record: dict[str, Any] = {"no": draw(st.sampled_from(["a", "b", "c", "d", " e", "", "f" * 31, "g" * 32, "h" * 130, "ä", 12, None]))}
    record["at"] = stamp(at, draw(texts)) if isinstance(at, int) and draw(st.booleans()) else at
    record["kind"] = draw(words | st.just("loud"))
    for name, values in (
        ("code", codes),
        ("other_code", codes),
        ("address", st.sampled_from(["Main Street 1", "west one", "", "?", None])),
    ):
        if draw(st.booleans()):
            record[name] = draw(values)
    if draw(st.booleans()):
        record |= {"lat": draw(numbers), "lon": draw(numbers)}
    for name, values in (("state", st.sampled_from(["open", "void", " void", 3, ""])), ("before", words)):
        if draw(st.integers(0, 3)) == 0:
            record[name] = draw(values)
    if draw(st.booleans()):
        record["typed"] = draw(st.sampled_from([stamp(T0, ""), stamp(T0 + 1, "Z"), T0, "", "never", None]))
    if draw(st.integers(0, 4)) == 0:
        record["more"] = draw(st.sampled_from([[1, {"a": []}], {"no": "z"}, 'say "so"\\', "\u2028", -0.0, True, None]))
    return bent(draw, json.dumps(record, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, None, None, 1]))).encode())


def bent(draw: st.DrawFn, data: bytes) -> bytes:
    if draw(st.integers(0, 5)):
        return data
    at = draw(st.integers(0, len(data)))
    odd = draw(
        st.sampled_from([b"", b"\xff", b'"', b"\\", b"{}", b",", b"\n", b'"no":"q",', b'"specversion":"1.0",', b"1", b" ", b"\xed\xa0\x80"])
    )
    return data[:at] + odd + data[at + draw(st.integers(0, 2)) :]


def stamp(at_s: int, zone: str) -> str:
    try:
        return datetime.fromtimestamp(at_s, UTC).strftime("%Y-%m-%d %H:%M:%S") + zone
    except (OverflowError, ValueError):
        return "no time"


def both(**more: Any) -> tuple[Intake, BulkIntake]:
    made = Intake(TOWN, KEY, **more), BulkIntake(TOWN, KEY, **more)
    for machine in made:
        for source in TOWN.sources:
            part = machine._partition(source, 0)
            part.entries = BulkEntries(machine._fold.signals, LIMIT) if isinstance(part.entries, BulkEntries) else type(part.entries)(LIMIT)
    return made


def records_of(found: list[bytes], gaps: list[int]) -> list[Raw]:
    offset, out = 0, []
    for i, payload in enumerate(found):
        offset += gaps[i % len(gaps)]
        headers = (("ce_specversion", b"1.0"), ("ce_id", b"x")) if i % 11 == 7 else ()
        out.append(Raw(offset, T0 + i % 40, payload, headers))
    return out


@given(
    st.lists(payloads(), max_size=40),
    st.lists(st.sampled_from([1, 1, 1, 2, 3, 7, 5000]), min_size=1, max_size=5),
    st.lists(st.integers(1, 12), min_size=1, max_size=4),
    st.sampled_from([3, 7, 2_000]),
    st.booleans(),
)
def test_it_says_the_same(found: list[bytes], gaps: list[int], cuts: list[int], dedupe: int, deltas: bool) -> None:
    plain, bulk = both(dedupe_offsets=dedupe, batch_entry_min=2, deltas=deltas)
    raws, at, turn = records_of(found, gaps), 0, 0
    while at < len(raws):
        part = raws[at : at + cuts[turn % len(cuts)]]
        assert bulk.apply_block("hotline", 0, Block.of(part)) == plain.apply("hotline", 0, part)
        at, turn = at + len(part), turn + 1
    assert bulk.position("hotline", 0) == plain.position("hotline", 0)


def test_plain_records_are_taken_in_columns() -> None:
    _, bulk = both()
    reader = bulk._bulk_reader("hotline")
    assert reader is not None
    raws = [json.dumps({"no": str(i), "at": stamp(T0, "Z"), "kind": "loud", "code": "10101"}).encode() for i in range(50)]
    assert reader.read(raws, T0).plain.all()
    assert not reader.read(raws, T0 - 1).plain.any()


def test_what_stands_in_objects_is_taken_one_by_one() -> None:
    bulk = BulkIntake(CITY, KEY)
    assert bulk._bulk_reader("hotline") is None
    raws = [Raw(i, T0, json.dumps(call(i, T0, "loud", "10101")).encode()) for i in range(3)]
    assert bulk.apply_block("hotline", 0, Block.of(raws)) == Intake(CITY, KEY).apply("hotline", 0, raws)


def test_it_goes_on_from_what_was_kept_by_the_other() -> None:
    plain, bulk = both(dedupe_offsets=100)
    raws = [Raw(i, T0, json.dumps({"no": str(i % 30), "at": T0, "kind": "loud", "code": "102"}).encode()) for i in range(60)]
    first = plain.apply("hotline", 0, raws[:40])
    bulk.restore(first.state, first.digests)
    assert bulk.apply_block("hotline", 0, Block.of(raws[40:])) == plain.apply("hotline", 0, raws[40:])
    again = bulk.apply_block("hotline", 0, Block.of(raws))
    assert not again.counts, "what was taken before is passed over"


def test_a_pile_beyond_the_bound_is_not_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.core.bulk.intake.BYTES_MAX", 10)
    plain, bulk = both()
    raws = [Raw(i, T0, json.dumps({"no": str(i), "at": T0, "kind": "loud", "code": "102"}).encode()) for i in range(5)]
    assert bulk.apply_block("hotline", 0, Block.of(raws)) == plain.apply("hotline", 0, raws)


def test_an_area_that_ended_stands_for_the_one_above_it() -> None:
    plain, bulk = both()
    assert any(area.valid_to_s for area in AREAS if isinstance(area, Area))
    day = [T0 + hour * 3600 for hour in range(0, 60, 5)]
    raws = [
        Raw(i, at_s, json.dumps({"no": str(i), "at": f"{stamp(at_s, 'Z')}", "kind": "leak", **place}).encode())
        for i, (at_s, place) in enumerate((at_s, place) for at_s in day for place in ({"code": "10202"}, {"lat": 0.1, "lon": 1.6}))
    ]
    folded = bulk.apply_block("hotline", 0, Block.of(raws))
    assert folded == plain.apply("hotline", 0, raws)
    assert {"10202", "102"} <= {*folded.counts[0].areas}


def test_more_months_than_keys_are_kept_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.core.bulk.reader._STATES_MAX", 2)
    plain, bulk = both()
    raws = [
        Raw(i, T0, json.dumps({"no": str(i % 20), "at": stamp(T0 - (i % 10) * 35 * 86_400, "Z"), "kind": "loud", "code": "102"}).encode())
        for i in range(60)
    ]
    for part in (raws[:1], raws[1:30], raws[30:]):
        assert bulk.apply_block("hotline", 0, Block.of(part)) == plain.apply("hotline", 0, part)


def test_a_source_without_a_category_is_taken_one_by_one() -> None:
    town = derived(replace(TOWN, sources={"hotline": replace(FLAT, category="", categories={"*": "noise"})}))
    raws = [Raw(i, T0, json.dumps({"no": str(i), "at": stamp(T0, "Z"), "code": "102"}).encode()) for i in range(3)]
    assert BulkIntake(town, KEY).apply_block("hotline", 0, Block.of(raws)) == Intake(town, KEY).apply("hotline", 0, raws)


def test_a_path_that_means_an_envelope_is_left_to_the_parser() -> None:
    town = derived(replace(TOWN, sources={"hotline": replace(FLAT, entry="specversion")}))
    raws = [
        Raw(i, T0, json.dumps({"no": str(i), "at": stamp(T0, "Z"), "kind": "loud", "code": "102", "specversion": "1.0"}).encode())
        for i in range(3)
    ]
    assert BulkIntake(town, KEY).apply_block("hotline", 0, Block.of(raws)) == Intake(town, KEY).apply("hotline", 0, raws)


def test_moments_of_entry_of_a_signal_that_is_no_more_are_let_go_by_both() -> None:
    plain, _ = both()
    raws = [Raw(i, T0, json.dumps({"no": str(i), "at": stamp(T0, "Z"), "kind": "loud", "code": "102"}).encode()) for i in range(9)]
    kept = plain.apply("hotline", 0, raws[:4])
    fewer = derived(replace(TOWN, sources={"hotline": replace(FLAT, categories={"loud": "water"})}, signals=TOWN.signals[1:]))
    machines = Intake(fewer, KEY), BulkIntake(fewer, KEY)
    for machine in machines:
        machine.restore(kept.state, kept.digests)
    assert machines[1].apply_block("hotline", 0, Block.of(raws[4:])) == machines[0].apply("hotline", 0, raws[4:])


def test_fractions_of_the_last_second_of_the_calendar_are_read_alike() -> None:
    plain, bulk = both()
    for at in ("2600-01-01T00:00:00.999999Z", "9999-12-31T23:59:59.999999Z"):
        raws = [
            Raw(plain.position("hotline", 0), 2**40, json.dumps({"no": at, "at": at, "typed": at, "kind": "loud", "code": "102"}).encode())
        ]
        assert bulk.apply_block("hotline", 0, Block.of(raws)) == plain.apply("hotline", 0, raws)


def test_what_is_kept_of_compiled_code_may_be_damaged(tmp_path: Path) -> None:
    code = "from tests.streams.core.bulk.test_bulk_intake import both; both(); from streams.core.bulk import jit; print(jit._FOLDER)"
    run = partial(subprocess.run, [sys.executable, "-c", code], capture_output=True, text=True, check=True)
    environ = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[4])}
    folder = Path(run(env=environ).stdout.split()[-1])
    assert folder.is_relative_to(tmp_path)
    kept = [path for path in folder.rglob("*.nb?") if path.stat().st_size]
    assert kept
    for path in kept:
        path.write_bytes(b"")
    assert run(env=environ).stdout.split()[-1] == str(folder)
