"""Windows: which one a minute belongs to, its season in local civil time, and the cells of those still open."""

from __future__ import annotations

import calendar
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from detectors.base import Bools, Floats, Ints, Observed, Window
from streams.columns import Cells
from streams.model import MINUTE_S

SUNDAY = 6


@lru_cache(maxsize=4096)
def window_at(index: int, window_s: int, timezone: str, days_off: frozenset[int] = frozenset()) -> Window:
    """The window with this index, its season taken at its middle. Days off (ordinals of local dates) go like Sundays.

    >>> window_at(0, 3600, "America/New_York").hour
    19
    """
    middle = datetime.fromtimestamp(index * window_s + window_s // 2, ZoneInfo(timezone))
    days = 366 if calendar.isleap(middle.year) else 365
    past = middle.timetuple().tm_yday - 1 + middle.hour / 24
    weekday = SUNDAY if middle.toordinal() in days_off else middle.weekday()
    return Window(index, index * window_s, middle.hour, weekday, past / days)


class Open:
    """The cells of one window of S series that has not closed yet."""

    __slots__ = ("batch", "least", "most", "n", "said", "total", "touched")

    def __init__(self, size: int) -> None:
        self.n: Floats = np.zeros(size)
        self.batch: Floats = np.zeros(size)
        self.total: Floats = np.zeros(size)
        self.least: Floats = np.full(size, np.inf)
        self.most: Floats = np.full(size, -np.inf)
        self.touched: Bools = np.zeros(size, bool)
        self.said: Floats = np.zeros(size)  # the recurrence interval of the last early finding

    def add(self, rows: Ints, cells: Cells, picked: Ints) -> None:
        """Merge ``cells[picked]`` into ``rows``; a row may come more than once."""
        n, batch, total, least, most = (column[picked] for column in cells[4:9])
        np.add.at(self.n, rows, n)
        np.add.at(self.batch, rows, batch)
        np.add.at(self.total, rows, total)
        np.fmin.at(self.least, rows, least)
        np.fmax.at(self.most, rows, most)
        self.touched[rows] = True

    def observed(self, rows: Ints, *, absent_is_zero: bool, levels: bool) -> Observed:
        """What the series ``rows`` saw; events that were entered in a batch are left out."""
        n = np.maximum(self.n[rows] - self.batch[rows], 0.0)
        present = np.ones(len(rows), bool) if absent_is_zero else self.touched[rows]
        if not levels:
            return Observed(n, n, n, n, present)
        known = np.isfinite(self.least[rows])
        total, least, most = (np.where(known, column[rows], np.nan) for column in (self.total, self.least, self.most))
        return Observed(n, total, least, most, present)

    def packed(self) -> dict[str, bytes]:
        """For a snapshot."""
        return {name: getattr(self, name).tobytes() for name in self.__slots__}

    @classmethod
    def unpacked(cls, size: int, state: dict[str, bytes]) -> Open:
        """Back from a snapshot."""
        window = cls(size)
        for name in cls.__slots__:
            setattr(window, name, np.frombuffer(state[name], getattr(window, name).dtype).copy())
        return window


def index_of(minute: NDArray[np.int32], window_s: int) -> Ints:
    """Window indices of minutes since the epoch."""
    return np.asarray(minute.astype(np.int64) * MINUTE_S // window_s)
