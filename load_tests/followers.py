"""Readers of a cockpit's feed: some come back as a browser does and note what they got and when, others ask and never read."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse
from types import TracebackType

import orjson

AGAIN_S = 0.2
ANSWER_S = 30.0
"""More than the server's comments are apart."""
STUCK_BYTES = 4096
LOOK_S = 1.0


class Follower:
    """One that reads, in a thread of its own for as long as the ``with`` block lasts; it comes back with the id of its last event."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._headers = headers
        self.got: dict[tuple[str, int], float] = {}  # (alert, step) -> when it came first, by the wall clock
        self.outcomes: Counter[str] = Counter()  # command -> how often its outcome came
        self.outcome_at: dict[str, float] = {}  # when it came first, by the wall clock
        self.refused: dict[str, str] = {}
        self.repeated = 0
        self.resets = 0
        self.breaks: list[float] = []
        self._port, self._last = port, ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()

    def _follow(self) -> None:
        while not self._stop.is_set():
            connection = HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_S)
            try:
                connection.request("GET", "/api/stream", headers={**self._headers, **({"Last-Event-ID": self._last} if self._last else {})})
                answer = connection.getresponse()
                if answer.status == 200:
                    self._read(answer)
                    self.breaks.append(time.time())
            except (OSError, HTTPException):
                if self._last:
                    self.breaks.append(time.time())
            finally:
                connection.close()
            self._stop.wait(AGAIN_S)

    def _read(self, answer: HTTPResponse) -> None:
        fields: dict[str, bytes] = {}
        while not self._stop.is_set() and (line := answer.readline()):
            word, _, value = line.rstrip(b"\r\n").partition(b":")
            if word in {b"id", b"event", b"data"}:
                fields[word.decode()] = value.strip()
            elif not line.strip():  # an event is whole
                self._take(fields)
                fields = {}

    def _take(self, fields: dict[str, bytes]) -> None:
        if "id" in fields:
            self._last = fields["id"].decode()
        kind = fields.get("event", b"")
        if kind == b"reset":
            self.resets += 1
        elif kind == b"transition":
            step = orjson.loads(fields["data"])["transition"]
            at = (step["alert_id"], step["seq"])
            self.repeated += at in self.got
            self.got.setdefault(at, time.time())
        elif kind == b"outcome":
            outcome = orjson.loads(fields["data"])
            self.outcomes[outcome["id"]] += 1
            self.outcome_at.setdefault(outcome["id"], time.time())
            if outcome["refusal"]:
                self.refused[outcome["id"]] = outcome["refusal"]


class Stuck:
    """So many that ask for the stream and never read; each asks again once the server has given it up."""

    def __init__(self, port: int, number: int, headers: Mapping[str, str]) -> None:
        self._port, self._number, self._headers = port, number, headers
        self.given_up = 0
        self._open: list[socket.socket] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="stuck", daemon=True)

    def __enter__(self) -> Stuck:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        for each in self._open:
            each.close()

    def _keep(self) -> None:
        while not self._stop.wait(LOOK_S):
            for each in [each for each in self._open if _hung_up(each)]:
                self._open.remove(each)
                each.close()
                self.given_up += 1
            while len(self._open) < self._number and self._ask():
                pass

    def _ask(self) -> bool:
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, STUCK_BYTES)
        try:
            plain.connect(("127.0.0.1", self._port))
            given = "".join(f"{name}: {value}\r\n" for name, value in self._headers.items())
            plain.sendall(f"GET /api/stream HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n{given}\r\n".encode())
        except OSError:
            plain.close()
            return False
        self._open.append(plain)
        return True


def _hung_up(each: socket.socket) -> bool:
    """Whether the other side has ended it, with or without something left to read."""
    poll = select.poll()
    poll.register(each, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))
