"""What of the alerts topic has been said before: whoever writes it says a stretch again after a kill.

Every reader of the topic comes to the same answer, since it follows from the records alone: a transition is a repeat when
its alert has come as far, an outcome when its command has one, a state of an alert when it is older than the newest, or one
of its order that was seen.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict

from msgspec import Struct

from streams.model import Alert, Outcome, Transition

ALERTS_MAX = 20_000
COMMANDS_MAX = 20_000
STRETCHES_MAX = 10_000
"""Stretches said again; a kill makes one."""
STATES_MAX = 32

Told = Alert | Transition | Outcome


class Known(Struct):
    """How far an alert has come: its newest transition, the order of its newest state, and the states of that order."""

    step: int = -1
    order: tuple[int, int] = (-1, -1)
    states: frozenset[int] = frozenset()


class Repeats:
    """Fed with every record in the order of the topic. Bounded: what was told longest ago is forgotten first.

    ``taken`` belongs to one thread; the other methods may be called from any.
    """

    def __init__(self, *, alerts_max: int = ALERTS_MAX, commands_max: int = COMMANDS_MAX, stretches_max: int = STRETCHES_MAX) -> None:
        self._alerts: OrderedDict[str, Known] = OrderedDict()
        self._commands: OrderedDict[str, None] = OrderedDict()
        self._alerts_max, self._commands_max, self._stretches_max = alerts_max, commands_max, stretches_max
        self._mutex = threading.Lock()
        self._firsts: list[int] = []  # of stretches of events that were said again
        self._lasts: list[int] = []
        self._floor = -1  # up to here nothing is known of stretches any more
        self._again = False  # the newest event was a repeat
        self.dropped = 0

    def taken(self, offset: int, record: Told, data: bytes) -> bool:
        """Whether the record at ``offset``, encoded as ``data``, says something new."""
        if isinstance(record, Outcome):
            new = self._outcome(record.command.id)
        elif isinstance(record, Transition):
            new = self._step(record)
        else:
            new = self._state(record, hash(data))
        self.dropped += not new
        if not isinstance(record, Alert):
            self._mark(offset, repeat=not new)
        return new

    def is_repeat(self, offset: int) -> bool:
        """Whether the event at an offset that was taken says nothing new."""
        with self._mutex:
            at = bisect_right(self._firsts, offset) - 1
            return at >= 0 and offset <= self._lasts[at]

    def reaches(self, offset: int) -> bool:
        """Whether ``is_repeat`` still knows of everything behind an offset."""
        with self._mutex:
            return offset >= self._floor

    def _outcome(self, command_id: str) -> bool:
        if command_id in self._commands:
            return False
        self._commands[command_id] = None
        if len(self._commands) > self._commands_max:
            self._commands.popitem(last=False)
        return True

    def _step(self, step: Transition) -> bool:
        known = self._known(step.alert_id)
        if step.seq <= known.step:
            return False
        known.step = step.seq
        return True

    def _state(self, alert: Alert, state: int) -> bool:
        known = self._known(alert.id)
        order = (alert.seq, alert.updated_s)
        if order < known.order or (order == known.order and state in known.states):
            return False
        same = order == known.order and len(known.states) < STATES_MAX
        known.states = known.states | {state} if same else frozenset({state})
        known.order = order
        return True

    def _known(self, alert_id: str) -> Known:
        known = self._alerts.setdefault(alert_id, Known())
        self._alerts.move_to_end(alert_id)
        if len(self._alerts) > self._alerts_max:
            self._alerts.popitem(last=False)
        return known

    def _mark(self, offset: int, *, repeat: bool) -> None:
        with self._mutex:
            if repeat and self._again:
                self._lasts[-1] = offset
            elif repeat:
                self._firsts.append(offset)
                self._lasts.append(offset)
                if len(self._firsts) > self._stretches_max:
                    del self._firsts[0]
                    self._floor = self._lasts.pop(0)
            self._again = repeat
