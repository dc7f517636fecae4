"""A town so small that a seed takes no longer than a breath, what its people send, and a count of it without any code under test."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec
import orjson

from streams.loading import load
from streams.model import DAY_S, HOUR_S, MINUTE_S
from streams.settings import City

START_S = 1_420_070_400  # 2015-01-01T00:00Z
DAYS = 6
WINDOW_S = 12 * HOUR_S
AREAS = ("A", "B", "C")
SIGNALS = ("flooding", "noise", "gas")
KEY = b"0" * 32
FUTURE_S = 30
DEDUPE_OFFSETS = 24
"""A record is a duplicate if its id stood within so many offsets before it."""

_SETTINGS = """
city: tiny
title: Tiny
timezone: UTC
areas: {{table: areas.csv}}
detection: {{window: 12h, durations: [12h, 1d], history: 2d, finding_floor: 2d, params: {{counts: {{blocks_min: 1}}}}}}
lifecycle: {{false_alerts_per_day: 5, hold: 1d, no_data_for: 1d}}
signals:
  flooding: {{title: Water on roads, purpose: floods}}
  noise: {{title: Noise, purpose: noise}}
  gas: {{title: Smell of gas, purpose: gas}}
sources:
  hotline: {{stream: hotline, partitions: {partitions}, {mapping}}}
  app: {{stream: complaint, {mapping}}}
"""
_MAPPING = "id: [no], time: at, category: what, categories: {FLOODING: flooding, NOISE: noise, GAS: gas}, area: {code: [where]}"
_PLACES = """code,name,level,parent,population
T,Tiny,0,,60000
A,North,1,T,20000
B,East,1,T,20000
C,South,1,T,20000
"""

Cell = tuple[str, str, int]  # area, signal, minute in seconds


class Sent(NamedTuple):
    """A record as a producer sends it, and when."""

    at_s: int
    source: str
    partition: int
    payload: bytes


@cache
def city(partitions: int) -> City:
    """The town, its hotline in so many raw partitions."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "tocsin.yaml").write_text(_SETTINGS.format(partitions=partitions, mapping=_MAPPING))
        (Path(folder) / "areas.csv").write_text(_PLACES)
        return msgspec.structs.replace(load(Path(folder) / "tocsin.yaml"), origin="")


def sendings(rng: random.Random, partitions: int) -> list[Sent]:
    """Six days: chance calls, two floods, some records twice, late, out of order, of a wrong clock or broken; a source may fall silent."""
    wrong_s = rng.choice((0, 0, 0, -90, 20, 50))  # the app's clock
    silent_s = START_S + rng.randrange(DAYS) * DAY_S if rng.random() < 0.3 else 0
    moments = [(START_S + rng.randrange(DAYS * DAY_S), rng.choice(AREAS), rng.choice(SIGNALS)) for _ in range(rng.randrange(45, 75))]
    for _ in range(2):
        begin_s, area = START_S + rng.randrange(3 * DAY_S, DAYS * DAY_S - HOUR_S), rng.choice(AREAS)
        moments += [(begin_s + rng.randrange(2 * HOUR_S), area, "flooding") for _ in range(rng.randrange(7, 14))]
    made: list[Sent] = []
    for number, (at_s, area, what) in enumerate(sorted(moments)):
        source = "app" if rng.random() < 0.4 else "hotline"
        if source == "app" and silent_s <= at_s < silent_s + 2 * DAY_S:
            continue
        event_s = at_s + (wrong_s if source == "app" else 0) - (rng.choice((90, 1200, 8 * HOUR_S, DAY_S)) if rng.random() < 0.1 else 0)
        sent = Sent(
            at_s + rng.randrange(20), source, rng.randrange(partitions) if source == "hotline" else 0, _payload(number, event_s, area, what)
        )
        made.append(sent)
        if rng.random() < 0.05:
            made.append(sent._replace(at_s=sent.at_s + rng.choice((0, 5, HOUR_S, 10 * HOUR_S))))
        if rng.random() < 0.04:
            made.append(sent._replace(payload=rng.choice(_GARBAGE) % number))
    made.sort(key=lambda each: each.at_s)
    for at in range(len(made) - 1):
        if rng.random() < 0.05:
            made[at], made[at + 1] = made[at + 1], made[at]
    return made


_GARBAGE = (
    b'{"no": "G%d", "at": ',
    b'{"no": "G%d", "at": "2015-01-05T00:00:00+00:00", "where": "Z", "what": "GAS"}',
    b'{"no": "G%d", "at": "2015-01-05T00:00:00+00:00", "where": "A", "what": "PARADE"}',
    b'{"no": "G%d", "at": "yesterday", "where": "A", "what": "GAS"}',
)


def _payload(number: int, at_s: int, area: str, what: str) -> bytes:
    at = datetime.fromtimestamp(at_s, UTC).isoformat()
    return orjson.dumps({"no": f"N{number}", "at": at, "where": area, "what": what.upper()})


class Counted(NamedTuple):
    """What must come out: cells, and places of what was rejected."""

    cells: Counter[Cell]
    rejected: set[tuple[str, int]]


def count(raws: Iterable[tuple[str, Iterable[tuple[int, int, bytes]]]]) -> Counted:
    """Count (raw partition, (offset, append time, payload)) a second time."""
    cells: Counter[Cell] = Counter()
    rejected: set[tuple[str, int]] = set()
    for raw, records in raws:
        stood: dict[str, int] = {}  # where an id stood last
        for offset, append_s, payload in records:
            row, at_s = _row(payload)
            if at_s is None or at_s > append_s + FUTURE_S:
                rejected.add((raw, offset))
                continue
            again = offset - stood.get(row["no"], -DEDUPE_OFFSETS - 1) <= DEDUPE_OFFSETS
            if not again and not _known(row):
                rejected.add((raw, offset))
                continue
            stood[row["no"]] = offset
            if not again:
                cells[row["where"], row["what"].lower(), at_s // MINUTE_S * MINUTE_S] += 1
    return Counted(cells, rejected)


def _row(payload: bytes) -> tuple[Any, int | None]:
    try:
        row = msgspec.json.decode(payload)
        return row, int(datetime.fromisoformat(row["at"]).timestamp())
    except (msgspec.DecodeError, ValueError):
        return None, None


def _known(row: Any) -> bool:
    return row["where"] in (*AREAS, "T") and row["what"].lower() in SIGNALS
