"""A small city for the tests of intake, records for it, and what its counts come to."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from streams.columns import unpack
from streams.core.intake import Folded, Intake, Raw
from streams.model import Area, Counts, Signal
from streams.settings import AreaPaths, City, Correction, Reading, Source

KEY = bytes(range(32))
T0 = 1_700_000_040  # 2023-11-14 22:14:00 UTC


def square(west: float, south: float, side: float) -> str:
    ring = [[west, south], [west + side, south], [west + side, south + side], [west, south + side], [west, south]]
    return json.dumps({"type": "Polygon", "coordinates": [ring]})


# 0---------1---------2   longitude; latitude 0 to 1. East's eastern half ended at T0 + 1 day.
# |  west   |  east   |
# |[w1]     |[e1][old]|
AREAS = (
    Area("100", "City", 0, None),
    Area("0101", "West", 1, "100", geometry=square(0, 0, 1)),
    Area("102", "East", 1, "100", geometry=square(1, 0, 1)),
    Area("10101", "West one", 2, "0101", geometry=square(0.2, 0.2, 0.25)),
    Area("10201", "East one", 2, "102", geometry=square(1.0, 0.0, 0.5)),
    Area("10202", "East old", 2, "102", valid_to_s=T0 + 86_400, geometry=square(1.5, 0.0, 0.5)),
)
SIGNALS = (
    Signal("noise", "Noise", "noise"),
    Signal("water", "Water", "floods"),
    Signal("passed", "Vehicles", "traffic"),
    Signal("people", "People", "crowd_safety", kind="level", limit_high=4000),
)
HOTLINE = Source(
    stream="hotline",
    id=("no",),
    time="at",
    timezone="America/New_York",
    entry="typed",
    category="kind",
    categories={"loud": "noise", "leak": "water"},
    excluded=("petition",),
    area=AreaPaths(code=("area.code",), library=("address",), lat="lat", lon="lon"),
    corrections=(Correction(path="state", values=("withdrawn", "void")), Correction(was="before")),
)
OPEN311 = Source(
    stream="complaint",
    id=("service_request_id",),
    time="requested_datetime",
    category="service_code",
    categories={"001": "noise", "*": "water"},
    area=AreaPaths(lat="lat", lon="long"),
)
CAMERA = Source(
    stream="camera",
    id=("Source.VideoSource", "Source.Rule", "UtcTime"),
    time="UtcTime",
    topic="Topic",
    area=AreaPaths(library=("Source.VideoSource",)),
    readings=(
        Reading("counter", "passed", "Data.Count", "CountAggregation/Counter"),
        Reading("gauge", "people", "Data.Count", "CountAggregation/OccupancyCounter"),
    ),
    unknown_fields="reject",
    heartbeat=True,
)
LINE = "tns1:RuleEngine/CountAggregation/Counter"
OCCUPANCY = "tns1:RuleEngine/CountAggregation/OccupancyCounter"
CITY = City(
    name="test",
    title="Test",
    timezone="America/New_York",
    areas=AREAS,
    library={"1 main st": "10101", "cam-1": "10201", "cam-2": "10101"},
    signals=SIGNALS,
    sources={"hotline": HOTLINE, "open311": OPEN311, "camera": CAMERA},
    intake_hash="c0ffee",
)


def intake(city: City = CITY, **options: Any) -> Intake:
    return Intake(city, KEY, **{"dedupe_offsets": 1000} | options)


def with_source(name: str, **changes: Any) -> City:
    return msgspec.structs.replace(CITY, sources=CITY.sources | {name: msgspec.structs.replace(CITY.sources[name], **changes)})


def call(no: object, at: object = T0, kind: object = "loud", code: object = "10101", **more: object) -> dict[str, object]:
    return {"no": no, "at": at, "kind": kind, "area": {"code": code}, **more}


def count(n: object, at_s: int = T0, device: str = "cam-1", topic: str = LINE, **more: object) -> dict[str, object]:
    return {"UtcTime": at_s, "Topic": topic, "Source": {"VideoSource": device, "Rule": "r"}, "Data": {"Count": n}, **more}


def raws(records: Iterable[object], first: int = 0, append_s: int = T0 + 5) -> list[Raw]:
    """One after the other; a record that is not bytes is written as JSON."""
    return [Raw(first + i, append_s, r if isinstance(r, bytes) else json.dumps(r).encode()) for i, r in enumerate(records)]


def take(records: Iterable[object], source: str = "hotline", city: City = CITY, append_s: int = T0 + 5) -> Folded:
    return intake(city).apply(source, 0, raws(records, append_s=append_s))


def reasons(folded: Folded) -> list[str]:
    return [bad.reason for bad in folded.rejected]


def fine(folded: Folded) -> Counts:
    return next(counts for counts in folded.counts if not counts.rollup)


def quality(*folded: Folded) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in (row for one in folded for counts in one.counts for row in counts.quality):
        found[row.reason] = found.get(row.reason, 0) + row.n
    return found


def cells(counts: Iterable[Counts]) -> dict[tuple[str, str, int], tuple[float, ...]]:
    """(area, signal, minute) -> n, batch and, where there are readings, total, least, most; merged over records, late ones too."""
    found: dict[tuple[str, str, int], tuple[float, ...]] = {}
    for record in counts:
        columns = unpack(record)
        for _, area, signal, minute, *row, _ in zip(*(column.tolist() for column in columns), strict=True):
            key = (record.areas[area], record.signals[signal], minute)
            found[key] = merged(found.get(key, ()), row)
    return found


def merged(known: Sequence[float], row: Sequence[float]) -> tuple[float, ...]:
    new = tuple(row[:2]) if math.isnan(row[3]) else tuple(row)
    if not known:
        return new
    head = (known[0] + new[0], known[1] + new[1])
    rest = [r for r in (known[2:], new[2:]) if r]
    if len(rest) == 2:
        return (*head, rest[0][0] + rest[1][0], min(rest[0][1], rest[1][1]), max(rest[0][2], rest[1][2]))
    return (*head, *(rest[0] if rest else ()))


def ns(folded: Folded) -> dict[tuple[str, str], int]:
    """(area, signal) -> n over all minutes of the districts' record."""
    found: dict[tuple[str, str], int] = {}
    for (area, signal, _), row in cells([fine(folded)]).items():
        found[area, signal] = found.get((area, signal), 0) + int(row[0])
    return found
