"""The newest state of every open alert, and of the last finished ones. Bounded; the caller holds the lock."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from streams.model import Alert

OPEN_MAX = 10_000
FINISHED_MAX = 500
FINISHED = ("cleared", "withdrawn")


class Held(NamedTuple):
    """An alert and the JSON text of its summary."""

    alert: Alert
    summary: bytes

    @property
    def order(self) -> tuple[int, int]:
        """Of two states of one alert the later one is greater."""
        return self.alert.seq, self.alert.updated_s

    @property
    def rank(self) -> tuple[float, float, str]:
        """Of two alerts the worse one is greater."""
        return self.alert.risk, self.alert.recurrence_s, self.alert.id


class Board:
    """What hangs on the wall."""

    def __init__(self, *, open_max: int = OPEN_MAX, finished_max: int = FINISHED_MAX) -> None:
        self._open: dict[str, Held] = {}
        self._finished: OrderedDict[str, Held] = OrderedDict()
        self._open_max = open_max
        self._finished_max = finished_max
        self.left_off = 0  # open alerts that were beyond the bound, the least ones

    def __len__(self) -> int:
        return len(self._open)

    def load(self, held: Iterable[Held]) -> None:
        """Begin again with these."""
        self._open.clear()
        self._finished.clear()
        for each in sorted(held, key=lambda h: (h.alert.updated_s, h.alert.id)):
            self.keep(each)

    def keep(self, new: Held) -> bool:
        """Whether ``new`` says something new: an older state of an alert never replaces a newer one."""
        alert_id = new.alert.id
        known = self.get(alert_id)
        if known is not None and (new.order < known.order or new.alert == known.alert):
            return False
        self._open.pop(alert_id, None)
        self._finished.pop(alert_id, None)
        if new.alert.state in FINISHED:
            self._finished[alert_id] = new
            if len(self._finished) > self._finished_max:
                self._finished.popitem(last=False)
        else:
            self._open[alert_id] = new
            if len(self._open) > self._open_max:
                del self._open[min(self._open.values(), key=lambda h: h.rank).alert.id]
                self.left_off += 1
        return True

    def get(self, alert_id: str) -> Held | None:
        return self._open.get(alert_id) or self._finished.get(alert_id)

    def open(self) -> list[Held]:
        """Open alerts, the worst first."""
        return sorted(self._open.values(), key=lambda h: h.rank, reverse=True)

    def finished(self) -> list[Held]:
        """The last finished alerts, the newest first."""
        return list(reversed(self._finished.values()))
