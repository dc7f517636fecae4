from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from streams.core.intake import Intake, Raw
from streams.core.lot import TOO_OLD_S
from streams.model import DAY_S, REASONS, Area
from streams.settings import AreaPaths
from tests.streams.core.intake_city import (
    AREAS,
    CITY,
    KEY,
    OPEN311,
    T0,
    call,
    cells,
    fine,
    intake,
    ns,
    quality,
    raws,
    reasons,
    take,
    with_source,
)


def test_a_call_becomes_a_cell_of_its_area_and_one_of_its_district():
    folded = take([call(1), call(2), call("3", T0 + 3, "leak", "10201.0")])
    districts, city = folded.counts
    minute = T0 // 60
    assert cells([districts]) == {("10101", "noise", minute): (2, 0), ("10201", "water", minute): (1, 0)}
    assert cells([city]) == {("0101", "noise", minute): (2, 0), ("102", "water", minute): (1, 0)}
    assert (districts.rollup, city.rollup) == (False, True)
    assert districts.config_hash == city.config_hash == "c0ffee"
    assert districts.spans == city.spans
    (span,) = districts.spans
    assert (span.raw, span.source, span.from_offset, span.to_offset, span.idle) == ("raw.hotline/0", "hotline", 0, 3, False)
    assert (span.newest_s, span.watermark_s) == (T0 + 3, T0 + 3 - 300)
    assert folded.rejected == ()


def test_a_flat_city_rolls_nothing_up():
    (only,) = take([call(1)], city=replace(CITY, flat=True)).counts
    assert not only.rollup


def test_nothing_taken_is_nothing_said():
    one = intake()
    assert one.position("hotline", 0) == 0
    folded = one.apply("hotline", 0, [])
    assert (folded.counts, folded.rejected, folded.digests) == ((), (), ())
    first = one.apply("hotline", 0, raws([call(1)]))
    again = one.apply("hotline", 0, raws([call(1)]))
    assert (again.counts, again.state) == ((), first.state)
    with pytest.raises(KeyError):
        one.apply("nobody", 0, [])


BAD = [
    (b"{", "not_json"),
    (b"\xff\x00", "not_json"),
    (b"[" * 500, "too_large"),
    (b'{"x":' + b"[" * 100 + b"]" * 100 + b"}", "too_large"),
    (json.dumps(call(1, note="x" * 70_000)).encode(), "too_large"),
    ([call(1), call(2)], "not_an_object"),
    ("text", "not_an_object"),
    (call(1, None), "missing_time"),
    (call(1, {}), "missing_time"),
    (call(1, ""), "missing_time"),
    (call(1, "today"), "bad_time"),
    (call(1, -5), "bad_time"),
    (call(1, T0 * 1000), "bad_time"),
    (call(1, T0 + 5 + 31), "future_time"),
    (call(1, "2999-01-01 00:00:00"), "future_time"),
    (call(1, "9999-12-31T23:59:59Z"), "future_time"),
    (call(None), "missing_id"),
    (call(""), "missing_id"),
    (call({"a": 1}), "missing_id"),
    (call(True), "missing_id"),
    (call(1, kind="unheard of"), "unknown_category"),
    (call(1, kind=None), "unknown_category"),
    (call(1, kind=["loud"]), "unknown_category"),
    (call(1, kind="petition"), "excluded_category"),
    (call(1, code="999"), "unknown_area"),
    (call(1, code=None), "unknown_area"),
    (call(1, code=None, lat=50, lon=50), "unknown_area"),
    (call(1, code=None, lat="north", lon=0.3), "unknown_area"),
    (call(1, code=None, lat=0.3), "unknown_area"),
    (call(1, code=None, address="2 Main St"), "unknown_area"),
]


@pytest.mark.parametrize("record, reason", BAD, ids=[f"{i}-{reason}" for i, (_, reason) in enumerate(BAD)])
def test_a_bad_record_is_rejected_and_the_next_one_counts(record: object, reason: str):
    assert reason in REASONS
    folded = take([record, call("good")])
    (bad,) = folded.rejected
    assert (bad.reason, bad.source, bad.raw, bad.offset, bad.at_s) == (reason, "hotline", "raw.hotline/0", 0, T0 + 5)
    assert len(bad.digest) == 16
    assert quality(folded) == {reason: 1}
    assert ns(folded) == {("10101", "noise"): 1}
    assert fine(folded).spans[0].to_offset == 2


