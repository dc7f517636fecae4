"""Running sums over windows: a sum over any of the last windows is the difference of two of them."""

from __future__ import annotations

import numpy as np

from detectors.base import Floats, State


class Running:
    """Sums of K numbers a window for S series, kept for as many windows as the longest of D durations needs.

    The first of the numbers counts windows: 1 where a window counts for a series, else 0.
    """

    def __init__(self, durations: tuple[int, ...], kinds: int, size: int) -> None:
        self.durations = np.array(durations, np.int64)
        self._length = durations[-1] + 1
        self._sums = np.zeros((self._length, kinds, size))
        self._place = 0  # row of the newest

    @property
    def now(self) -> Floats:
        """The sums (K, S) up to the newest window; not to be written to."""
        return np.asarray(self._sums[self._place])

    def over(self, chain: list[Floats], step: Floats) -> Floats:
        """Sums (D, K, S) over the durations that end with ``step`` (K, S). ``chain``: ``now``, and the sums after each window not pushed yet."""
        back = self.durations - len(chain)
        starts = self._sums[(self._place - back) % self._length]
        for i in np.flatnonzero(back < 0):
            starts[i] = chain[-self.durations[i]]
        return np.asarray((chain[-1] + step)[None] - starts)

    def push(self, step: Floats) -> None:
        """Take a window in."""
        before, self._place = self._place, (self._place + 1) % self._length
        self._sums[self._place] = self._sums[before] + step

    def amend(self, windows_ago: int, row: int, kind: int, n: float) -> bool:
        """Add to a number of a window pushed ``windows_ago`` >= 1 windows ago; False where it is out of reach or did not count."""
        assert windows_ago >= 1, windows_ago
        if windows_ago >= self._length - 1:
            return False
        newer = (self._place - np.arange(windows_ago + 1)) % self._length
        if self._sums[newer[-2], 0, row] <= self._sums[newer[-1], 0, row]:
            return False
        self._sums[newer[:-1], kind, row] += n
        return True

    def snapshot(self) -> State:
        """Copies."""
        return {"sums": self._sums.copy(), "place": np.array([self._place])}

    def restore(self, state: State) -> None:
        """Go on from a snapshot."""
        self._sums, self._place = np.array(state["sums"], float), int(state["place"][0])
