"""The last windows of many series: sums over several durations, and how far they scatter about what was expected."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.base import Bools, Floats, Ints, State
from detectors.clipped import Clip
from detectors.packed import pack_counts, pack_means, unpack_counts, unpack_means

_PHI_START = 1.3  # dispersion believed before anything was seen
_PHI_MAX = 50.0  # or, where so much is counted, as large as the mean: a standard deviation of a whole mean
_SPARING = 5  # durations below so many windows learn their dispersion from every so-manieth one, when windows are many a day


class Rings:
    """Observed and expected counts of the last L windows (L: the longest duration less one), and rolling sums over them."""

    def __init__(
        self,
        pool: Ints,
        kind: Ints,
        durations: tuple[int, ...],
        block: int,
        pool_weight: float,
        discount: float,
        clip: Clip,
        outbreak_events: float,
    ) -> None:
        assert durations[0] == 1, f"the first duration is the window itself, not {durations[0]} windows"
        size = len(pool)
        self._pool, self._pools = pool, int(pool.max(initial=0)) + 1
        self._kind = np.unique(kind, return_inverse=True)[1]
        self._pool_of_kind = np.zeros(int(self._kind.max(initial=0)) + 1, np.int64)
        self._pool_of_kind[self._kind] = pool
        self._durations = durations
        self._length = max(durations[-1] - 1, 1)
        self._pool_weight, self._discount = pool_weight, discount
        self._clip, self._outbreak_events = clip, outbreak_events
        self._every = tuple(d * _SPARING if d < _SPARING < block else d for d in durations)
        self._day = max(i for i, d in enumerate(durations) if i == 0 or d <= max(block, _SPARING))
        self._reach = [d - 1 for d in durations[1:]]
        self._seen = np.broadcast_to(pack_counts(np.zeros(1)), (self._length, size)).copy()
        self._due = np.zeros((self._length, size), np.uint16)  # expected
        self._sums = np.zeros((2, len(durations) - 1, size))  # observed and expected over the last d - 1 windows, d > 1
        self._scatter = np.zeros((2, len(durations), size), np.float32)  # weighted squared deviations, weights
        self._at = 0  # where the next window goes

    def sums(self, ahead: Sequence[tuple[int, Floats, Floats]], rows: Ints) -> tuple[Floats, Floats]:
        """Observed and expected (R, D) over the d - 1 windows before the one being scored; ``ahead``: the newest of them, not pushed yet."""
        both = np.zeros((2, len(self._durations), len(rows)))
        both[:, 1:] = self._sums[:, :, rows]
        for i, duration in enumerate(self._durations):
            for k in range(min(len(ahead), duration - 1)):
                at = (self._at - (duration - 1) + k) % self._length
                both[0, i] -= unpack_counts(self._seen[at][rows])
                both[1, i] -= unpack_means(self._due[at][rows])
            for _, seen, expected in ahead[len(ahead) - min(len(ahead), duration - 1) :]:
                both[0, i] += unpack_counts(pack_counts(seen))  # as they will stand in the ring
                both[1, i] += unpack_means(pack_means(expected))
        return both[0].T, np.maximum(both[1].T, 0.0)

    def push(self, index: int, seen: Floats, expected: Floats, q: Floats, phi: Floats, *, learn: Bools, flagged: Bools) -> None:
        """Take a window in; now and then durations that end with it learn their dispersion, where ``learn`` and, in an outbreak, not ``flagged``."""
        before = [np.zeros((2, len(seen))), *self._sums.transpose(1, 0, 2)]
        excess = before[self._day][0] + seen - before[self._day][1] - expected
        learn = learn & ~(flagged & (np.abs(excess) > self._outbreak_events))
        for i, every in enumerate(self._every):
            if (index + 1) % every == 0:
                self._disperse(i, before[i][0] + seen, before[i][1] + expected, q, phi[:, i], learn)
        counts, means = pack_counts(seen), pack_means(expected)
        pushed = unpack_counts(counts), unpack_means(means)
        for i, reach in enumerate(self._reach):
            at = (self._at - reach) % self._length
            self._sums[0, i] += pushed[0] - unpack_counts(self._seen[at])
            self._sums[1, i] += pushed[1] - unpack_means(self._due[at])
        self._seen[self._at], self._due[self._at] = counts, means
        self._at = (self._at + 1) % self._length

    def at(self, windows_ago: int, row: int) -> tuple[float, float]:
        """What was seen and expected of a series ``windows_ago`` >= 1; zeros where that is out of reach."""
        if windows_ago > self._length:
            return 0.0, 0.0
        at = (self._at - windows_ago) % self._length
        return float(unpack_counts(self._seen[at, row : row + 1])[0]), float(unpack_means(self._due[at, row : row + 1])[0])

    def amend(self, windows_ago: int, row: int, n: float) -> bool:
        """Add late events; False when no duration reaches back so far."""
        assert windows_ago >= 1, windows_ago
        reached = [i for i, duration in enumerate(self._durations) if windows_ago <= duration - 1]
        if not reached:
            return False
        place = self._seen[(self._at - windows_ago) % self._length, row : row + 1]
        before = unpack_counts(place)
        place[:] = pack_counts(before + n)
        for i in reached:
            self._sums[0, i - 1, row] += unpack_counts(place)[0] - before[0]
        return True

    def phi(self, usual: Floats) -> Floats:
        """Dispersion (S, D), at least 1: a series' own, shrunk to its kind's (one signal in one pool), that to the pool's. ``usual`` (S,): mean of a window."""
        total, weight = self._scatter.astype(float)
        own = np.empty_like(total)
        before: Floats | None = None
        for i in range(len(own)):
            if before is None:
                shard = self._shrunk(self._pool, total[i], weight[i], np.full(self._pools, _PHI_START))
                before = shard[self._pool_of_kind]
            # what is not known of a long duration is taken from the next shorter one
            before = self._shrunk(self._kind, total[i], weight[i], before)
            own[i] = (total[i] + before[self._kind] * self._pool_weight) / (weight[i] + self._pool_weight)
        most = np.maximum(_PHI_MAX, usual * np.array(self._durations, float)[:, None])
        return np.asarray(np.clip(own, 1.0, most).T.copy())

    def _shrunk(self, group: Ints, total: Floats, weight: Floats, prior: Floats) -> Floats:
        """Dispersion of each group of series, shrunk towards ``prior``."""
        size = len(prior)
        seen, known = np.bincount(group, total, size), np.bincount(group, weight, size)
        return np.asarray((seen + prior * self._pool_weight) / (known + self._pool_weight))

    def snapshot(self) -> State:
        return {
            "seen": self._seen.copy(),
            "due": self._due.copy(),
            "sums": self._sums.copy(),
            "scatter": self._scatter.copy(),
            "at": np.array([self._at]),
        }

    def restore(self, state: State) -> None:
        self._seen, self._due = np.array(state["seen"], np.uint16), np.array(state["due"], np.uint16)
        self._sums, self._scatter = np.array(state["sums"], float), np.array(state["scatter"], np.float32)
        self._at = int(state["at"][0])

    def _disperse(self, i: int, seen: Floats, expected: Floats, q: Floats, phi: Floats, learn: Bools) -> None:
        mean = np.maximum(expected, 1e-9)
        deviation = self._clip.clipped(seen - mean, phi * mean + q * mean * mean)
        ratio = (deviation * deviation - q * mean * mean) / mean / self._clip.kept(mean, phi)
        weight = np.where(learn & (expected > 0), mean / (1.0 + 2.0 * mean), 0.0)  # inverse variance of the ratio, up to a factor
        kept_part = np.where(learn, self._discount, 1.0)
        self._scatter[0, i] = self._scatter[0, i] * kept_part + weight * ratio
        self._scatter[1, i] = self._scatter[1, i] * kept_part + weight
