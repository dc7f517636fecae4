"""The courier of one hook: signs and posts what is due, and says in the outbox what became of it."""

from __future__ import annotations

import hashlib
import hmac
import random
import threading
from collections.abc import Callable
from http import HTTPStatus

from sinks.base import SinkError
from sinks.formats.cloudevents import MEDIA_TYPE
from sinks.post import PostError, post
from sinks.webhooks.outbox import Delivery, Outbox
from sinks.webhooks.sink import Hook

TRIES_MAX = 12
FIRST_S, LONGEST_S = 2.0, 3_600.0
AT_ONCE = 20
LOOK_S = 1.0
AFTER_FAILURE_S = 30.0
AGAIN = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""Beside 5xx: the same may be taken later."""

Send = Callable[[Hook, bytes, dict[str, str]], int]


class Courier:
    """Each hook has its own, so that one that does not answer holds up no other."""

    def __init__(
        self,
        outbox: Outbox,
        hook: Hook,
        now_s: Callable[[], int],
        *,
        tries_max: int = TRIES_MAX,
        send: Send = lambda hook, body, headers: post(hook.target, body, headers),
    ) -> None:
        self._outbox, self._hook, self._now_s, self._tries_max, self._send = outbox, hook, now_s, tries_max, send
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.failures = 0  # times the outbox could not be read or written

    def start(self) -> None:
        """In a thread of its own."""
        self._thread = threading.Thread(target=self._run, name=f"webhook-{self._hook.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """After the delivery under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(15)

    def step(self) -> int:
        """Send what is due; how many that were."""
        due = self._outbox.due(self._hook.name, self._now_s(), AT_ONCE)
        for delivery in due:
            if self._stop.is_set():
                break
            self._deliver(delivery)
        return len(due)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                idle_s = 0.0 if self.step() else LOOK_S
            except SinkError:  # a full disk: what was not written down is sent again, under the same key
                self.failures += 1
                idle_s = AFTER_FAILURE_S
            self._stop.wait(idle_s)

    def _deliver(self, delivery: Delivery) -> None:
        now_s = self._now_s()
        try:
            status = self._send(self._hook, delivery.body, headers(self._hook.secret, delivery, now_s))
        except PostError as error:
            again, outcome = True, str(error)
        else:
            outcome = str(status)
            if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
                self._outbox.told(delivery, "done", outcome, self._now_s())
                return
            again = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in AGAIN
        now_s = self._now_s()
        if again and delivery.tries + 1 < self._tries_max:
            self._outbox.told(delivery, "waiting", outcome, now_s, now_s + max(1, round(pause_s(delivery.tries))))
        else:
            self._outbox.told(delivery, "dead", outcome, now_s)


def pause_s(tries: int) -> float:
    """Twice as long each time, and never the same for all: between half of it and all of it."""
    longest = min(LONGEST_S, FIRST_S * 2.0 ** min(tries, 30))
    return random.uniform(longest / 2, longest)


def headers(secret: bytes, delivery: Delivery, now_s: int) -> dict[str, str]:
    """What the receiver needs to know that it is from us, that it is fresh, and that it is not told twice."""
    return {
        "Content-Type": MEDIA_TYPE,
        "User-Agent": "Tocsin",
        "Idempotency-Key": delivery.key,
        "Tocsin-Timestamp": str(now_s),
        "Tocsin-Signature": f"v1={signature(secret, now_s, delivery.body)}",
    }


def signature(secret: bytes, at_s: int, body: bytes) -> str:
    """HMAC-SHA256 over the timestamp, a dot, and the body.

    >>> signature(b"s", 1, b"{}")[:16]
    'b253639bcd705ed1'
    """
    return hmac.new(secret, b"%d." % at_s + body, hashlib.sha256).hexdigest()
