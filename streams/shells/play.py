"""Plays records of the past through the engine, with a clock that goes by their times and not by the wall's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from threading import Event
from typing import NamedTuple

from streams.settings import City
from streams.shells.engine import Engine
from streams.shells.errors import ShellError
from streams.shells.records import Record

STEPS_A_WINDOW = 1
STEP_S_MIN = 900
STORM_WEIGHT = 20.0
WAIT_S = 0.05
WAITS_MAX = 1200


class StalledError(ShellError):
    """A sink would not take what was played."""

    status = 1


class Step(NamedTuple):
    """Where the play has come to."""

    now_s: int
    fed: int  # records so far


def step_length_s(city: City) -> int:
    """Seconds of the city's time between two looks at it; the same for every speed, so that every speed has the same outputs."""
    return max(STEP_S_MIN, city.detection.window_s // STEPS_A_WINDOW)


def play(engine: Engine, records: Iterable[Record], first_s: int, end_s: int) -> Iterator[Step]:
    """Feed records step by step; at the end every window with one of them is closed, and none after it.

    Raises:
        StalledError: a sink was away for a minute.
    """
    step_s = step_length_s(engine.city)
    now_s = first_s // step_s * step_s
    fed = 0
    chunk: list[Record] = []
    for record in records:
        while record.at_s >= now_s + step_s:
            now_s += step_s
            fed += _advance(engine, chunk, now_s)
            chunk = []
            yield Step(now_s, fed)
        chunk.append(record)
    fed += _advance(engine, chunk, now_s + step_s)
    _settle(engine, end_s)
    yield Step(end_s, fed)


def _advance(engine: Engine, chunk: Sequence[Record], now_s: int) -> int:
    with engine.store.transaction():  # a play that is broken off is thrown away: one commit a step is enough
        for source in sorted({record.source for record in chunk}):
            mine = [record for record in chunk if record.source == source]
            engine.desk.ingest(source, [record.payload for record in mine], [record.at_s for record in mine])
        engine.desk.idle(now_s)
        engine.drain(now_s)
        if engine.tick(now_s):
            engine.drain(now_s)
    _wait_for_sinks(engine, now_s)
    return len(chunk)


def _wait_for_sinks(engine: Engine, now_s: int) -> None:
    for _ in range(WAITS_MAX):
        if not engine.waiting:
            return
        Event().wait(WAIT_S)
        engine.drain(now_s)
    raise StalledError("a sink did not take the outputs for a minute; see the log for which")


def _settle(engine: Engine, end_s: int) -> None:
    """Close the last window. Nothing is known of the time after it, so nothing is said of it."""
    window_s = engine.city.detection.window_s
    closes_s = -(-end_s // window_s) * window_s
    with engine.store.transaction():
        engine.desk.settle(closes_s)
        engine.drain(closes_s)
    _wait_for_sinks(engine, closes_s)


class Pace:
    """Spreads a play over a wall budget, slower where something is known to happen.

    ``weights`` are (start_s, end_s) stretches that get ``STORM_WEIGHT`` times the wall time of others.
    """

    def __init__(
        self, first_s: int, end_s: int, budget_s: float, storms: Iterable[tuple[int, int]], monotonic: Callable[[], float]
    ) -> None:
        self._first_s, self._at_s = first_s, first_s
        self._storms = [(max(start, first_s), min(end, end_s)) for start, end in storms if end > first_s and start < end_s]
        self._budget_s = budget_s
        self._monotonic = monotonic
        self._started = monotonic()
        self._done = 0.0
        self._total = self._weight(first_s, end_s)

    def wait_s(self, now_s: int) -> float:
        """How long to wait after the play has come to ``now_s``; 0 when it is behind its time."""
        if now_s > self._at_s:
            self._done += self._weight(self._at_s, now_s)
            self._at_s = now_s
        due = self._started + self._budget_s * min(1.0, self._done / self._total if self._total else 1.0)
        return max(0.0, due - self._monotonic())

    def _weight(self, start_s: int, end_s: int) -> float:
        stormy = sum(max(0, min(end, end_s) - max(start, start_s)) for start, end in self._storms)
        return (end_s - start_s) + (STORM_WEIGHT - 1) * stormy
