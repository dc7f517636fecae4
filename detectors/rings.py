"""The last windows of many series: sums over several durations, and how far they scatter about what was expected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.base import Bools, Floats, Ints, State

_PHI_START = 1.3  # dispersion believed before anything was seen
_PHI_MAX = 50.0
_SPARING = 5  # durations below so many windows learn their dispersion from every so-manieth one, when windows are many a day
_CLIP = 4.0  # standard deviations, and
_CLIP_EVENTS = 5.0  # events, beyond which a deviation adds no more to the dispersion
_OUTBREAK_EVENTS = (
    10.0  # off the mark over about a day, and surprising: an outbreak. Fewer are a cluster, as reports come in, and dispersion
)


class Rings:
    """Observed and expected counts of the last L windows (L: the longest duration less one), and rolling sums over them."""

    def __init__(self, pool: Ints, kind: Ints, durations: tuple[int, ...], block: int, pool_weight: float, discount: float) -> None:
        assert durations[0] == 1, f"the first duration is the window itself, not {durations[0]} windows"
        size = len(pool)
        self._pool, self._pools = pool, int(pool.max(initial=0)) + 1
        self._kind = np.unique(kind, return_inverse=True)[1]
        self._pool_of_kind = np.zeros(int(self._kind.max(initial=0)) + 1, np.int64)
        self._pool_of_kind[self._kind] = pool
        self._durations = durations
        self._length = max(durations[-1] - 1, 1)
        self._pool_weight, self._discount = pool_weight, discount
        self._every = tuple(d * _SPARING if d < _SPARING < block else d for d in durations)
        self._day = max(i for i, d in enumerate(durations) if i == 0 or d <= max(block, _SPARING))
        self._reach = np.array([d - 1 for d in durations])
        self._ring = np.zeros((2, self._length, size), np.float32)  # observed, expected
        self._sums = np.zeros((2, len(durations), size))  # over the last d - 1 windows
        self._scatter = np.zeros((2, len(durations), size))  # weighted squared deviations, weights
        self._at = 0  # where the next window goes

    def sums(self, ahead: Sequence[tuple[int, Floats, Floats]], rows: Ints) -> tuple[Floats, Floats]:
        """Observed and expected (R, D) over the d - 1 windows before the one being scored; ``ahead``: the newest of them, not pushed yet."""
        both = self._sums[:, :, rows].copy()
        for i, duration in enumerate(self._durations):
            for k in range(min(len(ahead), duration - 1)):
                both[:, i] -= self._ring[:, (self._at - (duration - 1) + k) % self._length, :][:, rows]
            for _, seen, expected in ahead[len(ahead) - min(len(ahead), duration - 1) :]:
                both[0, i] += seen
                both[1, i] += expected.astype(np.float32)  # as they will stand in the ring
        return both[0].T, np.maximum(both[1].T, 0.0)

    def push(self, index: int, seen: Floats, expected: Floats, q: Floats, *, learn: Bools, flagged: Bools) -> None:
        """Take a window in; now and then durations that end with it learn their dispersion, where ``learn`` and, in an outbreak, not ``flagged``."""
        excess = self._sums[0, self._day] + seen - self._sums[1, self._day] - expected
        learn = learn & ~(flagged & (np.abs(excess) > _OUTBREAK_EVENTS))
        for i, every in enumerate(self._every):
            if (index + 1) % every == 0:
                self._disperse(i, self._sums[0, i] + seen, self._sums[1, i] + expected, q, learn)
        pushed = np.stack((seen, expected)).astype(np.float32)
        leaving = self._ring[:, (self._at - self._reach[1:]) % self._length]
        self._sums[:, 1:] += np.subtract(pushed[:, None], leaving, dtype=np.float64)
        self._ring[:, self._at] = pushed
        self._at = (self._at + 1) % self._length

    def amend(self, windows_ago: int, row: int, n: float) -> bool:
        """Add late events; False when no duration reaches back so far."""
        assert windows_ago >= 1, windows_ago
        reached = [i for i, duration in enumerate(self._durations) if windows_ago <= duration - 1]
        if not reached:
            return False
        self._ring[0, (self._at - windows_ago) % self._length, row] += n
        for i in reached:
            self._sums[0, i, row] += n
        return True

    def phi(self) -> Floats:
        """Dispersion (S, D), at least 1: a series' own, shrunk to its kind's (one signal in one pool), that to the pool's."""
        total, weight = self._scatter
        own = np.empty_like(total)
        before: Floats | None = None
        for i in range(len(own)):
            if before is None:
                shard = self._shrunk(self._pool, total[i], weight[i], np.full(self._pools, _PHI_START))
                before = shard[self._pool_of_kind]
            # what is not known of a long duration is taken from the next shorter one
            before = self._shrunk(self._kind, total[i], weight[i], before)
            own[i] = (total[i] + before[self._kind] * self._pool_weight) / (weight[i] + self._pool_weight)
        return np.clip(own, 1.0, _PHI_MAX).T.copy()

    def _shrunk(self, group: Ints, total: Floats, weight: Floats, prior: Floats) -> Floats:
        """Dispersion of each group of series, shrunk towards ``prior``."""
        size = len(prior)
        seen, known = np.bincount(group, total, size), np.bincount(group, weight, size)
        return np.asarray((seen + prior * self._pool_weight) / (known + self._pool_weight))

    def snapshot(self) -> State:
        return {"ring": self._ring.copy(), "sums": self._sums.copy(), "scatter": self._scatter.copy(), "at": np.array([self._at])}

    def restore(self, state: State) -> None:
        self._ring = np.array(state["ring"], np.float32)
        self._sums, self._scatter = np.array(state["sums"], float), np.array(state["scatter"], float)
        self._at = int(state["at"][0])

    def _disperse(self, i: int, seen: Floats, expected: Floats, q: Floats, learn: Bools) -> None:
        mean = np.maximum(expected, 1e-9)
        spread = np.sqrt(2.0 * mean + q * mean * mean)
        deviation = np.clip(seen - mean, -_CLIP_EVENTS - _CLIP * spread, _CLIP_EVENTS + _CLIP * spread)
        ratio = (deviation * deviation - q * mean * mean) / mean
        weight = np.where(learn & (expected > 0), mean / (1.0 + 2.0 * mean), 0.0)  # inverse variance of the ratio, up to a factor
        self._scatter[:, i] *= np.where(learn, self._discount, 1.0)
        self._scatter[0, i] += weight * ratio
        self._scatter[1, i] += weight
