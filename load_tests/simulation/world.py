"""The world of one seed: one generator of chance decides everything, and everything that was decided goes into a trace.

Whatever a process does to the outside is an *effect*. Before and after each the process may be killed, or stand still while others
go on; the broker may be away, its disk full, its answer lost.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, NamedTuple

from load_tests.simulation.log import Change, Log

STANDS_MAX = 1
"""So many processes stand still in the middle of something, one within another."""


class Killed(BaseException):
    """A process has come to its end, in the middle of whatever it was doing. No handler of errors may see it."""


class Away(Exception):
    """The broker does not answer."""


class Full(Exception):
    """The broker's disk is full: it answers, and takes nothing."""


class Weather(NamedTuple):
    """How probable each fault is in one seed: some seeds see much of one, and none of another."""

    kill: float
    stop: float  # a process is asked to end, and does so in good order
    stand: float
    lost_answer: float
    away: float
    full: float
    tables: float
    again: float  # a second process under the name of a running one
    expel: float
    compact: float
    skew_s: int

    @classmethod
    def drawn(cls, rng: random.Random) -> Weather:
        """The weather of a seed."""

        def some(least: float, most: float) -> float:
            return rng.choice((0.0, least, least, most))

        return cls(
            kill=some(0.002, 0.015),
            stop=some(0.002, 0.01),
            stand=some(0.01, 0.05),
            lost_answer=some(0.03, 0.2),
            away=some(0.005, 0.02),
            full=some(0.005, 0.02),
            tables=some(0.02, 0.2),
            again=some(0.004, 0.02),
            expel=some(0.005, 0.03),
            compact=some(0.01, 0.05),
            skew_s=rng.choice((0, 0, 5, 90)),
        )


CALM = Weather(*(0.0,) * 10, skew_s=0)


class World:
    """Clock, chance, log and trace of one seed. ``process``: who acts now, or None for what is nobody's."""

    def __init__(self, seed: int, log: Log, weather: Weather, start_s: float) -> None:
        self.rng = random.Random(f"schedule {seed}")
        self.log, self.weather, self.now_s = log, weather, start_s
        self.process: Any = None
        self.turn: Callable[[], None] = lambda: None  # lets somebody else act
        self.away_until_s = self.full_until_s = 0.0
        self.effects = 0
        self.faults: dict[str, int] = {}
        self._trace = blake2b(digest_size=16)
        self._standing = 0

    # chance

    def chance(self, part: float) -> bool:
        """Whether something of that probability happens; without one the generator is not asked."""
        return part > 0 and self.rng.random() < part

    def fault(self, what: str) -> None:
        """Count it."""
        self.faults[what] = self.faults.get(what, 0) + 1
        self.note("fault", what)

    def note(self, *words: object) -> None:
        """Into the trace."""
        self._trace.update(repr(words).encode())

    def wrote(self, change: Change) -> None:
        """Into the trace, byte for byte."""
        self.note(change.topic, change.partition, change.entry.offset, change.entry.key, change.entry.value)

    def digest(self) -> str:
        """Of everything so far."""
        return self._trace.hexdigest()

    # effects

    def effect(self, what: str) -> None:
        """Between two effects of the process that acts: it may end here, or stand still.

        Raises:
            Killed: it does not go on.
        """
        self.effects += 1
        process = self.process
        if process is None:
            return
        self.note(process.name, what)
        if self.chance(self.weather.kill):
            self.fault("killed")
            raise Killed
        if self._standing < STANDS_MAX and self.chance(self.weather.stand):
            self._stand(process)
        if not process.alive:  # meanwhile
            raise Killed

    def _stand(self, process: Any) -> None:
        self.fault("stood_still")
        self._standing += 1
        process.standing = True
        try:
            for _ in range(self.rng.choice((1, 2, 4, 8, 16))):
                self.turn()
        finally:
            process.standing = False
            self.process = process
            self._standing -= 1

    def asks(self, what: str) -> None:
        """A request that changes nothing.

        Raises:
            Away: no answer.
        """
        self.effect(what)
        if self.now_s < self.away_until_s:
            raise Away

    def writes(self, what: str) -> None:
        """A request that appends something.

        Raises:
            Away: no answer.
            Full: it is refused.
        """
        self.asks(what)
        if self.now_s < self.full_until_s:
            raise Full

    def answer_lost(self) -> bool:
        """Whether what was done is not heard of."""
        if self.chance(self.weather.lost_answer):
            self.fault("answer_lost")
            return True
        return False


class Clock:
    """What the module ``time`` is to a process: its own wall clock may be wrong, and is never the log's."""

    def __init__(self, world: Callable[[], World]) -> None:
        self._world = world

    def monotonic(self) -> float:
        """Goes on everywhere alike."""
        return self._world().now_s

    def time(self) -> float:
        """Of whoever asks."""
        world = self._world()
        return world.now_s + (world.process.skew_s if world.process is not None else 0)
