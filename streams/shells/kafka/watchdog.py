"""Ends the process when a partition stands still although the journal goes on: consumers have been seen to hang for ever."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence

import structlog

from streams.shells.errors import ShellError
from streams.shells.kafka.lane import Lane
from streams.shells.kafka.reading import Reading
from streams.shells.kafka.settings import KafkaSettings

log = structlog.get_logger()

LOOK_S = 10.0
STILL_S = 60.0
BUSY_S_MAX = 600.0
"""A lane may be so long at one record or snapshot; a long way through the journal moves the position."""
STATUS = 70
"""Exit status of a process that was ended by its watchdog."""


class Watchdog:
    """A thread of its own, since an event loop that hangs does not look after itself.

    Args:
        behind: told now and then how many offsets the hosts are behind the ends of their journals.
    """

    def __init__(self, kafka: KafkaSettings, lanes: Sequence[Lane], behind: Callable[[int], None], *, still_s: float = STILL_S) -> None:
        self._kafka, self._lanes, self._behind, self._still_s = kafka, lanes, behind, still_s
        self._moved: dict[tuple[str, int], tuple[int, float]] = {}  # position, and since when (monotonic)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_S):
            try:
                stuck = self.look(time.monotonic())
            except ShellError:  # the broker does not answer: nobody can go on
                continue
            if stuck:
                log.error("stands_still", partitions=stuck, seconds=self._still_s, remedy="ends itself; started again, it goes on")
                os._exit(STATUS)

    def look(self, now: float) -> list[str]:
        """Partitions that have stood still for too long although their journal holds records behind them.

        Raises:
            ReadError: the broker does not answer.
        """
        stuck, behind = [], 0
        with Reading(self._kafka) as reading:
            for lane in self._lanes:
                for partition, position in lane.positions().items():
                    end = reading.ends(lane.topic, partition)[1]
                    behind += max(0, end - position)
                    known = self._moved.get((lane.topic, partition))
                    if known is None or known[0] != position or end <= position or _busy(lane, now):
                        self._moved[lane.topic, partition] = (position, now)
                    elif now - known[1] >= self._still_s and any(reading.read(lane.topic, partition, position, end=end)):
                        stuck.append(f"{lane.topic}/{partition}")
        self._behind(behind)
        return stuck


def _busy(lane: Lane, now: float) -> bool:
    """Whether a lane is at work, and not for so long that it must be stuck."""
    since = lane.busy_since
    return since is not None and now - since < BUSY_S_MAX
