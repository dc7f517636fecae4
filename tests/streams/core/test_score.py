from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from streams.columns import Cells, empty, pack
from streams.core import held, score
from streams.core.areas import AreaTree
from streams.core.pipeline import Scorer
from streams.core.score import Scored, Shards
from streams.model import DAY_S, HOUR_S, Area, Counts, Finding, Signal, Span
from streams.settings import City, Detection, Planned

AREAS = (
    Area("C", "City", 0, None),
    Area("D1", "North", 1, "C"),
    Area("D2", "South", 1, "C"),
    Area("D1a", "North a", 2, "D1"),
    Area("D1b", "North b", 2, "D1"),
)
SIGNALS = (Signal("fire", "Fire", "fire"), Signal("smoke", "Smoke", "fire"))
DETECTION = Detection(
    durations_s=(HOUR_S, 3 * HOUR_S, DAY_S), history_s=2 * DAY_S, params={"counts": {"blocks_min": 3}}, finding_floor_s=30 * DAY_S
)
CITY = City("c", "C", "UTC", AREAS, {}, SIGNALS, {}, DETECTION, raws=("raw.a/0",), feeds={"fire": ("a",), "smoke": ("a",)})


def record(
    cells: list[tuple[int, str, str, int]], watermark_s: int, *, rollup: bool = False, raw: str = "raw.a/0", batch: int = 0, heard: int = 0
) -> Counts:
    """Cells are (minute, area, signal, n)."""
    areas, signals = sorted({c[1] for c in cells}), sorted({c[2] for c in cells})
    size = len(cells)
    nan = np.full(size, np.nan)
    columns = Cells(
        np.zeros(size, int),
        np.array([areas.index(c[1]) for c in cells], int),
        np.array([signals.index(c[2]) for c in cells], int),
        np.array([c[0] for c in cells], int),
        np.array([c[3] for c in cells], int),
        np.full(size, batch),
        np.zeros(size),
        nan,
        nan,
        np.full(size, heard),
    )
    span = Span(raw, raw[4:-2], 0, size, watermark_s, watermark_s, since_s=1)
    return pack(rollup=rollup, config_hash="", spans=[span], areas=areas, signals=signals, cells=columns if size else empty())


def hours(count: int, seed: int = 0, burst_at: int = -1) -> list[Counts]:
    """One record an hour, districts and roll-up; about one fire an hour in D1a, a burst of 30 in hour ``burst_at``."""
    random = np.random.default_rng(seed)
    out = []
    for hour in range(count):
        n = int(random.poisson(1.0)) + (30 if hour == burst_at else 0)
        mark_s = (hour + 1) * HOUR_S
        out.append(record([(hour * 60 + 7, "D1a", "fire", n)] if n else [], mark_s))
        out.append(record([(hour * 60 + 7, "D1", "fire", n)] if n else [], mark_s, rollup=True))
    return out


def run(scorer: Scorer, records: list[Counts]) -> Scored:
    parts = [scorer.apply(r) for r in records]
    return Scored(*(tuple(x for part in parts for x in getattr(part, name)) for name in Scored.__struct_fields__))


def test_a_burst_is_found_in_its_leaf_and_in_every_area_above() -> None:
    found = run(Scorer(CITY), hours(8 * 24, burst_at=7 * 24 + 3)).findings
    of_burst = [f for f in found if f.window_start_s == (7 * 24 + 3) * HOUR_S]
    assert {f.area for f in of_burst} == {"C", "D1", "D1a"}
    assert {f.shard for f in of_burst} == {"C", "D1"}
    assert all(f.signal == "fire" and f.recurrence_s > 30 * DAY_S and f.evidence for f in of_burst)
    assert "in the last hour" in of_burst[0].why


def test_nothing_is_found_before_history_suffices_and_nothing_in_calm() -> None:
    assert not run(Scorer(CITY), hours(8 * 24)).findings
    assert not run(Scorer(CITY), hours(2 * 24, burst_at=30)).findings


