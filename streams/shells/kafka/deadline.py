"""Ends the process when something that has a bound goes beyond it: a call into a library that does not come back cannot be broken off."""

from __future__ import annotations

import os
import threading
import time
from types import TracebackType

import structlog

log = structlog.get_logger()

LOOK_S = 1.0
STATUS = 70
"""Exit status of a process that was ended so."""


class Deadline:
    """Watches stretches of one thread's work from a thread of its own: ``with Deadline(...) as d: ... with d.stretch(): ...``."""

    def __init__(self, what: str, seconds_max: float) -> None:
        self._what, self._seconds_max = what, seconds_max
        self._began: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="deadline", daemon=True)

    def __enter__(self) -> Deadline:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()

    def stretch(self) -> Stretch:
        """What must be over in time; may be entered again and again."""
        return Stretch(self)

    def begin(self) -> None:
        """The clock runs."""
        self._began = time.monotonic()

    def end(self) -> None:
        """It was in time."""
        self._began = None

    def over(self, now: float) -> bool:
        """Whether a stretch has taken too long."""
        began = self._began
        return began is not None and now - began > self._seconds_max

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_S):
            if self.over(time.monotonic()):
                log.error("stands_still", at=self._what, seconds=self._seconds_max, remedy="ends itself; started again, it goes on")
                os._exit(STATUS)


class Stretch:
    """A part of the work that a deadline watches."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def __enter__(self) -> None:
        self._deadline.begin()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._deadline.end()
