"""Small numbers: which counts of an alert may be told, so that none that is hidden follows from those that are. Pure.

Counts of small areas (level 2 and deeper, or not in the tree) are told in alerts and nowhere else, and there

1. only from the floor on (5: "fewer than 5");
2. of several durations that end together, the one that says most first, then each that differs from the next one told by
   the floor or more: 8 in six hours beside 6 in one would tell of 2 in the other five;
3. of n areas in one parent at most n - 2, the lead first: the parent's count is known, and less the others it would be the count
   of the last one. Where there are only one or two, none, and the sentence does not name a count either.

What was expected, its interval and the p-value go with the count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from streams.model import Alert, Area, Evidence, Member, Transition

HIDDEN_SIBLINGS = 2

Key = tuple[str, str, int]
"""Area, signal, duration."""


class Tree(Protocol):
    """What is asked of the area tree."""

    areas: dict[str, Area]

    def small(self, code: str) -> bool:
        """Whether small counts of this area are hidden."""
        ...


class Lead(NamedTuple):
    """The member and the evidence that say most."""

    member: Member
    evidence: Evidence


class SmallNumbers:
    """The rule for one city. ``complementary`` False applies the floor alone: for the test that shows what it would give away."""

    def __init__(self, places: Tree, levels: frozenset[str], floor: int, *, complementary: bool = True) -> None:
        """``levels``: signals that are no counts. A floor of 0 or 1 hides no count that is more than nothing."""
        self._places, self._levels, self._floor = places, levels, floor
        self._complementary = complementary and floor > 1
        self._children = Counter(area.parent for area in places.areas.values())

    def told(self, alert: Alert) -> frozenset[Key]:
        """The evidence of small areas that may be told; that of all others may always be."""
        lead = lead_of(alert)
        members = sorted(alert.members, key=lambda m: (lead is not None and m is not lead.member, -m.risk, m.area, m.signal))
        shown: set[Key] = set()
        places: dict[tuple[str | None, str], set[str]] = {}
        for member in members:
            if not self.counted(member.area, member.signal):
                continue
            parent = self._parent(member.area)
            beside = places.setdefault((parent, member.signal), set())
            room = self._children[parent] - HIDDEN_SIBLINGS if parent is not None else 1
            if self._complementary and member.area not in beside and len(beside) >= room:
                continue
            durations = self._durations(member.evidence)
            if durations:
                beside.add(member.area)
                shown |= {(member.area, member.signal, duration_s) for duration_s in durations}
        return frozenset(shown)

    def counted(self, area: str, signal: str) -> bool:
        """Whether this is a count of a small area."""
        return self._places.small(area) and signal not in self._levels

    def few(self, evidence: Evidence) -> bool:
        """Whether it is below the floor itself."""
        return evidence.observed < self._floor

    def silent(self, member: Member, told: frozenset[Key]) -> bool:
        """Whether a member's sentence, which names its leading count, must be left out."""
        lead = strongest(member.evidence)
        if lead is None or not self.counted(member.area, member.signal) or self.few(lead):
            return False  # a sentence about few says no number
        return (member.area, member.signal, lead.duration_s) not in told

    def silent_step(self, step: Transition) -> bool:
        """The same of a transition, whose members are not known: by its area alone."""
        return self._complementary and self._lonely(step.area) and any(self.counted(step.area, signal) for signal in step.signals)

    def _lonely(self, code: str) -> bool:
        parent = self._parent(code)
        return parent is not None and self._children[parent] <= HIDDEN_SIBLINGS

    def _parent(self, code: str) -> str | None:
        area = self._places.areas.get(code)
        return area.parent if area is not None else None

    def _durations(self, evidence: tuple[Evidence, ...]) -> list[int]:
        enough = sorted((e for e in evidence if e.observed >= self._floor), key=lambda e: e.duration_s)
        lead = strongest(evidence)
        if not self._complementary or not enough:
            return [e.duration_s for e in enough]
        start = enough.index(lead) if lead in enough else 0
        kept = [enough[start]]
        for longer in enough[start + 1 :]:
            if longer.observed - kept[-1].observed >= self._floor:
                kept.append(longer)
        for shorter in reversed(enough[:start]):
            if kept[0].observed - shorter.observed >= self._floor:
                kept.insert(0, shorter)
        return [e.duration_s for e in kept]


def strongest(evidence: tuple[Evidence, ...]) -> Evidence | None:
    """The evidence that says most."""
    return min(evidence, key=lambda e: (e.p, e.duration_s), default=None)


def lead_of(alert: Alert) -> Lead | None:
    """What an alert's summary and sentence are about."""
    member = max(alert.members, key=lambda m: (m.risk, m.recurrence_s, m.area, m.signal), default=None)
    evidence = strongest(member.evidence) if member else None
    return Lead(member, evidence) if member and evidence else None


def words(titles: Mapping[str, str], names: Mapping[str, Area], member: Member) -> str:
    """What is said instead of a sentence that would give a count away."""
    lead = strongest(member.evidence)
    side = "less" if lead is not None and lead.observed < lead.expected else "more"
    name = names[member.area].name if member.area in names else member.area
    return f"{titles.get(member.signal, member.signal)}, {name}: {side} than is usual there; the count is not shown, it would give away that of an area beside it."
