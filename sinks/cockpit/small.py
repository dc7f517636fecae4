"""Small numbers: what may be told of the counts of small areas, so that none that is hidden follows from others. Pure.

Counts of small areas (level 2 and deeper, or not in the tree) are told in alerts and nowhere else, and there

1. only from the floor on (5: "fewer than 5");
2. rounded down to a multiple of the floor ("40 to 44"), since windows that overlap, at several durations and one after the other, would
   give small counts away by difference; what was expected to one digit, its interval and the p-value not at all;
3. of n areas in one parent of at most n - 2, the lead first: the parent's count is known, and less the others it would be about the
   count of the last one. Where there are only one or two, of none.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from streams.model import DAY_S, HOUR_S, MINUTE_S, Alert, Area, Evidence, Member, Transition

HIDDEN_SIBLINGS = 2
_COUNT = re.compile(r": [0-9][0-9.]* in the last ([^,]+), .*")
_SPANS = ((7 * DAY_S, "week", "周"), (DAY_S, "day", "天"), (HOUR_S, "hour", "小时"), (MINUTE_S, "minute", "分钟"))

Key = tuple[str, str]
"""Area, signal."""


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
        self.rounds = complementary and floor > 1
        self._small_names = {area.name for code, area in places.areas.items() if places.small(code)}
        self._children = Counter(area.parent for area in places.areas.values())

    def told(self, alert: Alert) -> frozenset[Key]:
        """Members that are small areas and whose counts may be told; those of all others may always be."""
        lead = lead_of(alert)
        members = sorted(alert.members, key=lambda m: (lead is not None and m is not lead.member, -m.risk, m.area, m.signal))
        shown: set[Key] = set()
        beside: Counter[tuple[str | None, str]] = Counter()
        for member in members:
            key, parent = (member.area, member.signal), self._parent(member.area)
            if not self.counted(*key) or key in shown or not any(e.observed >= self._floor for e in member.evidence):
                continue
            room = self._children[parent] - HIDDEN_SIBLINGS if parent is not None else 1
            if not self.rounds or beside[parent, member.signal] < room:
                beside[parent, member.signal] += 1
                shown.add(key)
        return frozenset(shown)

    def counted(self, area: str, signal: str) -> bool:
        """Whether this is a count of a small area."""
        return self._places.small(area) and signal not in self._levels

    def few(self, evidence: Evidence) -> bool:
        """Whether it is below the floor itself."""
        return evidence.observed < self._floor

    def rounded(self, observed: float) -> int:
        """Down to a multiple of the floor."""
        return int(observed // self._floor) * self._floor

    def text(self, evidence: Evidence, *, told: bool) -> str:
        """What stands for a count."""
        if self.few(evidence):
            return f"fewer than {self._floor}"
        least = self.rounded(evidence.observed)
        return f"{least} to {least + self._floor - 1}" if told else "not shown"

    def exact(self, member: Member) -> bool:
        """Whether a member's own sentence names an exact count that must not be told."""
        lead = strongest(member.evidence)
        return lead is not None and self.rounds and not self.few(lead) and self.counted(member.area, member.signal)

    def sentence(self, member: Member, why: str, told: bool, title: str, areas: Mapping[str, Area]) -> str:
        """A member's sentence as it may be told: one that names an exact count is said anew."""
        lead = strongest(member.evidence)
        if lead is None or not self.exact(member):
            return why
        name = areas[member.area].name if member.area in areas else member.area
        side, span = ("less" if lead.observed < lead.expected else "more"), _span(lead.duration_s)
        if not told:
            return f"{title}, {name}: {side} in the last {span} than is usual there; the count would give away that of an area beside it."
        return f"{title}, {name}: {self.text(lead, told=True)} in the last {span}, {side} than is usual there (about {one_digit(lead.expected):g})."

    def sentence_zh(self, member: Member, told: bool, title: str, areas: Mapping[str, Area]) -> str:
        """The same in Chinese, of a member whose own names an exact count."""
        lead = strongest(member.evidence)
        assert lead is not None, "exact(member) holds"
        name = areas[member.area].name if member.area in areas else member.area
        side, span = ("少于" if lead.observed < lead.expected else "多于"), _span(lead.duration_s, chinese=True)
        if not told:
            return f"{name}“{title}”：近{span}{side}当地常态；数量不予显示，以免推知相邻区域的数量。"
        least = self.rounded(lead.observed)
        return f"{name}“{title}”：近{span}{least}至{least + self._floor - 1}件，{side}当地常态（约{one_digit(lead.expected):g}件）。"

    def _parent(self, code: str) -> str | None:
        area = self._places.areas.get(code)
        return area.parent if area is not None else None

    def step(self, step: Transition, titles: Mapping[str, str]) -> str:
        """A transition's sentence, without its count unless it begins with the name of a district or the city: which member it is from is not said."""
        area = self._places.areas.get(step.area)
        if not self.rounds or all(signal in self._levels for signal in step.signals):
            return step.why
        wide = area is not None and not self._places.small(step.area) and area.name not in self._small_names
        if area is not None and wide and any(step.why.startswith(f"{titles.get(name, name)}, {area.name}: ") for name in step.signals):
            return step.why
        return without_numbers(step.why)


def without_numbers(why: str) -> str:
    """A sentence about a count without it.

    >>> without_numbers("Noise, Mill Lane: 42 in the last day, 12 expected (6 to 20); by chance once in 2 weeks.")
    'Noise, Mill Lane: not as usual in the last day.'
    """
    return _COUNT.sub(r": not as usual in the last \1.", why, count=1)


def strongest(evidence: tuple[Evidence, ...]) -> Evidence | None:
    """The evidence that says most."""
    return min(evidence, key=lambda e: (e.p, e.duration_s), default=None)


def lead_of(alert: Alert) -> Lead | None:
    """What an alert's summary and sentence are about."""
    member = max(alert.members, key=lambda m: (m.why == alert.why, m.risk, m.recurrence_s, m.area, m.signal), default=None)
    evidence = strongest(member.evidence) if member else None
    return Lead(member, evidence) if member and evidence else None


def one_digit(value: float) -> float:
    """To one significant digit.

    >>> one_digit(12.4), one_digit(0.52), one_digit(0)
    (10.0, 0.5, 0.0)
    """
    return float(f"{value:.0e}")


def _span(seconds: int, *, chinese: bool = False) -> str:
    for unit_s, word, word_zh in _SPANS:
        if seconds >= unit_s and seconds % unit_s == 0:
            count = seconds // unit_s
            return f"{count}{word_zh}" if chinese else word if count == 1 else f"{count} {word}s"
    return f"{seconds}秒" if chinese else f"{seconds} seconds"
