"""Log lines of libraries, each said once in a while: clients try a server that is away many times a second, and tell each time."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable

REPEAT_S = 60.0
LINES_MAX = 200
_VARYING = re.compile(r"\d+")


class Seldom(logging.Filter):
    """Lets a line through that has not been said for ``REPEAT_S``; numbers in it do not make it another one."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._said_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to say it."""
        now_s, line = self._monotonic(), _VARYING.sub("", record.getMessage().partition(" (after ")[0])
        if now_s - self._said_s.get(line, -REPEAT_S) < REPEAT_S:
            return False
        self._said_s.pop(line, None)
        if len(self._said_s) >= LINES_MAX:
            del self._said_s[next(iter(self._said_s))]
        self._said_s[line] = now_s
        return True
