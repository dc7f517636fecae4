"""Which series have drifted: river's drift detectors over residuals, one number a block and series.

A detector is what it was told since it began: the last ``MEMORY`` residuals are its snapshot, and to restore it is to tell it them
again (see ``detectors.relearning``).

Cost, measured on one core of a small machine: an item takes ADWIN 2 us, PageHinkley 5 us and KSWIN, once it knows 56, 1.2 ms. For 100,000 series that
is a quarter and half a second a block, 520 bytes of snapshot and 0.8 KB of objects a series, 4 s to make and 10 to 20 s to restore: bearable once a
day for ADWIN, not for shorter blocks. KSWIN is for some hundred series. A bank that has more hands over the rows that are worth it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from detectors.base import Bools, Floats, Ints, State

DRIFTS: tuple[str, ...] = ("none", "ADWIN", "PageHinkley", "KSWIN")
"""Names of drift detectors; ``none`` never says anything."""
MEMORY = 128
"""Residuals that are remembered of a series; then the newest half of them."""


_PARAMS: dict[str, dict[str, Any]] = {
    "ADWIN": {"delta": 0.002, "clock": 1},
    "PageHinkley": {"min_instances": 14, "delta": 0.5, "threshold": 20.0},
    "KSWIN": {"alpha": 1e-4, "window_size": 56, "stat_size": 14, "seed": 1},
}


class Drift:
    """Drift detectors of S series. Residuals are standardised: of about mean 0 and variance 1 while nothing has moved."""

    def __init__(self, name: str, size: int) -> None:
        self._make = _maker(name)
        self._size = size if self._make else 0
        self._told = np.full((MEMORY, self._size), np.nan, np.float32)
        self._number: Ints = np.zeros(self._size, np.int64)  # residuals remembered
        self._detectors = [self._make() for _ in range(self._size)] if self._make else []

    def update(self, values: Floats, known: Bools) -> Bools:
        """Tell the residuals (S,) of a block, where ``known`` (S,); returns which series (S,) have drifted. Those begin anew."""
        drifted = np.zeros(len(values), bool)
        if not self._make:
            return drifted
        rows = np.flatnonzero(known & np.isfinite(values))
        told = values.astype(np.float32)
        self._halve(rows[self._number[rows] >= MEMORY])
        self._told[self._number[rows], rows] = told[rows]
        self._number[rows] += 1
        for row, value in zip(rows.tolist(), told[rows].tolist(), strict=True):
            detector = self._detectors[row]
            detector.update(value)
            drifted[row] = detector.drift_detected
        for row in np.flatnonzero(drifted).tolist():
            self._begin(row, 0)
        return drifted

    def snapshot(self) -> State:
        return {"told": self._told.copy(), "number": self._number.copy()}

    def restore(self, state: State) -> None:
        """Go on from a snapshot: tell again what was told."""
        self._told, self._number = np.array(state["told"], np.float32), np.array(state["number"], np.int64)
        for row in range(self._size):
            self._begin(row, int(self._number[row]))

    def _halve(self, rows: Ints) -> None:
        half = MEMORY // 2
        self._told[:half, rows] = self._told[half:, rows]
        for row in rows.tolist():
            self._begin(row, half)

    def _begin(self, row: int, number: int) -> None:
        """A new detector for a row that has been told the first ``number`` of its residuals."""
        assert self._make
        self._told[number:, row] = np.nan
        self._number[row] = number
        self._detectors[row] = detector = self._make()
        for value in self._told[:number, row].tolist():
            detector.update(value)


def _maker(name: str) -> Callable[[], Any] | None:
    """What makes a detector of river by its name; residuals come once a block, so each is looked at at once.

    Raises:
        ValueError: there is none of that name.
    """
    if name not in DRIFTS:
        raise ValueError(f"{name!r} is not a drift detector; choose one of {', '.join(DRIFTS)}")
    if name == "none":
        return None
    from river import drift  # noqa: PLC0415 - a second that only who wants it waits for

    return partial(getattr(drift, name), **_PARAMS[name])