def test_nothing_but_rejected_records_still_moves_positions_and_time():
    folded = take([call(1, T0, "petition"), b"{", call(2, T0 + 2, "unheard of")])
    assert [cells([counts]) for counts in folded.counts] == [{}, {}]
    (span,) = fine(folded).spans
    assert (span.to_offset, span.newest_s, span.watermark_s) == (3, T0 + 2, T0 - 298)


def test_the_order_of_places_is_code_library_point():
    west, east = {"lat": 0.3, "lon": 0.3}, {"lat": "0.1", "lon": "1.1"}
    folded = take([
        call(1, code="10201", address="1 Main St", **west),
        call(2, code="unknown", address=" 1 MAIN st ", **east),
        call(3, code="", address="unknown", **east),
        call(4, code=102.0),
        call(5, code=None, lat=0.9, lon=0.9),
    ])  # fmt: skip
    assert ns(folded) == {("10201", "noise"): 2, ("10101", "noise"): 1, ("102", "noise"): 1, ("0101", "noise"): 1}


def test_an_area_is_taken_as_it_was_at_the_events_time():
    over_s = T0 + DAY_S
    folded = take([call(1, over_s - 1, code="10202"), call(2, over_s, code="10202")], append_s=over_s)
    assert ns(folded) == {("10202", "noise"): 1, ("102", "noise"): 1}
    young = replace(CITY, areas=tuple(replace(area, valid_from_s=T0) for area in AREAS))
    assert reasons(take([call(1, T0 - 1), call(2, T0)], city=young)) == ["unknown_area"]


def test_a_record_without_a_place_may_have_a_default():
    area = replace(CITY.sources["hotline"].area, default="100", placeholders=((0.5, 0.75),))
    city = with_source("hotline", area=area)
    folded = take([
        call(1, code=None), call(2, code="", lat=0.5, lon="0.75"), call(3, code="", lat=0.5, lon=0.76),
        call(4, code="777"), call(5, code=None, lat=9, lon=9), call(6, code=None, lat="x", lon=0.5), call(7, code="777", lat=0.5, lon=0.75),
    ], city=city)  # fmt: skip
    assert ns(folded) == {("100", "noise"): 2, ("0101", "noise"): 1}
    assert reasons(folded) == ["unknown_area"] * 4


def test_a_resent_record_counts_once():
    one = intake()
    first = one.apply("hotline", 0, raws([call("a"), call("b"), call("a")]))
    second = one.apply("hotline", 0, raws([call("b"), call("c")], first=3))
    assert [ns(first), ns(second)] == [{("10101", "noise"): 2}, {("10101", "noise"): 1}]
    assert quality(first, second) == {"duplicate": 2}
    assert first.rejected == second.rejected == ()


def test_a_duplicate_is_one_within_so_many_offsets():
    one = intake(dedupe_offsets=3)
    folded = one.apply("hotline", 0, raws([call(i, T0 + ord(i)) for i in "abcadeb"], append_s=T0 + 200))
    assert quality(folded) == {"duplicate": 1}
    gap = one.apply("hotline", 0, [Raw(9, T0 + 200, json.dumps(call("e", T0 + ord("e"))).encode())])
    assert quality(gap) == {}


def test_a_rejected_record_sent_again_is_judged_again():
    assert reasons(take([call("a", code="777"), call("a", code="777"), call("a")])) == ["unknown_area"] * 2


def test_an_id_is_the_same_written_as_number_or_text_and_its_parts_do_not_run_together():
    assert quality(take([call(7), call("7"), call(7.0)])) == {"duplicate": 2}
    city = with_source("hotline", id=("no", "part"))
    assert quality(take([call("ab", part="c"), call("a", part="bc"), call("ab", part="c")], city=city)) == {"duplicate": 1}


def test_partitions_and_sources_do_not_meet():
    one = intake()
    one.apply("hotline", 0, raws([call("a")]))
    other = one.apply("hotline", 1, raws([call("a")]))
    assert ns(other) == {("10101", "noise"): 1}
    assert fine(other).spans[0].raw == "raw.hotline/1"
    assert (one.position("hotline", 0), one.position("hotline", 1), one.position("open311", 0)) == (1, 1, 0)


# The watermark is min(newest event, append time) - 300 s, record by record.
#   event   +0   +200  +100  +29  (append +5 throughout)
def test_time_goes_no_further_than_the_logs_own_and_never_back():
    one = intake()
    marks = []
    for offset, (at_s, append_s) in enumerate([(0, 500), (600, 500), (100, 700), (529, 500), (531, 500), (9999, 500), (700, 690)]):
        folded = one.apply("hotline", 0, [Raw(offset, T0 + append_s, json.dumps(call(offset, T0 + at_s)).encode())])
        (span,) = fine(folded).spans
        marks.append((span.newest_s - T0, span.watermark_s - T0, [*quality(folded)]))
    assert marks == [
        (0, -300, []),
        (0, -300, ["future_time"]),  # 600 is more than 30 s after 500
        (100, -200, []),
        (529, 200, []),
        (529, 200, ["future_time"]),
        (529, 200, ["future_time"]),
        (700, 390, []),
    ]


