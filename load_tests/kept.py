"""Children that are started again where they end by themselves, as an operator's supervisor would do it."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import ClassVar

from load_tests.services.children import Child, Place

LOOK_S = 0.1
AGAIN_S = 0.5
"""As ``tocsin up`` waits before it starts a child again."""


class Kept(Child):
    """A child that is kept running from ``start`` until it is killed, stopped or let go. ``ends``: how it ended in between."""

    def __init__(self, place: Place, *arguments: str, name: str = "") -> None:
        super().__init__(place, *arguments, name=name)
        self.ends: list[int] = []
        self._wanted, self._mutex, self._over_s = False, threading.RLock(), 0.0

    def start(self) -> Kept:
        with self._mutex:
            self._wanted, self._over_s = True, 0.0
            super().start()
            return self

    def kill(self) -> None:
        with self._mutex:
            self._wanted = False
            super().kill()

    def stop(self) -> int:
        with self._mutex:
            self._wanted = False
            return super().stop()

    def retire(self) -> None:
        """SIGTERM, and SIGKILL where it takes longer than a supervisor waits."""
        try:
            self.stop()
        except subprocess.TimeoutExpired:
            self.kill()

    def let_go(self) -> None:
        """It may end."""
        with self._mutex:
            self._wanted = False

    def look(self, now: float) -> None:
        """Start it again if it has ended, after a pause."""
        with self._mutex:
            status = self.ended() if self._wanted else None
            if status is None:
                return
            if not self._over_s:
                self.ends.append(status)
                self._over_s = now
            elif now - self._over_s >= AGAIN_S:
                self.start()

    def last_error(self) -> str:
        """What its log says of the newest error: without a traceback, or the word that there was one."""
        lines = self.log.read_text(errors="replace").splitlines()
        return next(
            (line[:400] for line in reversed(lines) if line.startswith("tocsin") or '"error"' in line), lines[-1][:400] if lines else ""
        )

    def __enter__(self) -> Kept:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.let_go()
        super().__exit__(*error)


class Keeper:
    """Looks after several, in a thread of its own for as long as the ``with`` block lasts."""

    period_s: ClassVar[float] = LOOK_S

    def __init__(self, children: Sequence[Kept]) -> None:
        self._children = children
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def __enter__(self) -> Keeper:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _keep(self) -> None:
        while not self._stop.wait(self.period_s):
            for child in self._children:
                child.look(time.monotonic())
