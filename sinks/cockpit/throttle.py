"""Slows down who guesses: after some attempts each further one has to wait twice as long as the one before. Bounded; ``now_s`` is given."""

from __future__ import annotations

import threading
from collections import OrderedDict

FORGET_S = 3600.0
ENTRIES_MAX = 10_000


class Throttle:
    """Attempts by key (a user's name, an address). An attempt counts when it begins, so that many at once gain nothing."""

    def __init__(self, *, free: int, wait_s_max: float, entries_max: int = ENTRIES_MAX) -> None:
        self._free = free
        self._wait_s_max = wait_s_max
        self._entries_max = entries_max
        self._mutex = threading.Lock()
        self._attempts: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, and when the next one may be
        self.left = 0  # entries that left for want of room

    def __len__(self) -> int:
        return len(self._attempts)

    def begin(self, key: str, now_s: float) -> float:
        """Count an attempt; or seconds after which it may be made.

        >>> throttle = Throttle(free=2, wait_s_max=60)
        >>> [throttle.begin("anna", 100.0) for _ in range(3)]
        [0.0, 0.0, 1.0]
        """
        with self._mutex:
            count, next_s = self._attempts.pop(key, (0, now_s))
            if now_s - next_s > FORGET_S:
                count, next_s = 0, now_s
            wait_s = max(0.0, next_s - now_s)
            if not wait_s:
                count += 1
                next_s = now_s + (min(self._wait_s_max, 2.0 ** min(count - self._free, 60)) if count >= self._free else 0.0)
            self._attempts[key] = (count, next_s)
            if len(self._attempts) > self._entries_max:
                self._attempts.popitem(last=False)
                self.left += 1
            return wait_s

    def undo(self, key: str, now_s: float) -> None:
        """The attempt was right: it does not count."""
        with self._mutex:
            if key in self._attempts:
                self._attempts[key] = (max(0, self._attempts[key][0] - 1), now_s)

    def clear(self, key: str) -> None:
        """Forget all attempts of a key."""
        with self._mutex:
            self._attempts.pop(key, None)
