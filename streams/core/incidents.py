"""Incidents: which open alert a raising series becomes part of, and what an alert remembers of its series.

A raising series joins an open alert that has a series of an ancestor, descendant or the same area, with the same
signal or one of its group, as long as that alert was raised, joined or got worse within the incident span.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from msgspec import Struct, field

from streams.core.areas import AreaTree
from streams.core.growth import Told
from streams.core.handling import Handling
from streams.model import Alert, Band, Clears, Evidence, Finding, Member, Signal, State
from streams.settings import City

Series = tuple[str, str]  # area, signal


class Track(Struct):
    """One series in an incident, with the evidence of its newest notable window."""

    shard: str
    area: str
    signal: str
    since_s: int
    updated_s: int
    window_end_s: int
    recurrence_s: float
    risk: float
    band: Band
    why: str
    evidence: tuple[Evidence, ...]
    slow: bool  # raised by durations longer than a day alone: judged by them; other series by the fresh ones, which forget
    flags: tuple[str, ...] = ()
    calm_s: int = 0
    dark: bool = False

    @property
    def strength(self) -> tuple[float, ...]:
        """Greater is stronger: not calm, then by risk, then by recurrence interval."""
        return (float(self.calm_s == 0), self.risk, self.recurrence_s)


class Incident(Struct):
    """State of one alert. ``lead`` is the series that raised it; it gives the id and is never dropped."""

    id: str
    lead: Series
    area: str  # the lowest that covers all its series
    onset_s: int
    due_s: int  # provisional: end of the window it waits for
    raised_s: int  # when it was last raised, joined or got worse
    told_s: int  # when somebody was last told of it, or would have been but for a silence
    updated_s: int
    config_version: str
    state: State = "none"
    reason: str = ""
    seq: int = 0
    signals: list[str] = []
    tracks: dict[Series, Track] = {}
    beyond: int = 0  # series of the latest window that ``tracks`` has no room for
    initial_risk: float = 0.0
    said_band: Band = "none"
    worse_s: int | None = None
    told: dict[str, Told] = {}  # by signal
    held: bool = False
    muted_by: str = ""
    by_hand: bool = False  # a person has opened it, and a person ends it
    handling: Handling = field(default_factory=Handling)

    def leading(self) -> Track:
        """The series with the greatest risk; equals go by area and signal."""
        return min(self.tracks.values(), key=leading_first)

    def age(self, now_s: int) -> None:
        """What was not seen for a day is known no more; a signal of which nothing is known, while the alert goes on with others, joins again."""
        for told in self.told.values():
            told.age(now_s)
        seen = {signal: told for signal, told in self.told.items() if told.peaks}
        self.told = seen or self.told

    @property
    def reference_s(self) -> float:
        """The greatest fresh recurrence interval that people were told of."""
        return max((told.reference_s for told in self.told.values()), default=0.0)

    @property
    def peak_s(self) -> float:
        """The greatest fresh recurrence interval of the last 24 h."""
        return max((peak for told in self.told.values() for peak in told.peaks.values()), default=0.0)

    def alert(self, place: str, why: str, clearing: Clears, clears: str) -> Alert:
        """What people see of it; ``place``: the area it is said to be in, ``why``: the sentence of that place."""
        ordered = sorted(self.tracks.values(), key=leading_first)
        lead = ordered[0]
        return Alert(
            id=self.id,
            area=place,
            signals=tuple(self.signals),
            state=self.state,
            band=lead.band,
            risk=lead.risk,
            initial_risk=self.initial_risk,
            recurrence_s=lead.recurrence_s,
            onset_s=self.onset_s,
            updated_s=self.updated_s,
            reason=self.reason,
            why=why,
            clears=clears,
            members=tuple(
                Member(t.area, t.signal, t.since_s, t.updated_s, t.recurrence_s, t.risk, t.why, t.evidence, t.flags) for t in ordered
            ),
            seq=self.seq,
            owner=self.handling.owner,
            label=self.handling.label,
            config_version=self.config_version,
            muted_by=self.muted_by,
            members_beyond=self.beyond,
            duty=self.handling.duty,
            clearing=clearing,
            steps=tuple(done for _, done in sorted(self.handling.steps.items())),
            dissent=self.handling.dissenting,
            seen=tuple(self.handling.seen),
        )


class Relations:
    """Which series belong together, by a city's areas and signals. Codes a configuration no longer has relate only to themselves."""

    def __init__(self, city: City) -> None:
        self.tree = AreaTree(city.areas)
        self._fold = city.lifecycle.fold_areas
        self._span_s = city.lifecycle.incident_span_s
        self._groups = {signal.name: _group(signal) for signal in city.signals}

    def group(self, signal: str) -> tuple[str, str]:
        """Signals with equal groups fold into one incident; a signal without a group stands alone."""
        return self._groups.get(signal, ("signal", signal))

    def level(self, area: str) -> int:
        return self.tree[area].level if area in self.tree else 0

    def upwards(self, area: str) -> tuple[str, ...]:
        """The area and those that hold it, nearest first."""
        return (area, *self.tree.ancestors(area)) if area in self.tree else (area,)

    def has_children(self, area: str) -> bool:
        return area in self.tree and bool(self.tree.children(area))

    def within(self, area: str, scope: str) -> bool:
        """Whether ``area`` is ``scope`` or lies below it."""
        return scope in self.upwards(area)

    def along(self, a: str, b: str) -> bool:
        """Whether one area holds the other, or they are the same."""
        return self.within(a, b) or self.within(b, a)

    def recent(self, incident: Incident, now_s: int) -> bool:
        """Whether the incident may still take new series."""
        return now_s - incident.raised_s <= self._span_s

    def fitting(self, finding: Finding, incidents: Iterable[Incident], now_s: int) -> Incident | None:
        """Which of the incidents around its area a raising series without one joins. Of several: the one with the same signal, then the one whose
        series is nearest in level, then the oldest, then by id.
        """
        fits = [(rank, i.onset_s, i.id, i) for i in incidents if self.recent(i, now_s) and (rank := self._rank(finding, i)) is not None]
        return min(fits, key=lambda fit: fit[:3])[3] if fits else None

    def _rank(self, finding: Finding, incident: Incident) -> tuple[bool, int] | None:
        """How well they fit, least first."""
        group, level = self.group(finding.signal), self.level(finding.area)
        ranks = [
            (track.signal != finding.signal, abs(self.level(track.area) - level))
            for track in incident.tracks.values()
            if self.group(track.signal) == group and (track.area == finding.area or (self._fold and self.along(track.area, finding.area)))
        ]
        return min(ranks, default=None)

    def common(self, a: str, b: str) -> str:
        """The lowest area that covers both; of what is no more, the city."""
        return a if a == b else self.tree.lowest_common(self.known(a), self.known(b))

    def known(self, area: str) -> str:
        """The area, or the city where it is no more."""
        return area if area in self.tree else self.tree.root.code


def opened(finding: Finding, at_s: int) -> Incident:
    """A new incident that ``finding`` leads; its first step is still to be taken."""
    return Incident(
        id=alert_id(finding.area, finding.signal, finding.window_start_s),
        lead=(finding.area, finding.signal),
        area=finding.area,
        onset_s=finding.window_start_s,
        due_s=finding.window_end_s,
        raised_s=at_s,
        told_s=at_s,
        updated_s=at_s,
        config_version=finding.config_version,
    )


def alert_id(area: str, signal: str, window_start_s: int) -> str:
    """16 hex digits; the same series and window give the same id, always.

    >>> alert_id("1605", "noise", 1_422_525_600)
    'ec06be5713e4b7d1'
    """
    return blake2b(f"{area}\0{signal}\0{window_start_s}".encode(), digest_size=8).hexdigest()


def leading_first(track: Track) -> tuple[float, float, str, str]:
    """Orders series by risk, greatest first; equals by area and signal."""
    return (-track.risk, -track.recurrence_s, track.area, track.signal)


def _group(signal: Signal) -> tuple[str, str]:
    return ("group", signal.group) if signal.group else ("signal", signal.name)
