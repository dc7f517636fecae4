"""The cockpit's feed alone, under a web server, with alerts made up at an even rate: the process that ``load_tests.fanout`` measures.

Prints its address, then for each event its position and, by the machine's monotonic clock, the moment before it was written.
"""

from __future__ import annotations

import socket
import sys
import time

from sinks.base import Batch
from sinks.checks import AREAS, SIGNALS, Open, alert, transition
from sinks.cockpit.api import create_app
from sinks.cockpit.feed import Feed
from sinks.cockpit.views import View
from streams.shells.serve import Server

SEND_BYTES = 4096
"""Kept small, or the kernel would hold all that a stuck reader does not read, and none would be stuck."""


def serve(events: int, every_s: float, warm_s: float) -> None:
    """``events`` after ``warm_s``, ``every_s`` apart; ends when its input does."""
    feed = Feed(View(AREAS, SIGNALS))
    feed.load([], 0)
    server = Server(create_app(feed, AREAS, lambda: {"fed": True}, gate=Open()), 0)
    server._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)  # noqa: SLF001 - accepted sockets have it from this one
    _say(server.url)
    time.sleep(warm_s)
    for number in range(1, events + 1):
        made = alert(f"a{number % 200}", number)
        began = time.monotonic()
        feed.write(Batch(transitions=((number, transition(made)),), alerts=(made,)))
        _say(f"{number} {began}")
        time.sleep(every_s)
    _say(f"done {feed.stats().dropped}")
    sys.stdin.read()
    server.stop()


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
