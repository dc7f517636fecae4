"""Fold: events become cells, one for each area, signal and minute, late ones apart; the city's record holds the sums of its districts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.columns import Cells, empty
from streams.core.distinct import distinct
from streams.model import MINUTE_S

_MINUTE_BITS = 31
_I4 = np.iinfo(np.int32)
_FIELDS = 5  # n, batch, total, least, most
_Rows = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]  # keys, heard, values


class Folded(NamedTuple):
    """Cells sorted by area, signal, minute and when they were heard, and the words their columns point into. ``saturated``: cells whose n did not fit."""

    areas: tuple[str, ...]
    signals: tuple[str, ...]
    cells: Cells
    saturated: int


class Batch(NamedTuple):
    """Single events in columns. ``area`` and ``signal``: numbers of ``Fold.areas`` and ``Fold.signals``; ``heard``: as in ``Cells``."""

    area: NDArray[np.int32]
    signal: NDArray[np.int32]
    minute: NDArray[np.int64]
    batch: NDArray[np.int8]
    heard: NDArray[np.int64]


class Fold:
    """Gathers the events of one batch. ``areas`` and ``signals`` are all there can be."""

    def __init__(self, areas: Iterable[str], signals: Iterable[str]) -> None:
        self.areas = tuple(sorted(areas))
        self.signals = tuple(sorted(signals))
        self._area_at = {code: i * len(self.signals) for i, code in enumerate(self.areas)}
        self._signal_at = {name: i for i, name in enumerate(self.signals)}
        self._rows: dict[int, list[float]] = {}
        self._late: dict[tuple[int, int], list[float]] = {}
        self._batches: list[Batch] = []

    def count(self, area: str, signal: str, time_s: int, n: int, batch: int = 0, *, heard_s: int = 0) -> None:
        """``n`` events, ``batch`` of them of a batch entry. Zero is worth a cell: something was there to count them.

        ``heard_s``: the watermark they were too late for, or 0.
        """
        row = self._row(area, signal, time_s, heard_s)
        row[0] += n
        row[1] += batch

    def level(self, area: str, signal: str, time_s: int, value: float, *, heard_s: int = 0) -> None:
        """One reading."""
        row = self._row(area, signal, time_s, heard_s)
        row[0] += 1
        row[2] += value
        if not row[3] <= value:  # true of NaN, too
            row[3] = value
        if not row[4] >= value:
            row[4] = value

    def add(self, batch: Batch) -> None:
        """Each of them one event."""
        self._batches.append(batch)

    def take(self) -> Folded:
        """What was gathered; the next batch begins with nothing."""
        keys = np.array([*self._rows, *(key for key, _ in self._late)], np.int64)
        heard = np.array([*(0 for _ in self._rows), *(minute for _, minute in self._late)], np.int64)
        values = np.array([*self._rows.values(), *self._late.values()], np.float64).reshape(len(keys), _FIELDS)
        self._rows, self._late = {}, {}
        if self._batches:
            return self._folded(*self._with_batches(keys, heard, values))
        order = np.lexsort((heard, keys))
        return self._folded(keys[order], heard[order], values[order])

    def _with_batches(self, keys: NDArray[np.int64], heard: NDArray[np.int64], values: NDArray[np.float64]) -> _Rows:
        batches, self._batches = self._batches, []
        series = [b.area.astype(np.int64) * len(self.signals) + b.signal for b in batches]
        keys = np.concatenate([keys, *(at << _MINUTE_BITS | b.minute for at, b in zip(series, batches, strict=True))])
        heard = np.concatenate([heard, *(b.heard for b in batches)])
        keys, heard, group = _grouped(keys, heard)
        size, known = len(keys), len(values)
        found = np.zeros((size, _FIELDS))
        found[:, 3:] = np.nan
        found[:, 0] = np.bincount(group, minlength=size)
        found[:, 1] = np.bincount(group[known:], np.concatenate([b.batch for b in batches]), size)
        rows = group[:known]
        found[rows, 0] += values[:, 0] - 1
        found[rows, 1] += values[:, 1]
        found[rows, 2:] = values[:, 2:]
        return keys, heard, found

    def rolled(self, folded: Folded, upper: Callable[[str], str]) -> Folded:
        """The same with each area's cells put into those of ``upper(area)``."""
        at = np.array([self._area_at[upper(code)] for code in folded.areas], np.int64)
        signal_at = np.array([self._signal_at[name] for name in folded.signals], np.int64)
        cells = folded.cells
        if not len(cells.n):
            return folded
        series = at[cells.area] + signal_at[cells.signal]
        keys, heard, group = _grouped(series << _MINUTE_BITS | cells.minute, cells.heard.astype(np.int64))
        values = np.zeros((len(keys), _FIELDS))
        sums = cells.n.astype(np.float64), cells.batch.astype(np.float64), cells.total
        for i, column in enumerate(sums):
            values[:, i] = np.bincount(group, weights=column, minlength=len(keys))  # adds in row order: the same bits every time
        values[:, 3:] = np.nan
        np.fmin.at(values[:, 3], group, cells.least)
        np.fmax.at(values[:, 4], group, cells.most)
        return self._folded(keys, heard, values)

    def _row(self, area: str, signal: str, time_s: int, heard_s: int) -> list[float]:
        minute = time_s // MINUTE_S
        key = (self._area_at[area] + self._signal_at[signal]) << _MINUTE_BITS | minute
        if heard_s // MINUTE_S > minute:  # late within its own minute is late within any window
            return self._late.setdefault((key, heard_s // MINUTE_S), [0, 0, 0.0, np.nan, np.nan])
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = [0, 0, 0.0, np.nan, np.nan]
        return row

    def _folded(self, keys: NDArray[np.int64], heard: NDArray[np.int64], values: NDArray[np.float64]) -> Folded:
        if not len(keys):
            return Folded((), (), empty(), 0)
        series, minute = keys >> _MINUTE_BITS, keys & ((1 << _MINUTE_BITS) - 1)
        areas, area = distinct(series // len(self.signals))
        signals, signal = distinct(series % len(self.signals))
        n = np.clip(values[:, :2], _I4.min, _I4.max)
        cells = Cells(
            span=np.zeros(len(keys), np.uint16),
            area=area.astype(np.uint32),
            signal=signal.astype(np.uint16),
            minute=minute.astype(np.int32),
            n=n[:, 0].astype(np.int32),
            batch=n[:, 1].astype(np.int32),
            total=values[:, 2].copy(),
            least=values[:, 3].copy(),
            most=values[:, 4].copy(),
            heard=heard.astype(np.int32),
        )
        saturated = int((n[:, 0] != values[:, 0]).sum())
        return Folded(_words(self.areas, areas), _words(self.signals, signals), cells, saturated)


def _words(words: Sequence[str], at: NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(words[i] for i in at.tolist())


def _grouped(keys: NDArray[np.int64], heard: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The different (key, heard), sorted, and which of them each row is."""
    series, series_at = distinct(keys >> _MINUTE_BITS)
    minutes, minute_at = distinct(keys & ((1 << _MINUTE_BITS) - 1))
    heards, heard_at = distinct(heard)
    both, group = distinct((series_at * len(minutes) + minute_at) * len(heards) + heard_at)
    own = both // len(heards)
    return series[own // len(minutes)] << _MINUTE_BITS | minutes[own % len(minutes)], heards[both % len(heards)], group
