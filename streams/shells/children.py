"""Keeps child processes running: each is started again when it ends, after a pause that grows while it keeps ending.

A child that was started wrongly, which is what status 2 says, will not get better: it ends them all.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import structlog

from streams.shells.errors import ShellError
from streams.shells.parent import die_with_parent

log = structlog.get_logger()

POLL_S = 0.1
WRONG_USAGE = 2


class ChildError(ShellError):
    """A child that cannot be run as it was started; the message names it."""


class Plan(NamedTuple):
    """One child. No secret belongs into its ``command``: every user of the machine can read it."""

    name: str
    command: tuple[str, ...]


class Pace(NamedTuple):
    """How soon a child is started again: after ``first_s``, twice as long each time up to ``longest_s``, and after
    ``first_s`` again once it has run for ``steady_s``. ``stop_s``: what children have for ending by themselves.
    """

    first_s: float = 0.5
    longest_s: float = 30.0
    steady_s: float = 60.0
    stop_s: float = 15.0


def keep_running(stages: Sequence[Sequence[Plan]], stop: threading.Event, pace: Pace = Pace()) -> None:  # noqa: B008 - immutable
    """Start all children, in order, and keep them running until ``stop``; then end them stage by stage.

    They live no longer than the calling thread, and write where this process does.

    Raises:
        ChildError: one ended with status 2; the others have been ended.
    """
    children = [[_Child(plan, pace) for plan in stage] for stage in stages]
    every = [child for stage in children for child in stage]
    try:
        while True:
            for child in every:
                child.look()
            if stop.wait(POLL_S):
                return
    finally:
        for stage in children:
            _end(stage, pace.stop_s)


def _end(stage: Sequence[_Child], stop_s: float) -> None:
    for child in stage:
        child.terminate()
    until = time.monotonic() + stop_s
    for child in stage:
        child.wait(max(0.0, until - time.monotonic()))


class _Child:
    """One child and the pause before its next start."""

    def __init__(self, plan: Plan, pace: Pace) -> None:
        self._plan, self._pace = plan, pace
        self._process: subprocess.Popen[bytes] | None = None
        self._started_s = self._start_at_s = 0.0
        self._backoff_s = pace.first_s

    def look(self) -> None:
        """Start it if it does not run and its pause is over."""
        if self._process is None:
            if time.monotonic() >= self._start_at_s:
                self._start()
        elif self._process.poll() is not None:
            self._ended(self._process)

    def _start(self) -> None:
        self._started_s = time.monotonic()
        die = partial(die_with_parent, os.getpid())
        try:
            # A process group of its own: Ctrl-C reaches this process only, which ends the others in order.
            self._process = subprocess.Popen(self._plan.command, stdin=subprocess.DEVNULL, preexec_fn=die, process_group=0)  # noqa: PLW1509 - one call
        except OSError as error:
            log.error("child_not_started", child=self._plan.name, reason=error.strerror, again_in_s=self._backoff_s)
            self._pause()
            return
        log.info("child_started", child=self._plan.name, pid=self._process.pid)

    def _ended(self, process: subprocess.Popen[bytes]) -> None:
        self._process = None
        if time.monotonic() - self._started_s >= self._pace.steady_s:
            self._backoff_s = self._pace.first_s
        log.error("child_ended", child=self._plan.name, pid=process.pid, status=_status(process.returncode), again_in_s=self._backoff_s)
        if process.returncode == WRONG_USAGE:
            raise ChildError(f"{self._plan.name} cannot be run like this (status {WRONG_USAGE}): its last line above says what to correct")
        self._pause()

    def _pause(self) -> None:
        self._start_at_s = time.monotonic() + self._backoff_s
        self._backoff_s = min(2 * self._backoff_s, self._pace.longest_s)

    def terminate(self) -> None:
        """Ask it to end."""
        if self._process is not None:
            self._process.terminate()

    def wait(self, seconds: float) -> None:
        """Wait for its end, and bring it about where it does not come."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            log.error("child_killed", child=self._plan.name, pid=process.pid, reason="it did not end in time")
            process.kill()
            process.wait()


def _status(code: int) -> int | str:
    """An exit status, or the name of the signal."""
    if code >= 0:
        return code
    try:
        return signal.Signals(-code).name
    except ValueError:  # a real-time signal has no name
        return code