def test_every_shard_closes_every_window_once_in_order_and_numbers_without_a_gap() -> None:
    out = run(Scorer(CITY), hours(8 * 24, burst_at=7 * 24))
    for shard in ("C", "D1", "D2"):
        ends = [c.window_end_s for c in out.closed if c.shard == shard]
        assert ends == [(i + 1) * HOUR_S for i in range(8 * 24)]
        numbers = [f.number for f in out.findings if f.shard == shard]
        assert numbers == list(range(len(numbers)))


@settings(max_examples=6)
@given(st.integers(0, 8 * 48 - 1))
def test_a_crash_anywhere_changes_nothing(cut: int) -> None:
    records = hours(8 * 24, burst_at=7 * 24 + 3)
    whole = run(Scorer(CITY), records)
    first = Scorer(CITY)
    before = run(first, records[:cut])
    second = Scorer(CITY)
    second.restore(first.snapshot())
    run(first, records[cut:])  # the first one goes on: the snapshot must not notice
    after = run(second, records[cut:])
    for name in Scored.__struct_fields__:
        assert getattr(before, name) + getattr(after, name) == getattr(whole, name)


@settings(max_examples=6)
@given(st.lists(st.integers(1, 5), min_size=60, max_size=60))
def test_closed_windows_do_not_depend_on_how_counts_were_cut(sizes: list[int]) -> None:
    records = hours(7 * 24, burst_at=6 * 24 + 3)
    whole = run(Scorer(CITY), records)
    merged: list[Counts] = []
    districts, at = records[::2], 0
    for size in [*sizes, *([5] * len(records))]:
        part = districts[at : at + size]
        if not part:
            break
        merged.append(_together(part, rollup=False))
        merged.append(_together(records[1::2][at : at + size], rollup=True))
        at += size
    again = run(Scorer(CITY), merged)
    assert _settled(again.findings) == _settled(whole.findings)
    assert sorted(map(msgspec.json.encode, again.scores)) == sorted(map(msgspec.json.encode, whole.scores))


def test_what_a_shard_says_does_not_depend_on_who_is_hosted_with_it() -> None:
    tree = AreaTree(AREAS)
    together = Shards(CITY, ("D1", "D2"), tree)
    alone = [Shards(CITY, (name,), tree) for name in ("D1", "D2")]
    for r in hours(8 * 24, burst_at=7 * 24 + 3)[::2]:
        both, parts = together.apply(r), [shards.apply(r) for shards in alone]
        for name in Scored.__struct_fields__:
            assert getattr(both, name) == getattr(parts[0], name) + getattr(parts[1], name)
    assert parts[0].closed