def test_late_events_count_and_are_counted_late():
    one = intake()
    folded = one.apply("hotline", 0, raws([call(1), call(2, T0 - 300), call(3, T0 - 301), call(4, T0 - 90_000)]))
    assert quality(folded) == {"late": 2}
    assert sum(ns(folded).values()) == 4


def test_history_may_be_replayed_and_what_is_far_behind_its_partition_is_too_old():
    old_s = T0 - 20 * 365 * DAY_S
    assert reasons(take([call(1, old_s), call(2, old_s + 9)])) == []
    assert reasons(take([call(1), call(2, T0 - TOO_OLD_S), call(3, T0 - TOO_OLD_S - 1)])) == ["too_old"]


def test_an_idle_partition_says_so_and_is_bound_by_it():
    one = intake()
    one.apply("hotline", 0, raws([call(1)]))
    idle = one.idle("hotline", 0, T0 + 600)
    districts, city = idle.counts
    (span,) = districts.spans
    assert (districts.rollup, city.rollup, city.spans) == (False, True, (span,))
    assert (cells(idle.counts), idle.rejected, idle.digests) == ({}, (), ())
    assert (span.from_offset, span.to_offset, span.watermark_s, span.newest_s, span.idle) == (1, 1, T0 + 600, T0, True)
    assert one.idle("hotline", 0, T0).counts[0].spans[0].watermark_s == T0 + 600
    resumed = one.apply("hotline", 0, raws([call(2, T0 + 599), call(3, T0 + 600)], first=1, append_s=T0 + 700))
    assert quality(resumed) == {"late": 1}
    (span,) = fine(resumed).spans
    assert (span.watermark_s, span.idle) == (T0 + 600, False)


