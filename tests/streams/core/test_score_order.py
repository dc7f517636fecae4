"""Scores of closed windows follow from each raw partition by itself: not from how partitions interleave, how their records are
cut into flushes, or how many partitions the counts journal has.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.core.clock import Clock
from streams.core.intake import Intake, Raw
from streams.core.partitions import Cut, merged, spread
from streams.core.pipeline import Scorer
from streams.core.shard import shards_of
from streams.model import DAY_S, HOUR_S, Area, Counts, Signal, Span
from streams.settings import AreaPaths, City, Detection, Lifecycle, Reading, Source, derived

KEY = bytes(range(32))
DAYS = 6
LATENESS_S = 600
AREAS = (
    Area("c", "City", 0, None),
    *(Area(f"d{i}", f"D{i}", 1, "c") for i in range(3)),
    *(Area(f"d{i}{x}", f"D{i} {x}", 2, f"d{i}") for i in range(3) for x in "ab"),
)
LEAVES = tuple(area.code for area in AREAS if area.level == 2)
SIGNALS = (
    Signal("fire", "Fire", "fire"),
    Signal("flood", "Flooding", "floods"),
    Signal("water", "Water", "floods", kind="level", limit_high=50.0),
)
PLACE = AreaPaths(code=("area",))
CALLS = Source(
    "hotline", ("no",), "at", PLACE, category="kind", categories={"fire": "fire", "flood": "flood"},
    allowed_lateness_s=LATENESS_S, partitions=2,
)  # fmt: skip
GAUGES = Source(
    "camera", ("no",), "at", PLACE, readings=(Reading("gauge", "water", "level"),), allowed_lateness_s=LATENESS_S, heartbeat=True
)
CITY = derived(
    City(
        "order",
        "Order",
        "UTC",
        AREAS,
        {},
        SIGNALS,
        {"calls": CALLS, "gauges": GAUGES},
        Detection(
            durations_s=(HOUR_S, 3 * HOUR_S, DAY_S),
            history_s=2 * DAY_S,
            params={"counts": {"blocks_min": 3}},
            finding_floor_s=10 * DAY_S,
            score_all=True,
        ),
        Lifecycle(no_data_for_s=4 * HOUR_S),
    )
)
PARTS = (("calls", 0), ("calls", 1), ("gauges", 0))

Idle = int
Stream = list["Raw | Idle"]  # what happens to one raw partition, in order: a record, or it is declared idle up to a time


def stream(source: str, seed: int) -> Stream:
    """Days of records of one raw partition: bursts, events late by minutes and by hours, a silence that is declared."""
    dice = random.Random(f"{source} {seed}")
    out: Stream = []
    begin_s = DAY_S + dice.randrange(5 * HOUR_S)
    moments = sorted(begin_s + dice.randrange(DAYS * DAY_S) for _ in range(200))
    burst_s = begin_s + dice.randrange(3 * DAY_S, DAYS * DAY_S)
    moments = sorted(moments + [burst_s + dice.randrange(HOUR_S) for _ in range(30)])
    silence_s = begin_s + dice.randrange(DAYS * DAY_S)
    for number, moment_s in enumerate(moments):
        if silence_s <= moment_s < silence_s + 12 * HOUR_S:
            out += [silence_s + dice.randrange(5, 12) * HOUR_S] * (not out or isinstance(out[-1], Raw))
            continue
        delay_s = dice.choice((0, 0, 0, 30, 500, 2_000, 9_000, 30_000))
        row: dict[str, Any] = {"no": f"{source} {seed} {number}", "at": max(moment_s - delay_s, 0)}
        row["area"] = "d0a" if burst_s <= moment_s < burst_s + HOUR_S else dice.choice(LEAVES)
        row |= {"level": round(dice.gauss(20.0, 5.0), 3)} if source == "gauges" else {"kind": dice.choice(("fire", "flood"))}
        out.append(Raw(len([at for at in out if isinstance(at, Raw)]), moment_s, json.dumps(row).encode()))
    return [*out, begin_s + (DAYS + 1) * DAY_S]


def journal(streams: Sequence[Stream], dice: random.Random, longest: int) -> list[Counts]:
    """Intake over all of them, interleaved and cut as the dice fall; several flushes may be one record."""
    intake = Intake(CITY, KEY)
    at = [0] * len(streams)
    out: list[Counts] = []
    while any(at[i] < len(streams[i]) for i in range(len(streams))):
        flushed: dict[bool, list[Counts]] = {False: [], True: []}
        for _ in range(dice.choice((1, 1, 3))):
            i = dice.choice([i for i in range(len(streams)) if at[i] < len(streams[i])] or [0])
            part = streams[i][at[i] : at[i] + dice.randint(1, longest)]
            idle = next((n for n, item in enumerate(part) if not isinstance(item, Raw)), len(part))
            part = part[: max(idle, 1)]
            at[i] += len(part)
            raws = [item for item in part if isinstance(item, Raw)]
            folded = [intake.apply(*PARTS[i], raws)] if raws else [intake.idle(*PARTS[i], at_s) for at_s in part if isinstance(at_s, int)]
            for counts in (counts for one in folded for counts in one.counts):
                flushed[counts.rollup].append(counts)
        out += [merged(records) for records in flushed.values() if records]
    return out


def scored(records: Sequence[Counts], partitions: int) -> dict[str, list[bytes]]:
    """What all shards said of closed windows, without the numbers that early findings share; sorted, since partitions have no order."""
    table = spread(shards_of(CITY), partitions)
    cut = Cut(CITY, table)
    scorers = [Scorer(CITY, [shard for shard, at in table.items() if at == i]) for i in range(cut.partitions)]
    said: dict[str, list[bytes]] = {"closed": [], "findings": [], "scores": [], "tally": []}
    for counts in records:
        for at, part in cut.apart(counts):
            out = scorers[at].apply(part)
            said["closed"] += [msgspec.json.encode(msgspec.structs.replace(c, findings_to=0)) for c in out.closed]
            said["findings"] += [msgspec.json.encode(msgspec.structs.replace(f, number=0)) for f in out.findings if not f.early]
            said["scores"] += [msgspec.json.encode(s) for s in out.scores]
    tallies = [scorer.tally() for scorer in scorers]
    said["tally"] = [b"%d %d" % (sum(t.amended for t in tallies), sum(t.late for t in tallies))]
    return {name: sorted(lines) for name, lines in said.items()}


@settings(max_examples=3)
@given(st.integers(0, 2**32), st.integers(0, 2**32), st.sampled_from([1, 4, 16]), st.sampled_from([3, 40, 1000]))
@example(0, 1, 16, 3)
def test_neither_order_nor_cuts_nor_partitions_matter(seed: int, other: int, partitions: int, longest: int) -> None:
    streams = [stream(source, seed + partition) for source, partition in PARTS]
    calm = scored(journal(streams, random.Random(seed), 100), 1)
    assert scored(journal(streams, random.Random(other), longest), partitions) == calm


def test_time_does_not_begin_anew_with_the_first_event_of_a_partition_that_was_declared_idle_before() -> None:
    # calls/0  events from 30 h on;  calls/1  idle up to 31 h, then its first event, which is of 5 h
    streams = [stream(source, 3 + partition) for source, partition in PARTS]
    late = Raw(0, 60 * HOUR_S, json.dumps({"no": "late", "at": 5 * HOUR_S, "area": "d0a", "kind": "fire"}).encode())
    streams[1] = [31 * HOUR_S, late, *(item._replace(offset=item.offset + 1) if isinstance(item, Raw) else item for item in streams[1])]
    first, *others = (scored(journal(streams, random.Random(seed), 40), 1) for seed in range(6))
    assert all(other == first for other in others)


def test_the_streams_have_what_could_matter() -> None:
    streams = [stream(source, 7 + partition) for source, partition in PARTS]
    calm = scored(journal(streams, random.Random(7), 100), 1)
    assert calm["findings"] and calm["scores"]
    assert any(b'"fire"' in line and b'"dark":[]' not in line for line in calm["closed"]) or any(
        b"water" in line for line in calm["closed"]
    )
    amended, late = map(int, calm["tally"][0].split())
    assert amended > 20 and late > 5


def test_a_source_is_silent_where_its_partitions_were_declared_idle_and_nowhere_else() -> None:
    # a/0  events to 1 h, idle to 20 h, events from 25 h on;  a/1  idle from the beginning to 30 h
    clock = Clock()
    for raw, watermark, newest, idle in (
        ("a/0", 1, 1, False),
        ("a/1", 30, 0, True),
        ("a/0", 10, 1, True),
        ("a/0", 20, 1, True),
        ("a/0", 25, 25, False),
    ):
        clock.take(Span(f"raw.{raw}", "a", 0, 0, watermark * HOUR_S, newest * HOUR_S, idle))
    silent = [hour for hour in range(1, 31) if clock.silent(hour * HOUR_S, 2 * HOUR_S)]
    assert silent == [*range(4, 21), *range(28, 31)]
    clock.passed(20 * HOUR_S)
    assert [len(hand.jumps) for hand in clock.hands.values()] == [0, 1]
