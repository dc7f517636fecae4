"""Partitions of the counts journal: which shards each hosts, and a record of all of them cut into one a partition.

District → partition is an explicit table that is written down when the topics are made: results do not depend on it, since
nothing crosses from one shard to another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from streams.columns import Cells, empty, pack, unpack
from streams.core.areas import AreaTree
from streams.core.distinct import distinct
from streams.core.shard import shards_of
from streams.model import Counts, Quality, Span
from streams.settings import City


def spread(shards: Sequence[str], partitions: int) -> dict[str, int]:
    """A first table: shards in turn.

    >>> spread(("T", "D1", "D2"), 2)
    {'T': 0, 'D1': 1, 'D2': 0}
    """
    assert partitions > 0
    return {shard: at % partitions for at, shard in enumerate(shards)}


class Cut:
    """Cuts records of the counts journal by ``table``: shard → partition."""

    def __init__(self, city: City, table: Mapping[str, int]) -> None:
        """Raises ``ValueError`` when a shard has no partition."""
        root, *others = shards_of(city)
        missing = [shard for shard in (root, *others) if shard not in table]
        if missing:
            raise ValueError(f"no partition for {', '.join(missing)}")
        tree = AreaTree(city.areas)
        self.partitions = max(table.values()) + 1
        fine = [root] if city.flat else others
        self._hosts = {False: sorted({table[shard] for shard in fine}), True: [table[root]]}
        self._root = table[root]
        self._of = {area.code: table[root if city.flat else tree.shard_of(area.code, city.shard_level)] for area in city.areas}

    def apart(self, counts: Counts) -> list[tuple[int, Counts]]:
        """A record for each partition that hosts a shard of its level. Each carries every span, since time moves for all; the first one the quality."""
        hosts = self._hosts[counts.rollup]
        if len(hosts) == 1:
            return [(hosts[0], counts)]
        cells = unpack(counts)
        partition = np.array([self._of[code] for code in counts.areas], np.int64)[cells.area] if len(cells.n) else np.zeros(0, np.int64)
        parts = []
        for at in hosts:
            chosen = Cells(*(column[partition == at] for column in cells))
            words = _only_used(counts, chosen)
            parts.append((at, _packed(counts, counts.spans, words, counts.quality if at == hosts[0] else ())))
        return parts


class _Words(NamedTuple):
    areas: tuple[str, ...]
    signals: tuple[str, ...]
    cells: Cells


def merged(records: Sequence[Counts]) -> Counts:
    """One record of several of the same level and configuration: what one flush of intake takes from its raw partitions."""
    first = records[0]
    assert all(record.rollup == first.rollup and record.config_hash == first.config_hash for record in records)
    if len(records) == 1:
        return first
    areas, signals = _union(record.areas for record in records), _union(record.signals for record in records)
    spans: list[Span] = []
    parts: list[Cells] = []
    for record in records:
        cells = unpack(record)
        area = np.array([areas[code] for code in record.areas], np.uint32)
        signal = np.array([signals[name] for name in record.signals], np.uint16)
        if len(cells.n):
            parts.append(
                cells._replace(
                    span=(cells.span + np.uint16(len(spans))).astype(np.uint16), area=area[cells.area], signal=signal[cells.signal]
                )
            )
        spans += record.spans
    joined = Cells(*(np.concatenate(columns) for columns in zip(*parts, strict=True))) if parts else empty()
    quality = tuple(row for record in records for row in record.quality)
    return _packed(first, tuple(spans), _Words(tuple(areas), tuple(signals), joined), quality)


def _union(words: Iterable[Sequence[str]]) -> dict[str, int]:
    return {word: at for at, word in enumerate(sorted({word for some in words for word in some}))}


def _only_used(counts: Counts, cells: Cells) -> _Words:
    areas, area = distinct(cells.area.astype(np.int64))
    signals, signal = distinct(cells.signal.astype(np.int64))
    renamed = cells._replace(area=area.astype(np.uint32), signal=signal.astype(np.uint16))
    return _Words(tuple(counts.areas[i] for i in areas), tuple(counts.signals[i] for i in signals), renamed)


def _packed(like: Counts, spans: Sequence[Span], words: _Words, quality: Sequence[Quality]) -> Counts:
    return pack(
        rollup=like.rollup,
        config_hash=like.config_hash,
        spans=spans,
        areas=words.areas,
        signals=words.signals,
        cells=words.cells,
        quality=quality,
    )