def test_a_withdrawn_call_is_taken_back_once_at_its_own_time():
    one = intake()
    first = one.apply("hotline", 0, raws([call("a"), call("b")]))
    back = one.apply("hotline", 0, raws([call("a", state="withdrawn"), call("a", state="void"), call("b", state="open")], first=2))
    assert cells([fine(back)]) == {("10101", "noise", T0 // 60): (-1, 0)}
    assert quality(first, back) == {"correction": 1, "duplicate": 2}
    assert cells([*first.counts[:1], *back.counts[:1]]) == {("10101", "noise", T0 // 60): (1, 0)}


def test_a_reclassified_call_moves_from_one_signal_to_the_other_once():
    moved = call("a", kind="leak", before="loud")
    folded = take([call("a"), moved, moved, call("a", kind="leak")])
    assert ns(folded) == {("10101", "noise"): 0, ("10101", "water"): 1}
    assert quality(folded) == {"correction": 1, "duplicate": 2}


@pytest.mark.parametrize(
    "more, expected",
    [
        ({"kind": "loud", "before": "loud"}, {("10101", "noise"): 1}),  # nothing changed
        ({"kind": "loud", "before": ""}, {("10101", "noise"): 1}),
        ({"kind": "loud", "before": "petition"}, {("10101", "noise"): 1}),  # was never counted
        ({"kind": "petition", "before": "loud"}, {("10101", "noise"): -1}),  # is counted no more
        ({"kind": "unheard of", "before": "loud"}, {}),
    ],
)
def test_reclassifying_to_and_from_what_is_not_counted(more: dict[str, str], expected: dict[tuple[str, str], int]):
    folded = take([call("a", **more)])
    assert ns(folded) == expected
    assert reasons(folded) == ([] if expected else ["unknown_category"])


def test_many_entered_at_one_second_are_a_batch_from_the_fifth_on():
    typed = [call(i, T0 - 60 * (i % 3), typed=T0) for i in range(7)]
    others = [call(f"w{i}", kind="leak", typed=T0) for i in range(4)] + [call("x", typed=T0 + 1), call("y", T0 + 2, typed="?")]
    folded = take([*typed, *others])
    assert quality(folded) == {"batch_entry": 3}
    found = cells([fine(folded)])
    assert (sum(row[0] for row in found.values()), sum(row[1] for row in found.values())) == (13, 3)
    assert cells([folded.counts[1]])["0101", "noise", T0 // 60][1] == 1


def test_without_a_time_of_entry_the_events_own_tells():
    folded = take([call(i) for i in range(6)], city=with_source("hotline", entry=""))
    assert quality(folded) == {"batch_entry": 2}


def test_a_correction_is_no_batch_entry():
    assert quality(take([call(i, state="void") for i in range(9)])) == {"correction": 9}


def test_a_heartbeat_counts_what_is_heard():
    city = with_source("hotline", heartbeat=True)
    folded = take([call(1), call(2), call(2), call(3, kind="petition"), call(1, state="void")], city=city)
    assert ns(folded) == {("10101", "noise"): 1, ("10101", "feed.hotline"): 3}
    assert ("0101", "feed.hotline", T0 // 60) in cells([folded.counts[1]])


def request(number: str, **more: object) -> dict[str, object]:
    return {
        "service_request_id": number, "status": "open", "service_code": "001", "requested_datetime": "2023-11-14T17:14:00-05:00",
        "updated_datetime": "2023-11-14T17:20:00-05:00", "lat": 0.3, "long": 0.3, "address": "1 Main St", "description": "...",
    } | more  # fmt: skip


def test_open311_works_as_the_standard_names_it():
    assert OPEN311.time == "requested_datetime"
    folded = take([request("1"), request("1", status="closed"), request("2", service_code=2), request("3", lat=None)], "open311")
    assert cells([fine(folded)]) == {("10101", "noise", T0 // 60): (1, 0), ("10101", "water", T0 // 60): (1, 0)}
    assert quality(folded) == {"duplicate": 1, "unknown_area": 1}
    assert reasons(take([[request("1")]], "open311")) == ["not_an_object"]
    assert reasons(take([request("1", requested_datetime="2023-11-14T17:14:00")], "open311")) == ["bad_time"]


def test_a_cloudevent_lends_its_id_and_time():
    bare = {"kind": "loud", "area": {"code": "10101"}}
    event = {"specversion": "1.0", "id": "e", "source": "/a", "type": "t", "time": "2023-11-14T22:14:00Z", "data": bare}
    own = {**event, "data": call("n", T0 + 1)}
    folded = take([event, event, {**event, "source": "/b"}, {**own}, call("n", T0 + 1)])
    assert ns(folded) == {("10101", "noise"): 3}
    assert quality(folded) == {"duplicate": 2}
    headers = (("ce_specversion", b"1.0"), ("ce_id", b"e"), ("ce_source", b"/a"), ("ce_time", b"2023-11-14T22:14:00Z"))
    one = intake()
    one.apply("hotline", 0, raws([event]))
    binary = one.apply("hotline", 0, [Raw(1, T0 + 5, json.dumps(bare).encode(), headers)])
    assert quality(binary) == {"duplicate": 1}
    assert reasons(take([{**event, "id": None}, {**event, "time": None}])) == ["missing_id", "missing_time"]


def test_digests_stand_by_offset():
    one = intake()
    records = [
        Raw(o, T0 + 5, json.dumps(r).encode())
        for o, r in ((10, call("a")), (12, call("b", code="777")), (13, call("a")), (5000, call("b")))
    ]
    folded = one.apply("hotline", 0, records)
    (raw, first, column), (_, second, rest) = folded.digests
    assert (raw, first, second) == ("raw.hotline/0", 10, 5000)
    digests = [int.from_bytes(column[i : i + 8], "little") for i in range(0, len(column), 8)]
    assert digests == [digests[0], 0, 0, digests[0]]
    assert digests[0]
    assert len(rest) == 8
    assert fine(folded).spans[0].from_offset == 10


def test_settings_that_contradict_themselves_are_refused():
    with pytest.raises(ValueError, match="a value and an object at once"):
        intake(with_source("hotline", category="area"))
    with pytest.raises(ValueError, match="random bytes"):
        Intake(CITY, b"short")
    with pytest.raises(ValueError, match="exactly one area"):
        intake(replace(CITY, areas=(*AREAS, Area("9", "x", 0, None))))


def test_a_source_may_have_several_paths_for_a_place():
    city = with_source("hotline", area=AreaPaths(code=("fine", "coarse")))
    folded = take([call(1, fine="10101", coarse="102"), call(2, fine="?", coarse=102), call(3, coarse="102")], city=city)
    assert ns(folded) == {("10101", "noise"): 1, ("102", "noise"): 2}


def test_the_key_makes_the_digests():
    one, other = Intake(CITY, KEY, dedupe_offsets=9), Intake(CITY, KEY[::-1], dedupe_offsets=9)
    assert one.apply("hotline", 0, raws([call(1)])).digests != other.apply("hotline", 0, raws([call(1)])).digests
