"""Runs score and decide over the past without a state folder: a table of counts, or raw records."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from msgspec import Struct, structs

from sinks.base import Batch
from streams.columns import Cells, empty
from streams.core.decide import Decide
from streams.core.journal import pack
from streams.core.pipeline import Scorer
from streams.loading import flat_city
from streams.model import DAY_S, MINUTE_S, Closed, Counts, Finding, Span
from streams.settings import City, Detection
from streams.shells import csvcounts
from streams.shells.bar import bar
from streams.shells.csvcounts import Plan, Table
from streams.shells.engine import Engine
from streams.shells.outputs import RunWriter
from streams.shells.play import play
from streams.shells.records import Stretch
from streams.shells.store import Store

RAW = "raw.counts/0"
REST_WINDOWS = 1_000
"""Where only notable scores are asked for, all are written this seldom."""
KEY = bytes(32)
"""Backtests keep no digests beyond the run: a key that nobody must know has no use."""


class Figures(Struct, frozen=True):
    """What a backtest came to."""

    days: float
    windows: int
    series: int
    window_s: int
    durations_s: tuple[int, ...]
    missing: str
    transitions: int
    alerts: int
    incidents: int
    alerts_per_day: float
    rejected: dict[str, int] = {}


class _Count:
    """Counts the transitions that pass by."""

    name: ClassVar[str] = "count"

    def __init__(self) -> None:
        self.transitions = self.alerts = 0
        self.incidents: set[str] = set()

    def write(self, batch: Batch) -> None:
        for _, step in batch.transitions:
            self.transitions += 1
            self.alerts += step.notify
            if step.notify:
                self.incidents.add(step.alert_id)

    def close(self) -> None: ...


def backtest_counts(
    path: Path,
    out: Path,
    *,
    window_s: int | None = None,
    durations_s: Sequence[int] = (),
    missing: Literal["zero", "gap", "auto"] = "auto",
    budget: float = 2.0,
    score_all: bool = True,
    base: Detection | None = None,
) -> Figures:
    """Score a table of counts window by window and write both files into ``out``.

    Raises:
        CountsFileError: the table cannot be used.
        SettingsError: durations or budget are out of bounds.
    """
    table = csvcounts.read(path)
    plan = csvcounts.plan(table, window_s=window_s, durations_s=durations_s, missing=missing)
    city = flat_city(
        areas=table.areas,
        signals=table.signals,
        window_s=plan.window_s,
        durations_s=plan.durations_s,
        budget=budget,
        missing=plan.missing,
        score_all=score_all,
        base=base or Detection(),
    )
    if not score_all:
        city = structs.replace(city, detection=structs.replace(city.detection, rest_every_s=REST_WINDOWS * plan.window_s))
    count, writer = _Count(), RunWriter(out, city, shift_s=plan.shift_s)
    first_s, last_s = min(table.cells)[0], max(table.cells)[0]
    with bar("scoring", len(table.cells)) as moved:
        done = 0
        for counts, batch in _score(city, _journal(city, table, plan)):
            for sink in (count, writer):
                sink.write(batch)
            done += len(counts.n) // 4
            moved(done)
    writer.close()
    series = len(table.areas) * len(table.signals)
    windows = (last_s - first_s) // plan.window_s + 1
    return _figures(city, first_s, first_s + windows * plan.window_s, series, count)


def _figures(city: City, first_s: int, end_s: int, series: int, count: _Count, rejected: dict[str, int] | None = None) -> Figures:
    days = (end_s - first_s) / DAY_S
    detection = city.detection
    return Figures(
        days=round(days, 3),
        windows=(end_s - first_s) // detection.window_s,
        series=series,
        window_s=detection.window_s,
        durations_s=detection.durations_s,
        missing=detection.missing,
        transitions=count.transitions,
        alerts=count.alerts,
        incidents=len(count.incidents),
        alerts_per_day=round(count.alerts / days, 4) if days else 0.0,
        rejected=rejected or {},
    )


def _journal(city: City, table: Table, plan: Plan) -> Iterator[Counts]:
    """One ``Counts`` record a window, its watermark at the window's end, so that each closes at once."""
    areas = {code: i for i, code in enumerate(table.areas)}
    signals = {name: i for i, name in enumerate(table.signals)}
    for offset, (start_s, counts) in enumerate(csvcounts.windows(table, plan)):
        span = Span(RAW, "counts", offset, offset + 1, start_s + plan.window_s, start_s)
        cells = _cells(start_s, counts, areas, signals)
        yield pack(rollup=False, config_hash=city.intake_hash, spans=(span,), areas=table.areas, signals=table.signals, cells=cells)


def _cells(start_s: int, counts: Mapping[tuple[str, str], int], areas: Mapping[str, int], signals: Mapping[str, int]) -> Cells:
    rows = sorted((areas[area], signals[signal], n) for (area, signal), n in counts.items())
    if not rows:
        return empty()
    area, signal, n = (np.array(column, np.int64) for column in zip(*rows, strict=True))
    zeros = np.zeros(len(rows))
    return Cells(
        span=zeros.astype(np.uint16),
        area=area.astype(np.uint32),
        signal=signal.astype(np.uint16),
        minute=np.full(len(rows), start_s // MINUTE_S, np.int32),
        n=n.astype(np.int32),
        batch=zeros.astype(np.int32),
        total=zeros,
        least=np.full(len(rows), np.nan),
        most=np.full(len(rows), np.nan),
        heard=zeros.astype(np.int32),
    )


def _score(city: City, journal: Iterable[Counts]) -> Iterator[tuple[Counts, Batch]]:
    """Each record of a journal in memory with what score and decide make of it."""
    scorer = Scorer(city)
    decide = Decide(city, scorer.shards)
    seq = 0
    for counts in journal:
        scored = scorer.apply(counts)
        records: list[Finding | Closed] = [*scored.findings, *scored.closed]
        transitions = [step for record in records for step in decide.apply(record).transitions]
        yield counts, Batch(scores=scored.scores, transitions=tuple(enumerate(transitions, seq + 1)))
        seq += len(transitions)


def backtest_records(city: City, stretch: Stretch, out: Path) -> Figures:
    """Play raw records through the whole engine, in a folder that is thrown away, and write both files into ``out``."""
    count, writer = _Count(), RunWriter(out, city)
    with tempfile.TemporaryDirectory(prefix="tocsin-backtest-") as folder:
        store = Store(Path(folder), identity={}, durability="off")
        try:
            engine = Engine(city, store, KEY, (count, writer))
            engine.recover(stretch.first_s)
            with bar("playing", stretch.end_s - stretch.first_s) as moved:
                for step in play(engine, stretch.records, stretch.first_s, stretch.end_s):
                    moved(step.now_s - stretch.first_s)
        finally:
            writer.close()
            store.close()
    series = len(city.areas) * len(city.signals)
    return _figures(city, stretch.first_s, stretch.end_s, series, count, engine.meter.rejected())
