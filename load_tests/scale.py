"""What grows with a city and what does not: CPU time a changed cell as series grow, a record as areas and processes grow; what idle series cost.

Everything but the processes is measured in this process, by its CPU time, others on the machine or not.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import numpy as np
import orjson
from msgspec import Struct

from load_tests.scale_processes import Processes, processes
from streams.columns import Cells, pack
from streams.core.areas import AreaTree
from streams.core.bulk.intake import Block, BulkIntake
from streams.core.score import Shards
from streams.core.shard import shards_of
from streams.model import HOUR_S, MINUTE_S, Area, Counts, Signal, Span
from streams.settings import AreaPaths, City, Detection, Source, derived

SERIES = (1_000, 10_000, 100_000, 1_000_000)
AREAS = (100, 1_000, 10_000, 100_000)
SIGNALS = 10
STREETS_A_DISTRICT = 100
CHANGED = 0.1
"""Share of series that something is counted in, in a window."""
WARM, WINDOWS = 6, 12
RECORDS, BATCH = 60_000, 20_000
T0 = 1_735_689_600  # 2025-01-01
RAW = "raw.hotline/0"


class Grown(Struct):
    """One size. ``us_a_cell``: microseconds of CPU time for each cell that changed; ``us_a_series``: for each series, changed or not."""

    series: int
    us_a_cell: float
    us_a_series: float
    bytes_a_series: int


class Idle(Struct):
    """Series in which nothing happens. ``core``: part of one core that closing their windows takes, at the window of the settings."""

    series: int
    window_s: int
    core: float


class OfAreas(Struct):
    """Intake with so many areas."""

    areas: int
    us_a_record: float


class Report(Struct):
    """All of it. ``*_ratio``: the dearest by the cheapest."""

    series: list[Grown]
    series_ratio: float
    idle: Idle
    areas: list[OfAreas]
    areas_ratio: float
    processes: list[Processes]
    processes_ratio: float
    seconds: float


def run(folder: Path, *, records: int, largest: int, say: Callable[[str], None]) -> Report:
    """``largest``: series at most."""
    began = time.monotonic()
    ran = processes(folder, records=records, say=say)  # first: it says at once when there is no broker
    grown = []
    for series in SERIES:
        if series <= largest:
            say(f"{series} series")
            grown.append(score(series, CHANGED))
    say("idle series")
    still = idle(min(100_000, largest))
    of_areas = []
    for areas in AREAS:
        if areas * SIGNALS <= largest:
            say(f"intake with {areas} areas")
            of_areas.append(intake(areas))
    return Report(
        series=grown,
        series_ratio=_ratio([one.us_a_cell for one in grown]),
        idle=still,
        areas=of_areas,
        areas_ratio=_ratio([one.us_a_record for one in of_areas]),
        processes=ran,
        processes_ratio=_ratio([one.us_a_record for one in ran]),
        seconds=round(time.monotonic() - began, 1),
    )


def town(areas: int) -> City:
    """A city with so many streets, in districts of a hundred."""
    found = [Area("T", "Town", 0, None)]
    for street in range(areas):
        district = f"D{street // STREETS_A_DISTRICT}"
        if street % STREETS_A_DISTRICT == 0:
            found.append(Area(district, district, 1, "T"))
        found.append(Area(f"{district}S{street}", f"Street {street}", 2, district))
    signals = tuple(Signal(f"s{i}", f"Signal {i}", "noise") for i in range(SIGNALS))
    hotline = Source(
        stream="hotline",
        id=("no",),
        time="at",
        category="what",
        categories={signal.name.upper(): signal.name for signal in signals},
        area=AreaPaths(code=("where",)),
    )
    settings = Detection(window_s=HOUR_S, durations_s=(HOUR_S, 3 * HOUR_S, 12 * HOUR_S, 24 * HOUR_S, 72 * HOUR_S))
    return derived(City("scale", "Scale", "UTC", tuple(found), {}, signals, {"hotline": hotline}, settings, config_version="1"))


def score(series: int, changed: float) -> Grown:
    """Windows of a city with so many series in its streets, a part of which changes in each."""
    city = town(series // SIGNALS)
    shards = Shards(city, tuple(shards_of(city)[1:]), AreaTree(city.areas))
    rng = np.random.default_rng(1)
    records = [counts_of(city, at, changed, rng) for at in range(WARM + WINDOWS)]
    for record, _ in records[:WARM]:
        shards.apply(record)
    cells, began = 0, time.process_time()
    for record, n in records[WARM:]:
        shards.apply(record)
        cells += n
    cpu_s = time.process_time() - began
    size = len(shards.snapshot())
    found = Grown(series, round(1e6 * cpu_s / max(cells, 1), 2), round(1e6 * cpu_s / (series * WINDOWS), 3), round(size / series))
    del shards, records
    gc.collect()
    return found


def idle(series: int) -> Idle:
    """Windows that close with nothing in them."""
    city = town(series // SIGNALS)
    shards = Shards(city, tuple(shards_of(city)[1:]), AreaTree(city.areas))
    rng = np.random.default_rng(1)
    records = [counts_of(city, at, 0.0, rng)[0] for at in range(WARM + WINDOWS)]
    for record in records[:WARM]:
        shards.apply(record)
    began = time.process_time()
    for record in records[WARM:]:
        shards.apply(record)
    window_s = 900  # the shortest that a city of ours has
    return Idle(series, window_s, round((time.process_time() - began) / WINDOWS / window_s, 6))


def counts_of(city: City, window: int, changed: float, rng: np.random.Generator) -> tuple[Counts, int]:
    """What intake would journal of a window, and in how many cells."""
    leaves = tuple(area.code for area in city.areas if area.level == 2)
    signals = tuple(signal.name for signal in city.signals[:SIGNALS])
    chosen = np.flatnonzero(rng.random(len(leaves) * SIGNALS) < changed)
    n, start_s = len(chosen), T0 + window * HOUR_S
    cells = Cells(
        span=np.zeros(n, np.uint16),
        area=(chosen // SIGNALS).astype(np.uint32),
        signal=(chosen % SIGNALS).astype(np.uint16),
        minute=np.full(n, start_s // MINUTE_S, np.int32),
        n=rng.poisson(1.0, n).astype(np.int32) + 1,
        batch=np.zeros(n, np.int32),
        total=np.zeros(n),
        least=np.full(n, np.nan),
        most=np.full(n, np.nan),
        heard=np.zeros(n, np.int32),
    )
    end_s = start_s + HOUR_S
    span = Span(RAW, "hotline", window, window + 1, end_s, end_s, since_s=T0)
    return pack(rollup=False, config_hash="", spans=(span,), areas=leaves, signals=signals, cells=cells), n


def intake(areas: int) -> OfAreas:
    """Records of a hotline in a city with so many streets."""
    city = town(areas)
    machine = BulkIntake(city, b"0" * 32)
    blocks = list(_blocks(city))
    machine.apply_block("hotline", 0, blocks[0])
    began = time.process_time()
    for block in blocks[1:]:
        machine.apply_block("hotline", 0, block)
    records = sum(len(block.payloads) for block in blocks[1:])
    return OfAreas(areas, round(1e6 * (time.process_time() - began) / records, 2))


def _blocks(city: City) -> Iterator[Block]:
    random = Random(1)
    leaves = [area.code for area in city.areas if area.level == 2]
    for first in range(0, RECORDS, BATCH):
        payloads = [
            orjson.dumps(
                {
                    "no": f"N{first + i}",
                    "at": f"2025-01-01T{first * 24 // RECORDS:02d}:{i * 60 // BATCH:02d}:00Z",
                    "where": random.choice(leaves),
                    "what": f"S{random.randrange(SIGNALS)}",
                }
            )
            for i in range(BATCH)
        ]
        yield Block(np.arange(first, first + BATCH), np.full(BATCH, T0 + 30 * HOUR_S), payloads)


def _ratio(values: list[float]) -> float:
    return round(max(values) / min(values), 2) if values and min(values) > 0 else 0.0
