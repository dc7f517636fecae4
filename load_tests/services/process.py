"""One server of this machine as a child process: started on free ports in a folder, stopped or killed by its id, started again."""

from __future__ import annotations

import os
import random
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from streams.shells.errors import ShellError
from streams.shells.parent import die_with_parent

START_S_MAX = 60.0
STOP_S_MAX = 30.0
PORTS = range(15_000, 30_000)
"""Below what the kernel gives to outgoing connections: a port stays free for a service that is started again."""
_starter = ThreadPoolExecutor(1, "services")
"""The kernel takes the thread that started a child for its parent: this one lives as long as the process."""


class ServiceError(ShellError):
    """A service that is not there, or did not come up; the message says what to do."""


def free_ports(number: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody uses now."""
    found: list[int] = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        if len(found) == number:
            return found
        with socket.socket() as each:
            try:
                each.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
    raise ServiceError(f"fewer than {number} free ports between {PORTS[0]} and {PORTS[-1]}; end what uses them")


def cpu_s(pid: int) -> float:
    """CPU seconds that a running process of this machine has used, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Service:
    """A child process with a log file. ``answers`` says whether it can be used by now."""

    def __init__(self, name: str, command: Sequence[str], log: Path, answers: Callable[[], bool]) -> None:
        self._name, self._command, self._log, self._answers = name, list(command), log, answers
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None, f"{self._name} is not running"
        return self._process.pid

    def cpu_s(self) -> float:
        """CPU seconds of the running process."""
        return cpu_s(self.pid)

    def start(self) -> None:
        """Start and wait until it answers.

        Raises:
            ServiceError: it ended, or does not answer in time.
        """
        assert self._process is None or self._process.poll() is not None, f"{self._name} runs already"
        self._process = _starter.submit(self._spawn).result()
        until = time.monotonic() + START_S_MAX
        while not self._answers():
            status = self._process.poll()
            if status is not None or time.monotonic() > until:
                self.kill()
                end = "\n".join(self._log.read_text(errors="replace").splitlines()[-5:])
                raise ServiceError(f"{self._name} did not come up (status {status}); the end of {self._log}:\n{end}")
            threading.Event().wait(0.05)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL where that does not end it."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def disk(self, *, full: bool) -> None:
        """While the disk is full for it, no file of it grows: writes fail as they would, whatever the disk is."""
        unlimited = resource.RLIM_INFINITY
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (0 if full else unlimited, unlimited))

    def ended(self) -> int | None:
        """The status it ended with by itself; None while it runs."""
        return self._process.poll() if self._process is not None else None

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(self._command, stdout=log, stderr=log, preexec_fn=_born)  # noqa: PLW1509 - two calls

    def _end(self, with_signal: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(with_signal)
        try:
            process.wait(STOP_S_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _born() -> None:
    """In the child: it ends with this process, and a write beyond what a file may hold is an error, not its end."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    die_with_parent()
