"""Events of the stream as text: encoded once for all who may see the whole of one, once a scope for those who may see a part.

A frame carries the nouns it was made of, so that what a subscriber may hear is known without reading its text.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import orjson

from sinks.cockpit import scoped
from sinks.cockpit.access import Caller, Sight
from sinks.cockpit.board import Held
from sinks.cockpit.ring import Frame, Key
from sinks.cockpit.views import View
from streams.model import Alert, Outcome, Transition

PARTS_MAX = 4096
SNAPSHOTS_MAX = 64

Told = Transition | Outcome


class Frames:
    """Makes frames, and says what of one a subscriber hears. Texts for parts of a city are kept, bounded in number."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._mutex = threading.Lock()
        self._parts: OrderedDict[tuple[int, tuple[str, ...]], bytes] = OrderedDict()
        self._snapshots: OrderedDict[tuple[str, ...], bytes] = OrderedDict()

    def told(self, key: Key, step: Told, position: int | None, known: Held | None, before: Alert | None) -> Frame:
        """A step of an alert, known as it is now and as it was ``before``, or what became of a command."""
        return Frame(key, self.text(step, position, known), step, position, known, before)

    def update(self, key: Key, held: Held, before: Alert | None) -> Frame:
        """An alert has changed without a step."""
        return Frame(key, event("update", {"alert": orjson.Fragment(held.summary)}), None, None, held, before)

    def text(self, step: Told, position: int | None, known: Held | None) -> bytes:
        """The event for who sees the whole city."""
        if isinstance(step, Outcome):
            return event("outcome", {"id": step.command.id, "refusal": step.refusal}, position)
        alert = orjson.Fragment(known.summary) if known else None
        return event("transition", {"transition": self._view.transition(step), "alert": alert}, position)

    def heard(self, number: int, frame: Frame, caller: Caller) -> bytes:
        """What of the frame with a number in the ring its subscriber hears; empty: nothing."""
        if isinstance(frame.step, Outcome):
            return frame.data if caller.hears(frame.step.command.actor) else b""
        sight = caller.sight
        if sight.whole:
            return frame.data
        key = (number, sight.scope)
        with self._mutex:
            data = self._parts.get(key)
        if data is None:
            data = self._part(frame, sight)
            with self._mutex:
                self._parts[key] = data
                if len(self._parts) > PARTS_MAX:
                    self._parts.popitem(last=False)
        return data

    def _part(self, frame: Frame, sight: Sight) -> bytes:
        held, before = frame.held, frame.before
        shown = sight.narrow(held.alert) if held else None
        if held and shown is None and before is not None and sight.sees_alert(before):
            return event("gone", {"id": before.id}, frame.position)  # it has no part in sight any more
        if isinstance(frame.step, Transition):
            return self._part_of(frame, frame.step, sight)
        if held and shown is held.alert:
            return frame.data
        return event("update", {"alert": self._summary(held, shown)}) if held and shown else b""

    def _part_of(self, frame: Frame, step: Transition, sight: Sight) -> bytes:
        held, position = frame.held, frame.position
        shown = sight.narrow(held.alert) if held else None
        limited = sight.step(step, held.alert if held else None)
        if limited is None:
            return b""
        if limited is step and held and shown is held.alert:
            return frame.data
        alert = self._summary(held, shown) if held and shown else None
        return event("transition", {"transition": self._view.transition(limited), "alert": alert}, position)

    def _summary(self, held: Held, shown: Alert) -> orjson.Fragment:
        return orjson.Fragment(scoped.summary(self._view, held, shown))

    def snapshot(self, open_alerts: Callable[[], list[Held]], last_id: int, sight: Sight, alerts_max: int) -> bytes:
        """The open alerts; kept until ``changed``."""
        key = ("*",) if sight.whole else sight.scope
        if key not in self._snapshots:
            shown = [(each, part) for each in open_alerts() if (part := sight.narrow(each.alert)) is not None]
            alerts: list[Any] = [self._summary(each, part) for each, part in shown[:alerts_max]]
            self._snapshots[key] = event("snapshot", {"alerts": alerts, "left_off": max(0, len(shown) - alerts_max)}, last_id)
            if len(self._snapshots) > SNAPSHOTS_MAX:
                self._snapshots.popitem(last=False)
        return self._snapshots[key]

    def changed(self) -> None:
        """The open alerts are others now."""
        self._snapshots.clear()


def event(kind: str, data: object, position: int | None = None) -> bytes:
    """One server-sent event."""
    head = f"event: {kind}\n" if position is None else f"id: {position}\nevent: {kind}\n"
    return head.encode() + b"data: " + orjson.dumps(data) + b"\n\n"
