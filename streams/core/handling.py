"""What people have done to an alert, and whose it is: kept with the alert, and carried along when another takes its place."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct
from msgspec.structs import replace

from streams.model import Duty, StepDone

STEPS_MAX = 64
"""Steps of a playbook that an alert remembers as done."""
EXPERTS_MAX = 32
SEEN_MAX = 32
"""Pseudonyms that an alert remembers; who comes later is not written down."""


class Handling(Struct):
    """State of an alert. ``duty``: whose it is; None where the city has no rules of duty. ``handed``: a person has said whose."""

    owner: str = ""
    label: str = ""
    duty: Duty | None = None
    handed: bool = False
    steps: dict[str, StepDone] = {}
    dissent: dict[str, str] = {}  # expert -> label
    seen: list[str] = []

    def tick(self, step: str, actor: str, at_s: int, *, done: bool) -> bool:
        """Tick a step off, or take that back; False where there is no room for it."""
        if not done:
            self.steps.pop(step, None)
            return True
        if step not in self.steps and len(self.steps) >= STEPS_MAX:
            return False
        self.steps.setdefault(step, StepDone(step, actor, at_s))
        return True

    def dissents(self, expert: str, label: str) -> bool:
        """Note an expert's own label, an empty one takes it back; False where there is no room for it."""
        if not label:
            self.dissent.pop(expert, None)
            return True
        if expert not in self.dissent and len(self.dissent) >= EXPERTS_MAX:
            return False
        self.dissent[expert] = label
        return True

    def see(self, actor: str) -> bool:
        """Somebody has it before them; whether that is new."""
        if actor in self.seen or len(self.seen) >= SEEN_MAX:
            return False
        self.seen.append(actor)
        return True

    @property
    def dissenting(self) -> tuple[str, ...]:
        """Labels that experts hold against the one it has, each with how many do."""
        return tuple(f"{label} {n}" for label, n in sorted(Counter(self.dissent.values()).items()) if label != self.label)

    def take(self, other: Handling) -> None:
        """What people did to ``other``, whose place this alert takes; what was done to this one stands."""
        self.owner, self.label = self.owner or other.owner, self.label or other.label
        if other.handed and not self.handed:
            self.duty, self.handed = other.duty, True
        if self.owner and self.duty is not None:  # somebody has taken it on
            self.duty = replace(self.duty, due_s=0)
        self.steps = dict(list({**other.steps, **self.steps}.items())[:STEPS_MAX])
        self.dissent = dict(list({**other.dissent, **self.dissent}.items())[:EXPERTS_MAX])
        self.seen = list(dict.fromkeys([*self.seen, *other.seen]))[:SEEN_MAX]
