"""A city small enough for quick tests: three districts, two sources, findings after a day."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson

from streams.loading import load
from streams.model import DAY_S, HOUR_S
from streams.settings import City

START_S = 1_420_070_400  # 2015-01-01T00:00Z

SETTINGS = """
city: small
title: Smallville
timezone: UTC
areas: {table: areas.csv}
detection: {window: 1h, durations: [1h, 3h, 1d], history: 1d, finding_floor: 6h, params: {counts: {blocks_min: 1}}}
lifecycle: {false_alerts_per_day: 5, hold: 3h}
signals:
  flooding: {title: Water on roads, purpose: floods}
  noise: {title: Noise, purpose: noise}
sources:
  hotline:
    stream: hotline
    id: [no]
    time: at
    category: what
    categories: {Flood: flooding, Noise: noise}
    excluded: [Petition]
    area: {code: [where]}
  app:
    stream: complaint
    id: [no]
    time: at
    category: what
    categories: {Flood: flooding, Noise: noise}
    area: {code: [where]}
"""
AREAS = """code,name,level,parent,population
C,Smallville,0,,60000
A1,North,1,C,20000
A2,East,1,C,20000
A3,South,1,C,20000
"""


@cache
def small_city(sources: tuple[str, ...] = ("hotline", "app")) -> City:
    """The city with some of its sources."""
    text = SETTINGS
    if "app" not in sources:
        text = text[: text.index("  app:")]
    with TemporaryDirectory() as folder:
        (Path(folder) / "tocsin.yaml").write_text(text)
        (Path(folder) / "areas.csv").write_text(AREAS)
        return load(Path(folder) / "tocsin.yaml")


def payload(number: int | str, at_s: int, area: str = "A1", what: str = "Noise", **more: object) -> bytes:
    """One raw record."""
    at = datetime.fromtimestamp(at_s, UTC).isoformat()
    return orjson.dumps({"no": number, "at": at, "where": area, "what": what, **more})


def days(count: float, *, seed: int = 1, per_hour: float = 3.0, bursts: Sequence[int] = ()) -> list[tuple[int, bytes]]:
    """(time, payload) in order of time: chance calls, and a flood of forty in A2 in each hour of ``bursts`` (counted from the start)."""
    rng = random.Random(seed)
    made: list[tuple[int, bytes]] = []
    number = 0
    for hour in range(round(count * DAY_S / HOUR_S)):
        calls = [("Noise", rng.choice(("A1", "A2", "A3"))) for _ in range(round(rng.expovariate(1 / per_hour)))]
        calls += [("Flood", "A2")] * 40 if hour in bursts else []
        times = sorted(START_S + hour * HOUR_S + rng.randrange(HOUR_S) for _ in calls)
        for at_s, (what, area) in zip(times, calls, strict=True):
            number += 1
            made.append((at_s, payload(number, at_s, area, what)))
    return made
