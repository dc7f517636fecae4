"""The feed's recent past: encoded frames in order, bounded in number and bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from sinks.cockpit.board import Held
from streams.model import Alert, Outcome, Transition

Key = tuple[int, int]
"""(transition position, 0 for the transition itself or 1 for an update that came after it); never goes back."""


class Frame(NamedTuple):
    """One encoded event, and what it was made of: the alert as it is since, and as it was before."""

    key: Key
    data: bytes
    step: Transition | Outcome | None = None
    position: int | None = None
    held: Held | None = None
    before: Alert | None = None


class Ring:
    """Frames are numbered from 0 as they come; ``first`` is the oldest still held, ``end`` the next to come."""

    def __init__(self, *, frames_max: int, bytes_max: int) -> None:
        self._frames: deque[Frame] = deque()
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self.bytes = 0
        self.first = 0
        self._floor: Key = (0, 0)  # of the newest frame that is no longer held

    @property
    def end(self) -> int:
        return self.first + len(self._frames)

    def __len__(self) -> int:
        return len(self._frames)

    def start_after(self, position: int) -> None:
        """Forget everything: what comes next comes after ``position``."""
        self.first = self.end
        self._frames.clear()
        self.bytes = 0
        self._floor = (position, 0)

    def add(self, frame: Frame) -> None:
        """Take a frame in; the oldest ones leave when a bound is passed."""
        assert not self._frames or frame.key >= self._frames[-1].key, "frames come in order"
        self._frames.append(frame)
        self.bytes += len(frame.data)
        while len(self._frames) > self._frames_max or self.bytes > self._bytes_max:
            gone = self._frames.popleft()
            self.bytes -= len(gone.data)
            self.first += 1
            self._floor = gone.key

    def number_after(self, position: int) -> int | None:
        """The number of the first frame that somebody who has the transition at ``position`` lacks; None: it is gone."""
        have: Key = (position, 0)
        if have < self._floor:
            return None
        return self.first + sum(1 for frame in self._frames if frame.key <= have)

    def frames(self, start: int, end: int) -> Iterator[tuple[int, Frame]]:
        """Frames ``start`` to ``end`` (exclusive) with their numbers. ``start`` must still be held."""
        assert self.first <= start <= end <= self.end
        return zip(range(start, end), islice(self._frames, start - self.first, end - self.first), strict=True)

    def take(self, start: int, end: int) -> bytes:
        """Those frames, joined."""
        return b"".join(frame.data for _, frame in self.frames(start, end))
