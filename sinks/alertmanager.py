"""Pushes open alerts to an Alertmanager, again and again as it wants it, and for a while those that have ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson

from sinks.formats.alertmanager import posted
from sinks.post import PostError, Target, post

EVERY_S = 60.0
ENDED_FOR_S = 300
ALERTS_MAX = 1_000

Shown = Callable[[], Sequence[Mapping[str, Any]]]
"""Alerts as people may see them, the worst first."""


class Pushed(NamedTuple):
    """How it went. ``outcome`` is a status or a word; empty: not yet."""

    pushes: int = 0
    failures: int = 0
    outcome: str = ""


class Pusher:
    """Alertmanager forgets what it is not told again, so a push that failed needs no outbox: the next one says it all."""

    def __init__(
        self,
        target: Target,
        shown: Shown,
        city: str,
        url: str,
        now_s: Callable[[], int],
        *,
        every_s: float = EVERY_S,
        send: Callable[[Target, bytes, Mapping[str, str]], int] = post,
    ) -> None:
        """``target`` is Alertmanager's base URL; ``url`` is where people look at alerts."""
        self._target = target._replace(url=target.url.rstrip("/") + "/api/v2/alerts")
        self._shown, self._city, self._url, self._now_s, self._every_s, self._send = shown, city, url, now_s, every_s, send
        self._open: dict[str, Mapping[str, Any]] = {}
        self._ended: dict[str, tuple[int, Mapping[str, Any]]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.pushed = Pushed()

    def start(self) -> None:
        """In a thread of its own."""
        self._thread = threading.Thread(target=self._run, name="alertmanager", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """After the push under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(15)

    def step(self) -> None:
        """One push."""
        now_s = self._now_s()
        shown = {str(alert["id"]): alert for alert in self._shown()[:ALERTS_MAX]}
        for alert_id in self._open.keys() - shown.keys():
            self._ended[alert_id] = now_s, {**self._open[alert_id], "state": "cleared", "updated_s": now_s}
        self._open = shown
        self._ended = {key: (at, told) for key, (at, told) in self._ended.items() if now_s - at <= ENDED_FOR_S and key not in shown}
        alerts = [*shown.values(), *(told for _, told in self._ended.values())]
        if not alerts:
            return
        body = orjson.dumps([posted(alert, self._city, self._url) for alert in alerts])
        try:
            status = self._send(self._target, body, {"Content-Type": "application/json", "User-Agent": "Tocsin"})
            outcome, failed = str(status), status != HTTPStatus.OK
        except PostError as error:
            outcome, failed = str(error), True
        self.pushed = Pushed(self.pushed.pushes + 1, self.pushed.failures + failed, outcome)

    def _run(self) -> None:
        while True:
            self.step()
            if self._stop.wait(self._every_s):
                return
