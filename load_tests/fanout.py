"""How soon an alert reaches a thousand readers of the feed, some of whom have stopped reading; and what they cost the server.

The server is a process of its own, as is each half of this benchmark: readers are sockets in one loop here. A stuck reader asks for the
stream and never reads. Both processes use the machine's one monotonic clock.
"""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from msgspec import Struct

from load_tests import fanout_server

EVERY_S = 0.25
WARM_S = 3.0  # for the readers to come
LATE_S = 15.0  # waited for what is still on its way
STUCK_BYTES = 4096  # of receive buffer
P99_S_MAX = 1.0
_ID = re.compile(rb"^id: ?(\d+)", re.MULTILINE)


class Fanout(Struct, frozen=True):
    """The readers that read, and what they waited."""

    readers: int
    stuck: int
    events: int
    delivered: int
    missed: int  # events that a reader who reads never had
    p50_s: float
    p99_s: float
    max_s: float
    rss_mb: float  # of the server, at its greatest
    rss_before_mb: float  # before readers came
    dropped: int  # stuck readers that the server has given up

    @property
    def ok(self) -> bool:
        """Every reader had everything, nearly at once."""
        return not self.missed and self.p99_s < P99_S_MAX


class Readers:
    """Sockets that read, each noting when it first had each event."""

    def __init__(self, url: str) -> None:
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port = int(port)
        self._request = f"GET /api/stream HTTP/1.1\r\nHost: {self._host}:{port}\r\nAccept: text/event-stream\r\n\r\n".encode()
        self.seen: dict[int, list[float]] = {}

    async def read(self) -> None:
        """One reader, until the server ends it."""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(self._request)
        had, rest = 0, b""
        try:
            while data := await reader.read(65_536):
                now = time.monotonic()
                lines, _, rest = (rest + data).rpartition(b"\n")
                for found in _ID.findall(lines):
                    if (number := int(found)) > had:
                        had = number
                        self.seen.setdefault(number, []).append(now)
        finally:
            writer.close()

    async def stop_reading(self) -> None:
        """One that asks and then does nothing."""
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STUCK_BYTES)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(plain, (self._host, self._port))
        _, writer = await asyncio.open_connection(sock=plain, limit=STUCK_BYTES)
        writer.write(self._request)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        try:
            await asyncio.Event().wait()
        finally:
            writer.close()


class Server:
    """The process that serves, and what it says."""

    def __init__(self, events: int) -> None:
        command = (sys.executable, "-c", f"from {fanout_server.__name__} import serve; serve({events}, {EVERY_S}, {WARM_S})")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.written: dict[int, float] = {}
        self.dropped = 0
        self.done = threading.Event()
        self.rss_before = self.rss = _rss_mb(self.process.pid)
        threading.Thread(target=self._listen, args=(self.process.stdout,), daemon=True).start()

    def _listen(self, lines: object) -> None:
        for line in lines:  # type: ignore[attr-defined]
            word, value = line.split()
            if word == "done":
                self.dropped = int(value)
                self.done.set()
            else:
                self.written[int(word)] = float(value)
                self.rss = max(self.rss, _rss_mb(self.process.pid))
        self.done.set()  # also where it ended before it was done

    def stop(self) -> None:
        """Let it go."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def run(*, readers: int, stuck: int, events: int) -> Fanout:
    """Serve, read, and compare."""
    server = Server(events)
    try:
        seen = asyncio.run(_all(server, readers - stuck, stuck))
    finally:
        server.stop()
    waits = np.array([at - server.written[number] for number, times in seen.items() if number in server.written for at in times])
    p50, p99, longest = np.quantile(waits, (0.5, 0.99, 1.0)).tolist() if len(waits) else (float("inf"),) * 3
    return Fanout(
        readers=readers,
        stuck=stuck,
        events=events,
        delivered=len(waits),
        missed=events * (readers - stuck) - len(waits),
        p50_s=round(p50, 4),
        p99_s=round(p99, 4),
        max_s=round(longest, 4),
        rss_mb=server.rss,
        rss_before_mb=server.rss_before,
        dropped=server.dropped,
    )


async def _all(server: Server, reading: int, stuck: int) -> dict[int, list[float]]:
    readers = Readers(server.url)
    tasks = [asyncio.create_task(readers.stop_reading()) for _ in range(stuck)]
    tasks += [asyncio.create_task(readers.read()) for _ in range(reading)]
    await asyncio.to_thread(server.done.wait)
    end = time.monotonic() + LATE_S
    last = max(server.written, default=0)
    await asyncio.to_thread(_until, lambda: len(readers.seen.get(last, ())) >= reading or time.monotonic() > end)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return readers.seen


def _until(holds: Callable[[], bool]) -> None:
    while not holds():
        time.sleep(0.05)


def _rss_mb(pid: int) -> float:
    """Memory of a process, in MB, where the machine says it; else 0."""
    status = Path(f"/proc/{pid}/status")
    found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return round(int(found[1]) / 1024, 1) if found else 0.0
