"""Duty: whose an alert is, and when it goes to the area above. Pure.

    told ─► waits for the clock ─► due ─► one level up, told again ─► ... ─► the city
                                    └─ somebody takes it on: it stays where it is

It begins with the lowest area that covers it and the department of its leading signal. The time that people have runs by the journal's
clock, from the first tick after they were told: what is worked off late after an outage is not late for them. Told again since it got worse,
they have no more time than they had. While an alert is muted nobody has been told, so no time runs.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from streams.core.handling import Handling
from streams.model import Band, Duty
from streams.settings import City

Within = Callable[[str, str], bool]


class Duties:
    """The rules of a city. ``parent``: of an area, or None; ``within``: whether one area is another or lies in it."""

    def __init__(self, city: City, parent: Callable[[str], str | None], within: Within) -> None:
        rules = city.duty
        self.kept = bool(rules.departments)
        self.departments = frozenset(rules.departments)
        self._department = {signal: name for name, department in rules.departments.items() for signal in department.signals}
        self._otherwise = rules.otherwise
        self._wait_s: dict[Band, int] = {
            "red": rules.within.red_s,
            "orange": rules.within.orange_s,
            "yellow": rules.within.yellow_s,
            "blue": rules.within.blue_s,
        }
        self._parent, self._within = parent, within

    def department(self, signal: str) -> str:
        return self._department.get(signal, self._otherwise)

    def told(self, handling: Handling, place: str, signal: str, *, muted: bool) -> None:
        """People are told of the alert, or would be but for what mutes it: the time they have begins with the next tick, or gets shorter."""
        duty = handling.duty
        if duty is None:
            handling.duty = Duty(place, self.department(signal)) if self.kept else None
        else:
            handling.duty = replace(duty, since_s=0, due_s=0 if muted else duty.due_s)

    def adopt(self, handling: Handling, place: str, signal: str, known: Callable[[str], str]) -> None:
        """Go on under these rules: what is no more is the city's, or the department's that has the signal now, whose time begins with the next tick."""
        duty = handling.duty
        if not self.kept:
            handling.duty, handling.handed = None, False
        elif duty is None:
            handling.duty = Duty(place, self.department(signal))
        elif duty.area != known(duty.area) or duty.department not in self.departments:
            department = duty.department if duty.department in self.departments else self.department(signal)
            handling.duty = Duty(known(duty.area), department, escalated=duty.escalated)
        elif self._parent(duty.area) is None:
            handling.duty = replace(duty, due_s=0)

    def widened(self, handling: Handling, place: str) -> None:
        """The alert is said to be in ``place``: who answers for a part of it only does not answer for it any more."""
        duty = handling.duty
        if duty is not None and duty.area != place and self._within(duty.area, place):
            handling.duty = replace(duty, area=place, due_s=duty.due_s if self._parent(place) is not None else 0)

    def hand(self, handling: Handling, area: str, department: str) -> None:
        """A person says whose it is."""
        duty = handling.duty or Duty(area)
        handling.duty, handling.handed = Duty(area, department or duty.department), True
        handling.owner = ""

    def owned(self, handling: Handling) -> None:
        """Somebody has taken it on, or has given it back."""
        if handling.duty is not None:
            handling.duty = replace(handling.duty, due_s=0, since_s=handling.duty.since_s if handling.owner else 0)

    def waits(self, handling: Handling, band: Band) -> bool:
        """Whether the time that people have begins with the next tick: they were told, or the band was one without a limit and is not any more."""
        duty = handling.duty
        if duty is None or handling.owner:
            return False
        return not duty.since_s or (not duty.due_s and self._limit_s(duty, band) > 0)

    def _limit_s(self, duty: Duty, band: Band) -> int:
        return self._wait_s.get(band, 0) if self._parent(duty.area) is not None else 0

    def begin(self, handling: Handling, band: Band, now_s: int) -> None:
        """The clock has come."""
        duty = handling.duty
        assert duty is not None, "only a duty waits"
        wait_s = self._limit_s(duty, band)
        due_s = now_s + wait_s if wait_s else 0
        handling.duty = replace(duty, since_s=now_s, due_s=min(due_s, duty.due_s) if duty.due_s and due_s else due_s)

    def escalate(self, handling: Handling) -> Duty | None:
        """Nobody took it on in time: it is the area's above, whose time begins with the next tick. None: there is nothing above any more."""
        duty = handling.duty
        assert duty is not None, "only a duty is due"
        above = self._parent(duty.area)
        handling.duty = replace(duty, due_s=0) if above is None else Duty(above, duty.department, escalated=duty.escalated + 1)
        return None if above is None else handling.duty
