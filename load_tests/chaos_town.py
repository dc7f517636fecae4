"""A made-up town for the chaos test: simple enough that its counts can be made a second time in a few lines of plain Python."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import orjson

from streams.model import DAY_S, HOUR_S, MINUTE_S

START_S = 1_420_070_400  # 2015-01-01T00:00Z
DAYS = 40
SOURCES = ("hotline", "app")
SIGNALS = ("flooding", "noise", "rubbish", "gas")
DISTRICTS, STREETS = 4, 5

Cell = tuple[str, str, int]  # area, signal, minute

_SETTINGS = """
city: chaos
title: Chaos
timezone: UTC
areas: {table: areas.csv}
detection: {window: 1h, durations: [1h, 3h, 1d], history: 7d, finding_floor: 1d, params: {counts: {blocks_min: 7}}}
lifecycle: {false_alerts_per_day: 5, hold: 3h}
"""


class Item(NamedTuple):
    """One record as a client would send it."""

    source: str
    payload: bytes


def write_town(folder: Path) -> Path:
    """Write the settings; returns the path of the YAML file."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["code,name,level,parent", "T,Chaos,0,"]
    for district in range(DISTRICTS):
        rows.append(f"D{district},District {district},1,T")
        rows += [f"D{district}S{street},Street {district}.{street},2,D{district}" for street in range(STREETS)]
    (folder / "areas.csv").write_text("\n".join(rows) + "\n")
    signals = "".join(f"  {name}: {{title: {name.title()}, purpose: data_quality}}\n" for name in SIGNALS)
    source = (
        "    id: [no]\n    time: at\n    category: what\n    categories: {"
        + ", ".join(f"{name.upper()}: {name}" for name in SIGNALS)
        + "}\n    area: {code: [where]}\n"
    )
    sources = "".join(f"  {name}:\n    stream: {stream}\n{source}" for name, stream in zip(SOURCES, ("hotline", "complaint"), strict=True))
    path = folder / "tocsin.yaml"
    path.write_text(f"{_SETTINGS}signals:\n{signals}sources:\n{sources}")
    return path


def make(records: int, seed: int) -> list[Item]:
    """Records in order of time, some twice, some broken, some minutes late; a flood in one street each fifth day from the tenth on."""
    rng = random.Random(seed)
    codes = [f"D{district}S{street}" for district in range(DISTRICTS) for street in range(STREETS)]
    span_s = DAYS * DAY_S
    times = sorted(START_S + rng.randrange(span_s) for _ in range(records))
    items: list[Item] = []
    for number, at_s in enumerate(times):
        source = SOURCES[rng.random() < 0.4]
        day, hour = (at_s - START_S) // DAY_S, at_s % DAY_S // HOUR_S
        flood = day >= 10 and day % 5 == 0 and hour in {9, 10} and rng.random() < 0.5
        what, where = ("flooding", "D1S2") if flood else (rng.choice(SIGNALS), rng.choice(codes))
        late_s = rng.randrange(240) if rng.random() < 0.05 else 0
        items.append(Item(source, _payload(number, at_s - late_s, where, what)))
        if rng.random() < 0.02:
            items.append(items[-rng.randrange(1, 20) % len(items)])
        if rng.random() < 0.005:
            items.append(Item(source, b'{"no": "broken", "at": ' + str(number).encode()))
    return items


def _payload(number: int, at_s: int, where: str, what: str) -> bytes:
    at = datetime.fromtimestamp(at_s, UTC).isoformat()
    return orjson.dumps({"no": f"N{number}", "at": at, "where": where, "what": what.upper(), "caller": f"person {number}"})


def batches(items: Sequence[Item], size: int) -> Iterator[tuple[str, list[bytes]]]:
    """(source, payloads) to send one after the other."""
    for start in range(0, len(items), size):
        chunk = items[start : start + size]
        for source in SOURCES:
            payloads = [item.payload for item in chunk if item.source == source]
            if payloads:
                yield source, payloads


def count(items: Iterable[Item]) -> Counter[Cell]:
    """The cells that must come out, made from the records without any of the code under test."""
    seen: set[tuple[str, str]] = set()
    cells: Counter[Cell] = Counter()
    for source, payload in items:
        try:
            row = msgspec.json.decode(payload)
        except msgspec.DecodeError:
            continue
        if (source, row["no"]) in seen:
            continue
        seen.add((source, row["no"]))
        minute = int(datetime.fromisoformat(row["at"]).timestamp()) // MINUTE_S
        cells[row["where"], row["what"].lower(), minute] += 1
    return cells
