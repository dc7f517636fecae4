"""kill -9 at random moments: so many over several roles, in an order and after pauses that a seed gives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from random import Random
from typing import NamedTuple

from msgspec import Struct

PAUSE_S = (0.3, 3.0)
"""Between two kills: short enough to hit one that is still starting, long enough for most to have gone on."""
PATIENT_S_MAX = 60.0
DOWN_S = (0.0, 1.0)
LOOK_S = 0.1
RECOVER_S_MAX = 120.0


class Role(NamedTuple):
    """Something that is killed. ``positions`` grow while it works; it has gone on when each of them has grown."""

    name: str
    kill: Callable[[], object]
    start: Callable[[], object]
    positions: tuple[Callable[[], int], ...]


class Kill(Struct):
    """One of them. ``recover_s``: from the kill until it had gone on beyond where it was; None where nothing was left to do, or it was hit again.
    ``alone``: all others had gone on before, and none was hit until it had.
    """

    role: str
    at_s: float
    recover_s: float | None = None
    alone: bool = True


class Harrier:
    """Kills in a thread of its own for as long as the ``with`` block lasts, ``kills`` times over all roles, as often each."""

    def __init__(self, roles: Sequence[Role], kills: int, random: Random, *, patient: float = 0.0) -> None:
        """``patient``: before so many of the kills, 0 to 1, those who were hit are waited for."""
        self._patient = patient
        self._order = list(islice(cycle(roles), kills))
        random.shuffle(self._order)
        self._random, self._began = random, time.monotonic()
        self.kills: list[Kill] = []
        self._done = threading.Condition()
        self._failed: BaseException | None = None
        self._watched: dict[str, tuple[Kill, Role, list[int]]] = {}
        self._stop = threading.Event()
        self._killer = threading.Thread(target=self._guarded, args=(self._kill_all,), name="kills")
        self._watcher = threading.Thread(target=self._guarded, args=(self._watch,), name="recoveries")

    def __enter__(self) -> Harrier:
        if self._order:
            self._killer.start()
            self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._order:
            self._killer.join()
            self._watcher.join()

    def wait_for(self, part: float) -> None:
        """Wait until this part of all kills, 0 to 1, has been done."""
        with self._done:
            self._done.wait_for(lambda: self._failed or len(self.kills) >= part * len(self._order))
        self._raise()

    def finish(self) -> None:
        """Wait for the last one, and until those who were hit have gone on."""
        self.wait_for(1.0)
        end = time.monotonic() + RECOVER_S_MAX
        while self._watched and time.monotonic() < end and not self._failed:
            time.sleep(LOOK_S)
        self._raise()

    def _raise(self) -> None:
        if self._failed is not None:
            raise RuntimeError("a process could not be killed or started again") from self._failed

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again where somebody waits
            with self._done:
                self._failed = error
                self._done.notify_all()

    def _kill_all(self) -> None:
        for role in self._order:
            if self._random.random() < self._patient:
                self._wait_for_all()
            if self._stop.wait(self._random.uniform(*PAUSE_S)):
                return
            before, at = [position() for position in role.positions], time.monotonic()
            role.kill()
            kill = Kill(role.name, round(at - self._began, 2), alone=not self._watched)
            for other, _, _ in list(self._watched.values()):
                other.alone = False
            self._watched[role.name] = (kill, role, before)
            self._stop.wait(self._random.uniform(*DOWN_S))
            role.start()
            with self._done:
                self.kills.append(kill)
                self._done.notify_all()

    def _wait_for_all(self) -> None:
        end = time.monotonic() + PATIENT_S_MAX
        while self._watched and time.monotonic() < end and not self._stop.wait(LOOK_S):
            pass

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_S):
            for name, (kill, role, before) in list(self._watched.items()):
                if all(position() > was for position, was in zip(role.positions, before, strict=True)):
                    kill.recover_s = round(time.monotonic() - self._began - kill.at_s, 2)
                    if self._watched.get(name, (None,))[0] is kill:
                        self._watched.pop(name, None)
