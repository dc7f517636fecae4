"""Where an incident is: the narrowest of its areas that explains the widest.

A burst in one community also shows in its street, its district and the city. The alert goes to the lowest level that
covers it: from the top down, as long as one area below accounts for most of what is seen above.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Protocol

from streams.model import Evidence

SHARE_MIN = 0.6
"""An area below explains the one above when it holds at least this part of the deviation from what was expected."""


class Seen(Protocol):
    """What is known of one series of an incident."""

    @property
    def area(self) -> str: ...
    @property
    def signal(self) -> str: ...
    @property
    def window_end_s(self) -> int: ...
    @property
    def evidence(self) -> tuple[Evidence, ...]: ...
    @property
    def strength(self) -> tuple[float, ...]: ...


class Tree(Protocol):
    """Which area lies in which."""

    def within(self, area: str, scope: str) -> bool: ...
    def common(self, a: str, b: str) -> str: ...


def whereabouts(series: Iterable[Seen], tree: Tree) -> str:
    """The lowest area that holds, for each signal, the narrowest area that explains it. Calm series count only when all are."""
    known = list(series)
    active = max(s.strength[0] for s in known)
    known = [s for s in known if s.strength[0] == active]
    found = [
        narrowest(top, [s for s in known if s.signal == top.signal], tree)
        for top in known
        if not any(s.signal == top.signal and s.area != top.area and tree.within(top.area, s.area) for s in known)
    ]
    return reduce(tree.common, found)


def narrowest(top: Seen, series: Sequence[Seen], tree: Tree) -> str:
    """The area at or below ``top`` that explains what is seen there. ``series``: all of the same signal."""
    here = top
    while True:
        below = [s for s in series if s.area != here.area and tree.within(s.area, here.area)]
        best = max(below, key=lambda s: (share(here, s), s.area), default=None)
        if best is None or share(here, best) < SHARE_MIN:
            return here.area
        here = best


def share(whole: Seen, part: Seen) -> float:
    """Part of the deviation in ``whole``, at the duration that is most surprising there, that ``part`` holds; 0 when it is out of date."""
    if not whole.evidence:  # a person has opened it there
        return 0.0
    lead = min(whole.evidence, key=lambda e: (e.p, e.duration_s))
    same = next((e for e in part.evidence if e.duration_s == lead.duration_s), None)
    deviation = lead.observed - lead.expected
    if same is None or deviation == 0.0 or part.window_end_s <= whole.window_end_s - lead.duration_s:
        return 0.0
    return (same.observed - same.expected) / deviation
