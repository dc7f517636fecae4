"""The columns of a ``Counts`` record as numpy arrays, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from streams.model import Counts, Quality, Span

_DTYPES = ("<u2", "<u4", "<u2", "<i4", "<i4", "<i4", "<f8", "<f8", "<f8", "<i4")
_INTEGERS = 6  # the first columns are always written, the floats only when some row is a level, ``heard`` only when some row is late
_I4 = np.iinfo(np.int32)


class Cells(NamedTuple):
    """One row a cell, all arrays of equal length. Counts have total 0 and least, most NaN.

    ``heard``: where the watermark of their raw partition stood when late events were judged, in minutes and greater than
    ``minute``; 0 for events in time. Late ones are a cell of their own, so that what becomes of them depends on nothing else.
    """

    span: NDArray[np.uint16]  # index into Counts.spans
    area: NDArray[np.uint32]  # index into Counts.areas
    signal: NDArray[np.uint16]  # index into Counts.signals
    minute: NDArray[np.int32]  # since the epoch
    n: NDArray[np.int32]
    batch: NDArray[np.int32]
    total: NDArray[np.float64]
    least: NDArray[np.float64]
    most: NDArray[np.float64]
    heard: NDArray[np.int32]


def empty() -> Cells:
    """No cells at all."""
    return Cells(*(np.zeros(0, dtype) for dtype in _DTYPES))


def unpack(counts: Counts) -> Cells:
    """Read-only arrays over a record's columns.

    Raises:
        ValueError: columns of unequal length, or an index outside its dictionary.
    """
    rows = len(counts.n) // 4
    levels = bool(counts.total)
    blank = (np.zeros(rows), np.full(rows, np.nan), np.full(rows, np.nan))
    columns = [np.frombuffer(getattr(counts, name), dtype) for name, dtype in zip(Cells._fields[:_INTEGERS], _DTYPES, strict=False)]
    columns += [np.frombuffer(c, "<f8") for c in (counts.total, counts.least, counts.most)] if levels else blank
    columns.append(np.frombuffer(counts.heard, "<i4") if counts.heard else np.zeros(rows, np.int32))
    cells = Cells(*columns)
    if any(len(column) != rows for column in cells):
        raise ValueError(f"counts record with columns of unequal length: {[len(c) for c in cells]}")
    for name, words in (("span", counts.spans), ("area", counts.areas), ("signal", counts.signals)):
        if rows and int(getattr(cells, name).max()) >= len(words):
            raise ValueError(f"counts record whose {name} column points outside its {len(words)} words")
    return cells


def pack(
    *,
    rollup: bool,
    config_hash: str,
    spans: Sequence[Span],
    areas: Sequence[str],
    signals: Sequence[str],
    cells: Cells,
    quality: Sequence[Quality] = (),
) -> Counts:
    """A ``Counts`` record of these cells; the float columns are left out when no row is a level, ``heard`` when none is late."""
    columns = {name: np.ascontiguousarray(c, dtype).tobytes() for name, c, dtype in zip(Cells._fields, cells, _DTYPES, strict=True)}
    if not bool(np.any(~np.isnan(cells.least))):
        columns |= {"total": b"", "least": b"", "most": b""}
    if not np.any(cells.heard):
        columns["heard"] = b""
    return Counts(
        rollup=rollup,
        config_hash=config_hash,
        spans=tuple(spans),
        areas=tuple(areas),
        signals=tuple(signals),
        quality=tuple(quality),
        **columns,
    )


def timeless(cells: Cells) -> Cells:
    """The same without ``heard``: late and punctual rows of one span, area, signal and minute added up to one, sorted by these."""
    if not len(cells.n):
        return cells
    keys = np.stack([column.astype(np.int64) for column in cells[:4]])
    (span, area, signal, minute), group = np.unique(keys, axis=1, return_inverse=True)
    group, size = group.reshape(-1), len(span)
    n, batch, total = (np.bincount(group, column, size).astype(np.float64) for column in (cells.n, cells.batch, cells.total))
    least, most = np.full(size, np.nan), np.full(size, np.nan)
    np.fmin.at(least, group, cells.least)
    np.fmax.at(most, group, cells.most)
    return Cells(
        span.astype(np.uint16),
        area.astype(np.uint32),
        signal.astype(np.uint16),
        minute.astype(np.int32),
        np.clip(n, _I4.min, _I4.max).astype(np.int32),
        np.clip(batch, _I4.min, _I4.max).astype(np.int32),
        total,
        least,
        most,
        np.zeros(size, np.int32),
    )
