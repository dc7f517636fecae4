"""Processes of the command line as children, each with a log file in a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec

from streams.shells.kafka.settings import Deployment, load_deployment
from streams.shells.parent import die_with_parent

WAIT_S = 60.0
END_S = 30.0
LOOK_S = 0.05
_starter = ThreadPoolExecutor(1, "children")
"""A child ends with the thread that started it: this one lives as long as the process."""


class Place(NamedTuple):
    """Names and settings of one run: a prefix of topics, a database, a folder."""

    environ: dict[str, str]
    folder: Path

    @property
    def deployment(self) -> Deployment:
        """As a process started here sees it."""
        return load_deployment(None, environ=self.environ)


class Child:
    """One process of the command line; its log is a file in the place's folder."""

    def __init__(self, place: Place, *arguments: str, name: str = "") -> None:
        self.arguments = arguments
        self._command = [sys.executable, "-m", "streams.shells.cli", *arguments]
        self.log = place.folder / f"{name or arguments[0]}.log"
        self._environ = {**os.environ, **place.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Child:
        """Start, or start again once it has ended."""
        self._process = _starter.submit(self._spawn).result()
        return self

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            die = die_with_parent
            return subprocess.Popen(self._command, stdout=log, stderr=log, env=self._environ, preexec_fn=die)  # noqa: PLW1509 - one call

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None
        return self._process.pid

    def ended(self) -> int | None:
        """The status it ended with; None while it runs."""
        assert self._process is not None
        return self._process.poll()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self.send(signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        """SIGTERM; the status it ended with."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
        return self.wait()

    def wait(self) -> int:
        """Wait for its end; the status."""
        assert self._process is not None
        return self._process.wait(END_S)

    def __enter__(self) -> Child:
        return self.start()

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def said(self, event: str) -> list[dict[str, object]]:
        """Log lines of this event."""
        lines = [line for line in self.log.read_bytes().splitlines() if line.startswith(b"{")]
        return [row for row in (msgspec.json.decode(line) for line in lines) if row.get("event") == event]


def until(true: Callable[[], object], what: str, seconds: float = WAIT_S) -> None:
    """Wait until something holds.

    Raises:
        AssertionError: it does not in time.
    """
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not in {seconds:g} s: {what}"
        threading.Event().wait(LOOK_S)