def test_an_early_finding_comes_before_the_window_closes_and_is_confirmed() -> None:
    calm = hours(7 * 24)
    scorer = Scorer(CITY)
    run(scorer, calm)
    # open window:  [7d 00:00 ---- 6 fires at :07 ---- 01:00)   watermark stands at 7d 00:00
    now_s = 7 * DAY_S
    early = scorer.apply(record([(now_s // 60 + 7, "D1a", "fire", 6)], now_s + 60)).findings
    assert {(f.area, f.early) for f in early} == {("D1", True), ("D1a", True)}
    assert {f.at_s for f in early} == {now_s + 60}
    again = scorer.apply(record([(now_s // 60 + 8, "D1a", "fire", 1)], now_s + 120)).findings
    assert again == ()  # not ten times rarer: nothing new to say
    closed = scorer.apply(record([], now_s + HOUR_S)).findings
    confirmed = {f.area: f for f in closed if not f.early}
    for f in early:
        assert confirmed[f.area].window_start_s == f.window_start_s
        assert confirmed[f.area].recurrence_s >= f.recurrence_s


def test_a_window_waits_for_every_raw_partition() -> None:
    city = msgspec.structs.replace(CITY, raws=("raw.a/0", "raw.b/0"))
    scorer = Scorer(city)
    assert scorer.apply(record([], 10 * HOUR_S)).closed == ()
    closed = scorer.apply(record([], 5 * HOUR_S, raw="raw.b/0")).closed
    assert {c.shard for c in closed} <= set(scorer.shards)
    assert max((c.window_end_s for c in closed), default=5 * HOUR_S) == 5 * HOUR_S
    more = scorer.apply(record([], 7 * HOUR_S, raw="raw.b/0")).closed
    assert {c.window_end_s for c in more} == {6 * HOUR_S, 7 * HOUR_S}


def test_a_watermark_never_goes_back() -> None:
    scorer = Scorer(CITY)
    run(scorer, hours(5))
    assert scorer.apply(record([], 2 * HOUR_S)).closed == ()
    assert {c.window_end_s for c in scorer.apply(record([], 6 * HOUR_S)).closed} == {6 * HOUR_S}


def test_late_events_amend_longer_durations_or_are_counted() -> None:
    shard = Shards(CITY, ("D1",), AreaTree(AREAS))
    for r in hours(6 * 24)[::2]:
        shard.apply(r)
    now = 6 * 24 * 60
    shard.apply(record([(now - 90, "D1a", "fire", 20)], 6 * DAY_S))
    found = shard.apply(record([(now + 1, "D1a", "fire", 1)], 6 * DAY_S + HOUR_S)).findings
    assert {e.duration_s for e in found[0].evidence if e.observed >= 20} == {3 * HOUR_S, DAY_S}
    assert (shard.tally.amended, shard.tally.late) == (1, 0)
    shard.apply(record([(60, "D1a", "fire", 20)], 6 * DAY_S))
    shard.apply(record([], 6 * DAY_S + 2 * HOUR_S))
    assert (shard.tally.amended, shard.tally.late) == (1, 1)


def test_a_late_event_amends_when_the_window_it_was_heard_in_closes_though_its_own_is_still_open() -> None:
    # its partition's watermark:  6d 01:30, its minute: 6d 00:10; another partition holds 6d 00:00 open
    shard = Shards(CITY, ("D1",), AreaTree(AREAS))
    for r in hours(6 * 24)[::2]:
        shard.apply(r)
    late = record([(6 * 1440 + 10, "D1a", "fire", 20)], 6 * DAY_S, heard=6 * 1440 + 90)
    assert shard.apply(late).findings == ()
    first = shard.apply(record([], 6 * DAY_S + HOUR_S))
    assert first.findings == () and len(first.closed) == 1
    again = Shards(CITY, ("D1",), AreaTree(AREAS))
    again.restore(shard.snapshot())
    for shards in (shard, again):
        found = shards.apply(record([(6 * 1440 + 61, "D1a", "fire", 1)], 6 * DAY_S + 2 * HOUR_S)).findings
        assert {e.duration_s for e in found[0].evidence if e.observed >= 20} == {3 * HOUR_S, DAY_S}
        assert (shards.tally.amended, shards.tally.late) == (1, 0)


def test_a_late_event_within_the_window_it_was_heard_in_is_part_of_it() -> None:
    scorer = Scorer(CITY)
    run(scorer, hours(7 * 24))
    late = record([(7 * 1440 + 10, "D1a", "fire", 30)], 7 * DAY_S, heard=7 * 1440 + 40)
    assert {f.area for f in scorer.apply(late).findings} == {"D1", "D1a"}
    assert {f.early for f in scorer.apply(record([], 7 * DAY_S + HOUR_S)).findings} == {False}


def test_late_events_on_hold_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "HELD_MAX", 2)
    shard = Shards(CITY, ("D1",), AreaTree(AREAS))
    shard.apply(record([(minute, "D1a", "fire", 1) for minute in (0, 61, 121, 181, 182)], 0, heard=300))
    assert shard.tally.unheld == 3


def test_what_was_entered_in_a_batch_does_not_alarm() -> None:
    scorer = Scorer(CITY)
    run(scorer, hours(7 * 24))
    now_s = 7 * DAY_S
    out = scorer.apply(record([(now_s // 60, "D1a", "fire", 30)], now_s + HOUR_S, batch=29))
    assert out.findings == ()


def test_open_windows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "OPEN_WINDOWS_MAX", 4)
    city = msgspec.structs.replace(CITY, raws=("raw.a/0", "raw.never/0"))
    shard = Shards(city, ("D1",), AreaTree(AREAS))
    for hour in range(10):
        shard.apply(record([(hour * 60, "D1a", "fire", 1)], hour * HOUR_S))
    assert shard.tally.forced > 0
    assert len(shard._open) <= 5


def test_what_is_planned_is_found_with_a_remark_and_hardly_learned() -> None:
    at = 7 * 24 + 3
    planned = (Planned("Race", at * HOUR_S, (at + 1) * HOUR_S, "D1a", ("fire",)),)
    calm, told = Scorer(CITY), Scorer(msgspec.structs.replace(CITY, planned=planned))
    records = hours(9 * 24, burst_at=at)
    before, after = run(calm, records), run(told, records)
    marked = [f for f in after.findings if "planned" in f.flags]
    assert {(f.area, f.signal) for f in marked} == {("D1a", "fire"), ("D1", "fire"), ("C", "fire")}
    assert all(f.why.endswith("Something is planned there.") for f in marked)
    assert {f.area for f in before.findings} == {f.area for f in after.findings}


def test_signals_whose_sources_say_nothing_are_dark() -> None:
    city = msgspec.structs.replace(CITY, raws=("raw.a/0", "raw.b/0"), feeds={"fire": ("a",), "smoke": ("a", "b")})
    scorer = Scorer(city)
    scorer.apply(record([], HOUR_S))
    out = scorer.apply(record([], 20 * HOUR_S, raw="raw.b/0"))
    assert out.closed == () or {c.dark for c in out.closed} == {()}
    span = Span("raw.a/0", "a", 0, 0, 20 * HOUR_S, HOUR_S, idle=True)
    idle = pack(rollup=False, config_hash="", spans=[span], areas=[], signals=[], cells=empty())
    assert {c.dark for c in scorer.apply(idle).closed if c.window_end_s == 20 * HOUR_S} == {("fire",)}


def test_a_snapshot_of_another_configuration_is_refused() -> None:
    other = Scorer(msgspec.structs.replace(CITY, config_version="other"))
    with pytest.raises(ValueError, match="rebuild it from the journal"):
        other.restore(Scorer(CITY).snapshot())


def test_cells_of_unknown_signals_are_counted_and_harm_nothing() -> None:
    shard = Shards(CITY, ("D1",), AreaTree(AREAS))
    shard.apply(record([(0, "D1a", "meteor", 3), (0, "elsewhere", "fire", 1)], HOUR_S))
    assert shard.tally.foreign == 1


def _together(parts: list[Counts], *, rollup: bool) -> Counts:
    cells = []
    for part in parts:
        minutes, n = np.frombuffer(part.minute, "<i4").tolist(), np.frombuffer(part.n, "<i4").tolist()
        cells += [(m, part.areas[0], part.signals[0], k) for m, k in zip(minutes, n, strict=True)]
    return record(cells, parts[-1].spans[0].watermark_s, rollup=rollup)


def _settled(findings: tuple[Finding, ...]) -> list[Finding]:
    closed = [msgspec.structs.replace(f, number=0) for f in findings if not f.early]
    return sorted(closed, key=lambda f: (f.window_end_s, f.shard, f.area, f.signal))


def _since(parts: Counts, since_s: int) -> Counts:
    return msgspec.structs.replace(parts, spans=tuple(msgspec.structs.replace(span, since_s=since_s) for span in parts.spans))


def test_an_event_from_before_time_began_moves_no_shards_first_window() -> None:
    # hours    100        104  105  ...
    #          D2 (late)  [ time begins here: the watermark that the first event set
    tree, since_s = AreaTree(AREAS), 104 * HOUR_S + 3000
    records = [_since(record([(105 * 60, "D1a", "fire", 1), (100 * 60, "D2", "fire", 1)], since_s), since_s)]
    records += [_since(record([(hour * 60, "D1a", "fire", 1)], hour * HOUR_S), since_s) for hour in range(105, 110)]
    together, alone = Shards(CITY, ("D1", "D2"), tree), Shards(CITY, ("D1",), tree)
    said = [[c.window_end_s for r in records for c in shards.apply(r).closed if c.shard == "D1"] for shards in (together, alone)]
    assert said[0] == said[1] == [hour * HOUR_S for hour in range(105, 110)]
    assert (together.tally.late, alone.tally.late) == (1, 0)


def test_what_is_scored_only_to_be_shown_changes_nothing() -> None:
    random = np.random.default_rng(2)
    records = []
    for hour in range(20 * 24):
        n = random.poisson(0.3, 2) + random.poisson(8, 2) * (random.random(2) < 0.02)
        cells = [(hour * 60 + 7, area, "fire", int(k)) for area, k in zip(("D1a", "D2"), n, strict=True) if k]
        records.append(record(cells, (hour + 1) * HOUR_S))
    found = []
    for detection in (
        DETECTION,
        msgspec.structs.replace(DETECTION, score_all=True),
        msgspec.structs.replace(DETECTION, rest_every_s=7 * DAY_S),
    ):
        shards = Shards(msgspec.structs.replace(CITY, detection=detection), ("D1", "D2"), AreaTree(AREAS))
        found.append([f for r in records for f in shards.apply(r).findings])
    assert found[0]
    assert found[0] == found[1] == found[2]


def test_no_early_finding_of_a_window_whose_expectation_is_still_to_be_learned() -> None:
    # days of one window: the one after the next is judged by the block that closes first
    detection = msgspec.structs.replace(
        DETECTION,
        window_s=DAY_S,
        durations_s=(DAY_S, 2 * DAY_S),
        history_s=10 * DAY_S,
        rest_every_s=DAY_S,
        params={"counts": {"blocks_min": 3}},
    )
    shards = Shards(msgspec.structs.replace(CITY, detection=detection), ("D1",), AreaTree(AREAS))
    random = np.random.default_rng(0)
    for day in range(40):
        shards.apply(record([(day * 1440, "D1a", "fire", int(random.poisson(5.0)))], (day + 1) * DAY_S))
    early = [
        {f.window_start_s // DAY_S for f in shards.apply(record([(day * 1440, "D1a", "fire", 100)], 40 * DAY_S)).findings}
        for day in (42, 43, 41, 40)
    ]
    assert early == [set(), set(), {41}, {40}]


def test_a_stray_record_of_long_ago_does_not_begin_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score, "OPEN_WINDOWS_MAX", 100)
    scorer = Scorer(CITY)
    stray = record([(7, "D1a", "fire", 1)], 0)
    late = 1_000_000 * HOUR_S
    scored = run(scorer, [stray, record([(late // 60 + 7, "D1a", "fire", 1)], late + 2 * HOUR_S)])
    assert {closed.window_end_s for closed in scored.closed} == {late + HOUR_S, late + 2 * HOUR_S}


RIVER = structs.replace(
    CITY,
    signals=(structs.replace(SIGNALS[0], detector="river.anomaly.GaussianScorer"), SIGNALS[1]),
    detection=structs.replace(DETECTION, count_detector="river.anomaly.HalfSpaceTrees", params={}),
)


def test_detectors_of_river_score_a_city_side_by_side_and_go_on_from_a_snapshot() -> None:
    records = hours(40 * 24, burst_at=39 * 24 + 3)
    first = Scorer(RIVER)
    before = run(first, records[:-60])
    second = Scorer(RIVER)
    second.restore(first.snapshot())
    whole, after = run(first, records[-60:]), run(second, records[-60:])
    assert after == whole
    found = [f for f in whole.findings if not f.early]
    assert {f.area for f in found} == {"C", "D1", "D1a"}
    assert {(f.signal, f.window_start_s) for f in found} == {("fire", (39 * 24 + 3) * HOUR_S)}
    assert all("in the last hour" in f.why and f.evidence[0].observed > 20 * f.evidence[0].expected for f in found)
    assert len([f for f in before.findings if not f.early]) < 3
