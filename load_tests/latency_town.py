"""A made-up town for the latency bench: ordinary traffic of so many records a second, a history that fits it, and signals kept for bursts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
import orjson

from streams.columns import pack
from streams.core.areas import AreaTree
from streams.core.fold import Fold
from streams.model import DAY_S, HOUR_S, MINUTE_S, Counts, Span
from streams.settings import City

PARTITIONS = {"hotline": 3, "complaint": 2, "camera": 4}
DISTRICTS, STREETS = 8, 20
ORDINARY = tuple(f"o{number}" for number in range(8))
CAMERAS_PER_STREET = 2
SHARES = {"hotline": 0.5, "complaint": 0.4, "camera": 0.1}
"""Of the records."""
PASSED = 0.004
"""Vehicles a camera's record: much of what they send says that nothing has passed."""
NEW = 0.02
"""Calls that are new; the others say again what one of the last ones has said, as systems do that send all open cases each time."""
REMEMBERED = 10_000
RARE = 0.1
"""Records of a burst's signal in an ordinary window of a street."""
HISTORY_DAYS = 15
"""Before today."""
LATENESS_S = 60

_SETTINGS = """
city: latency
title: Latency
timezone: UTC
areas: {table: areas.csv}
detection:
  window: 1h
  durations: [1h, 3h, 12h]
  history: 14d
  finding_floor: 10d
lifecycle: {false_alerts_per_day: 10000, hold: 3h}
"""
_CALLS = "    id: [no]\n    time: at\n    category: what\n    categories: {{{categories}}}\n    area: {{code: [where]}}\n    allowed_lateness: 1m\n"
_CAMERA = (
    "    id: [device, at]\n    time: at\n    topic: topic\n    area: {code: [where]}\n    allowed_lateness: 1m\n"
    "    readings:\n      - {form: counter, topic: Counter, value: count, signal: vehicles}\n"
)


class Sent(NamedTuple):
    """One record, and which raw partition it goes to."""

    source: str
    partition: int
    payload: bytes


def burst_signals(number: int) -> list[str]:
    """One for each burst, so that each raises an alert of its own."""
    return [f"b{at}" for at in range(number)]


def streets() -> list[str]:
    """Codes of the leaves."""
    return [f"D{district}S{street}" for district in range(DISTRICTS) for street in range(STREETS)]


def write_town(folder: Path, bursts: int) -> Path:
    """Write the settings; returns the path of the YAML file."""
    folder.mkdir(parents=True)
    rows = ["code,name,level,parent", "T,Town,0,"]
    rows += [f"D{district},District {district},1,T" for district in range(DISTRICTS)]
    rows += [f"{code},Street {code},2,{code[:2]}" for code in streets()]
    (folder / "areas.csv").write_text("\n".join(rows) + "\n")
    names = (*ORDINARY, *burst_signals(bursts))
    signals = "".join(f"  {name}: {{title: {name}, purpose: data_quality}}\n" for name in (*names, "vehicles"))
    calls = _CALLS.format(categories=", ".join(f"{name.upper()}: {name}" for name in names))
    sources = "".join(
        f"  {name}:\n    stream: {name}\n    partitions: {number}\n{_CAMERA if name == 'camera' else calls}"
        for name, number in PARTITIONS.items()
    )
    path = folder / "tocsin.yaml"
    path.write_text(f"{_SETTINGS}signals:\n{signals}sources:\n{sources}")
    return path


def history(city: City, end_s: int, rate: float, bursts: int, seed: int) -> Iterator[Counts]:
    """The counts of the days before ``end_s`` as intake would have journalled them at ``rate`` records a second, a window at a time.

    Journalled and not sent as records: these would be billions.
    """
    tree, window_s = AreaTree(city.areas), city.detection.window_s
    names = {signal.name for signal in city.signals}
    fold, rng = Fold(tree, names), np.random.default_rng(seed)
    first_s = end_s // DAY_S * DAY_S - HISTORY_DAYS * DAY_S  # whole days: part of one would teach a wrong level
    for start_s in range(first_s, end_s, window_s):
        part = min(window_s, end_s - start_s)
        at_s = start_s + part - 1
        for code in streets():
            for signal, mean in _means(rate, bursts).items():
                n = int(rng.poisson(mean * part / window_s))
                if n:
                    fold.count(code, signal, at_s // MINUTE_S * MINUTE_S, n)
        fine = fold.take()
        upper = fold.rolled(fine, lambda code: tree.shard_of(code, city.shard_level))
        spans = [
            Span(raw, raw.split(".")[1].split("/")[0], 0, 0, start_s + part - LATENESS_S, at_s, since_s=first_s - LATENESS_S)
            for raw in city.raws
        ]
        for rollup, folded in ((False, fine), (True, upper)):
            yield pack(
                rollup=rollup,
                config_hash=city.intake_hash,
                spans=spans,
                areas=folded.areas,
                signals=folded.signals,
                cells=folded.cells,
            )


def _means(rate: float, bursts: int) -> dict[str, float]:
    """Of each signal in a window of a street."""
    a_street = rate * HOUR_S / (DISTRICTS * STREETS)
    calls = (SHARES["hotline"] + SHARES["complaint"]) * NEW * a_street / len(ORDINARY)
    passed = SHARES["camera"] * a_street * PASSED
    return {**dict.fromkeys(ORDINARY, calls), "vehicles": passed, **dict.fromkeys(burst_signals(bursts), RARE)}


class Traffic:
    """Ordinary records with times of now."""

    def __init__(self, seed: int) -> None:
        self._random, self._number = Random(seed), 0
        self._streets = streets()
        self._counts: dict[str, int] = {}
        self._calls: dict[str, list[Sent]] = {"hotline": [], "complaint": []}

    def record(self, now_s: float) -> Sent:
        """The next one."""
        self._number += 1
        luck = self._random.random()
        if luck < SHARES["camera"]:
            return self._reading(self._random.choice(self._streets), now_s)
        source = "hotline" if luck < SHARES["camera"] + SHARES["hotline"] else "complaint"
        known = self._calls[source]
        if known and self._random.random() >= NEW:
            return known[int(self._random.random() * len(known))]
        call = self.call(source, self._random.choice(self._streets), self._random.choice(ORDINARY), now_s)
        if len(known) < REMEMBERED:
            known.append(call)
        else:
            known[self._random.randrange(REMEMBERED)] = call
        return call

    def call(self, source: str, code: str, signal: str, now_s: float) -> Sent:
        """A call about a signal in a street."""
        self._number += 1
        body = {"no": f"N{self._number}", "at": _text(now_s), "where": code, "what": signal.upper()}
        return Sent(source, self._number % PARTITIONS[source], orjson.dumps(body))

    def _reading(self, code: str, now_s: float) -> Sent:
        number = self._random.randrange(CAMERAS_PER_STREET)
        device = f"{code}-{number}"
        count = self._counts[device] = self._counts.get(device, 0) + (self._random.random() < PASSED)
        body = {"device": device, "at": _text(now_s), "topic": "tns1:RuleEngine/CountAggregation/Counter", "where": code, "count": count}
        at = (self._streets.index(code) * CAMERAS_PER_STREET + number) % PARTITIONS["camera"]
        return Sent("camera", at, orjson.dumps(body))


def _text(now_s: float) -> str:
    return datetime.fromtimestamp(now_s, UTC).isoformat(timespec="microseconds")
