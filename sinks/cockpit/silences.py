"""Silences that are set, as the outcomes of commands tell them. Bounded; the caller holds the lock."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from sinks.cockpit.views import Places
from streams.model import Alert, Outcome, Silence

SILENCES_MAX = 2_000


class _Set(Struct, frozen=True):
    area: str
    until_s: int
    signals: tuple[str, ...] = ()
    reason: str = "other"
    from_s: int = 0


class _Ended(Struct, frozen=True):
    silence: str


_set = msgspec.json.Decoder(_Set)
_ended = msgspec.json.Decoder(_Ended)


class Silences:
    """By the id of the command that set each, oldest first."""

    def __init__(self) -> None:
        self._set: OrderedDict[str, Silence] = OrderedDict()

    def load(self, silences: Iterable[Silence]) -> None:
        """Begin again with these."""
        self._set = OrderedDict((each.id, each) for each in silences)

    def keep(self, outcome: Outcome) -> None:
        """Take in what became of a command."""
        command = outcome.command
        if outcome.refusal or not command.body:
            return
        if command.kind == "silence":
            said = _set.decode(command.body)
            self._set[command.id] = Silence(
                command.id, command.actor, said.area, said.signals, said.until_s, said.reason, said.from_s, command.time_s
            )
            if len(self._set) > SILENCES_MAX:
                self._set.popitem(last=False)
        elif command.kind == "unsilence":
            self._set.pop(_ended.decode(command.body).silence, None)

    def standing(self, now_s: int) -> list[Silence]:
        """Those that have not ended by themselves, the one that ends first first."""
        for name in [name for name, each in self._set.items() if each.until_s <= now_s]:
            del self._set[name]
        return sorted(self._set.values(), key=lambda each: (each.until_s, each.id))


def covers(alert: Alert, area: str, signals: tuple[str, ...], places: Places) -> bool:
    """Whether all of an alert lies in an area and concerns some signals (none: any)."""
    inside = all(area in places.lineage(code) for code in (alert.area, *(member.area for member in alert.members)))
    return inside and (not signals or set(alert.signals) <= set(signals))
