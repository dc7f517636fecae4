"""A city's history to learn from: raw records, or a table of counts by area and signal, fed into an engine window by window."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from hashlib import blake2b
from math import gcd
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streams.columns import pack
from streams.core.areas import AreaTree
from streams.core.fold import Fold
from streams.model import Span
from streams.settings import City
from streams.shells import csvcounts
from streams.shells.csvcounts import CountsFileError, Table
from streams.shells.engine import Engine
from streams.shells.play import play
from streams.shells.records import lines_stretch, recorded_stretch

CHUNK = 1 << 20


class History(NamedTuple):
    """A stretch of the past. ``feed`` yields how far it has come, in seconds since the epoch; at its end every window is closed."""

    digest: str  # of the file and of how it is read
    first_s: int
    end_s: int  # exclusive, a window's end
    feed: Callable[[Engine], Iterator[int]]


def of_records(city: City, path: Path, source: str) -> History:
    """Raw records: JSON lines of ``source``, or, when that is empty, the CSV file of the city's demo.

    Raises:
        RecordsError: no such source, or no record whose time can be read.
    """
    stretch = lines_stretch(city, source, path) if source else recorded_stretch(city, path)

    def feed(engine: Engine) -> Iterator[int]:
        for step in play(engine, stretch.records, stretch.first_s, stretch.end_s):
            yield step.now_s

    return History(_digest(path, f"events {source}"), stretch.first_s, _window_end(city, stretch.end_s), feed)


def of_counts(city: City, path: Path) -> History:
    """A table of counts whose areas and signals are the city's. Times without a zone are the city's own.

    Raises:
        CountsFileError: it cannot be read, names what the city does not have, or counts over longer than a window.
    """
    table = _fitting(city, path, csvcounts.read(path, ZoneInfo(city.timezone)))
    first_s, last_s = min(table.cells)[0], max(table.cells)[0]
    return History(_digest(path, "counts"), first_s, _window_end(city, last_s + 1), lambda engine: _feed_counts(engine, table))


def _fitting(city: City, path: Path, table: Table) -> Table:
    tree = AreaTree(city.areas)
    counted = sorted(signal.name for signal in city.signals if signal.kind == "count" and not signal.name.startswith("feed."))
    if table.areas == (csvcounts.ALL,):
        table = table._replace(
            areas=(tree.root.code,), cells={(at_s, tree.root.code, name): n for (at_s, _, name), n in table.cells.items()}
        )
    for what, names, known in (("area", table.areas, sorted(tree)), ("signal", table.signals, counted)):
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1) or known[:1]
                raise CountsFileError(f"{path}: {what} {name[:40]!r} is none that {city.name} counts; write its code, such as {near[0]!r}")
    window_s = city.detection.window_s
    spacing_s = gcd(*(at_s - min(table.cells)[0] for at_s, _, _ in table.cells))
    if spacing_s == 0:
        raise CountsFileError(f"{path}: has one time only; history is many windows of {window_s} s")
    if spacing_s > window_s:
        raise CountsFileError(
            f"{path}: its times are {spacing_s} s apart, {city.name} has windows of {window_s} s; count by {window_s} s or less"
        )
    return table


def _feed_counts(engine: Engine, table: Table) -> Iterator[int]:
    """Journal each window's counts as if every raw partition had brought them; no record is behind them, so offsets stand still."""
    city, window_s = engine.city, engine.city.detection.window_s
    tree = AreaTree(city.areas)
    fold = Fold(tree, sorted({signal.name for signal in city.signals}))
    since_s = min(table.cells)[0] // window_s * window_s
    sources = [(raw, raw.removeprefix("raw.").rpartition("/")[0]) for raw in city.raws]
    rows = iter(table.cells.items())
    row = next(rows, None)
    end_s = since_s
    while row is not None:
        end_s = row[0][0] // window_s * window_s + window_s
        while row is not None and row[0][0] < end_s:
            (at_s, area, signal), n = row
            fold.count(area, signal, at_s, n)
            row = next(rows, None)
        spans = tuple(Span(raw, source, 0, 0, end_s, end_s - 1, False, since_s) for raw, source in sources)
        fine = fold.take()
        parts = [(False, fine)]
        if not city.flat:
            parts.append((True, fold.rolled(fine, lambda code: tree.shard_of(code, city.shard_level))))
        with engine.store.transaction():
            for rollup, part in parts:
                counts = pack(
                    rollup=rollup, config_hash=city.intake_hash, spans=spans, areas=part.areas, signals=part.signals, cells=part.cells
                )
                engine.store.append_counts(counts, end_s)
            engine.drain(end_s)
        yield end_s
    with engine.store.transaction():
        engine.desk.settle(end_s)
        engine.drain(end_s)


def _window_end(city: City, end_s: int) -> int:
    return -(-end_s // city.detection.window_s) * city.detection.window_s


def _digest(path: Path, how: str) -> str:
    digest = blake2b(how.encode(), digest_size=16)
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            digest.update(block)
    return digest.hexdigest()
