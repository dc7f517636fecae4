"""The book of alerts: those that are open, which of them a series is part of, and what is remembered of those that have ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import NamedTuple

from msgspec import Struct

from streams.core.incidents import Incident, Relations, Series, Track
from streams.core.lifecycle import FINAL, RANK, SLOW_HOLD_S, Limits
from streams.model import DAY_S, Finding

MEMBERS_MAX = 64
"""Series an alert keeps; the strongest stay, those beyond are counted."""
GOES_ON_DAY_P = 0.01
"""p-value of the longest duration up to a day below which something more than usual comes still."""
FLAPS = 3
FLAP_SPAN_S = 7 * DAY_S


class Past(Struct):
    """What is remembered of a series after its alert has ended."""

    shard: str
    ended_s: int
    window_end_s: int  # newest window that spoke of it: a new alert needs a newer one, so that no id comes twice
    until_calm: bool  # what is left of the ended alert must not raise the next one
    told_s: int  # when somebody was last told of it
    reference_s: float = 0.0  # resolved by a person: it must be ``worse_ratio`` times rarer to be raised before it was calm
    quiet_s: int = 0  # for how long nothing was found of it
    memory_s: int = SLOW_HOLD_S  # longest duration that spoke of it: so long does what has ended go on showing
    calmed_s: tuple[int, ...] = ()  # when its last alerts cleared by themselves, at most ``FLAPS``

    def is_news(self, finding: Finding, limits: Limits) -> bool:
        """Whether a raising finding is something new."""
        if finding.window_end_s <= self.window_end_s:
            return False
        if not self.until_calm or finding.fresh_recurrence_s >= max(limits.raise_s, limits.worse_ratio * self.reference_s):
            return True
        return not self.reference_s and untold_s(finding, self.told_s) >= limits.raise_s

    def flapping(self, now_s: int) -> bool:
        return len(self.calmed_s) == FLAPS and self.calmed_s[0] > now_s - FLAP_SPAN_S


class Aged(NamedTuple):
    """A window that has been taken up."""

    end_s: int
    window_s: int
    found: Mapping[Series, Finding]
    dark: Mapping[str, tuple[str, ...]]  # shard -> signals without data


class Taken(NamedTuple):
    """What a finding did to an incident."""

    hot: bool  # the series is not calm
    grown: bool  # the incident has a series, a signal or an area more than before


class Book:
    """The open incidents, and which of them a series is part of: at most one. ``past``: series of ended ones, oldest first."""

    def __init__(self, incidents: dict[str, Incident], past: dict[Series, Past]) -> None:
        self.open, self._past = incidents, past
        self._home = {series: incident.id for incident in incidents.values() for series in incident.tracks}
        self._by_area: dict[str, dict[str, Incident]] = {}
        for incident in incidents.values():
            self._settle(incident)

    def of(self, series: Series) -> Incident | None:
        home = self._home.get(series)
        return None if home is None else self.open[home]

    def above(self, area: str, relations: Relations) -> list[Incident]:
        """Incidents of the area and of those that hold it."""
        return [incident for code in relations.upwards(area) for incident in self._by_area.get(code, {}).values()]

    def around(self, area: str, relations: Relations) -> list[Incident]:
        """Incidents of the area, of those that hold it and of those it holds."""
        below = [code for code in self._by_area if code != area and relations.within(code, area)] if relations.has_children(area) else []
        return self.above(area, relations) + [incident for code in below for incident in self._by_area[code].values()]

    def is_news(self, finding: Finding, limits: Limits) -> bool:
        """Whether a finding of a series without an alert may raise one: it is above the threshold and not what an ended one left."""
        past = self._past.get((finding.area, finding.signal))
        return finding.recurrence_s >= limits.raise_s and (past is None or past.is_news(finding, limits))

    def flapping(self, incident: Incident, now_s: int) -> bool:
        """Whether alerts of one of its series cleared ``FLAPS`` times within ``FLAP_SPAN_S``."""
        return any(series in self._past and self._past[series].flapping(now_s) for series in incident.tracks)

    def add(self, incident: Incident) -> None:
        assert incident.id not in self.open, f"two alerts are called {incident.id}"
        self.open[incident.id] = incident
        self._settle(incident)
        self._home |= dict.fromkeys(incident.tracks, incident.id)

    def adopt(self, incident: Incident, tracks: Mapping[Series, Track], relations: Relations) -> None:
        """Make series that are no alert's now part of one; beyond ``MEMBERS_MAX`` the weakest go."""
        room = MEMBERS_MAX - len(incident.tracks)
        kept = sorted(tracks, key=lambda series: (tracks[series].strength, series), reverse=True)[:room]
        incident.beyond += len(tracks) - len(kept)
        incident.tracks |= {series: tracks[series] for series in kept}
        self._home |= dict.fromkeys(kept, incident.id)
        self._place_anew(incident, relations)

    def release(self, incident: Incident, tracks: Iterable[Series], relations: Relations) -> None:
        """Let series go that are to be another alert's; if the lead is among them, the strongest of the rest leads, and the id stays."""
        for series in tracks:
            del incident.tracks[series], self._home[series]
        if incident.lead not in incident.tracks:
            lead = incident.leading()
            incident.lead = (lead.area, lead.signal)
        self._place_anew(incident, relations)

    def _place_anew(self, incident: Incident, relations: Relations) -> None:
        self._unsettle(incident)
        incident.area = reduce(relations.common, sorted({area for area, _ in incident.tracks}))
        incident.signals = sorted({signal for _, signal in incident.tracks})
        self._settle(incident)

    def take(self, incident: Incident, finding: Finding, at_s: int, limits: Limits, relations: Relations) -> Taken:
        """Make a finding's series part of the incident, or renew it. Beyond ``MEMBERS_MAX`` the weakest series but the lead goes."""
        before = (incident.area, len(incident.signals), len(incident.tracks))
        series = (finding.area, finding.signal)
        hot = _renew(incident, series, finding, at_s, limits)
        self._unsettle(incident)
        incident.area = relations.common(incident.area, finding.area)
        self._settle(incident)
        incident.signals = sorted({*incident.signals, finding.signal})
        incident.config_version = finding.config_version
        self._home[series] = incident.id
        if len(incident.tracks) > MEMBERS_MAX:
            weakest = min((s for s in incident.tracks if s != incident.lead), key=lambda s: (*incident.tracks[s].strength, s))
            del incident.tracks[weakest], self._home[weakest]
            incident.beyond += 1
        return Taken(hot, (incident.area, len(incident.signals), len(incident.tracks)) != before)

    def drop(self, incident: Incident) -> None:
        """Take an incident out, remembering nothing."""
        del self.open[incident.id]
        self._unsettle(incident)
        for series in incident.tracks:
            del self._home[series]

    def end(self, incident: Incident, at_s: int, past_max: int) -> int:
        """Put an incident away, remembering its series. Returns how many older ones were forgotten to stay within ``past_max``."""
        self.drop(incident)
        resolved_s = incident.peak_s if incident.reason == "resolved" else 0.0
        for series, track in incident.tracks.items():
            before = self._past.pop(series, None)
            calmed_s = before.calmed_s if before else ()
            if incident.reason == "calm":
                calmed_s = (*calmed_s, at_s)[-FLAPS:]
            memory_s = max((e.duration_s for e in track.evidence), default=SLOW_HOLD_S)
            self._past[series] = Past(
                shard=track.shard,
                ended_s=at_s,
                window_end_s=track.window_end_s,
                until_calm=incident.state == "cleared",
                told_s=incident.told_s,
                reference_s=resolved_s,
                memory_s=max(SLOW_HOLD_S, memory_s),
                calmed_s=calmed_s,
            )
        surplus = list(self._past)[: max(0, len(self._past) - past_max)]
        for series in surplus:
            del self._past[series]
        return len(surplus)

    def age(self, window: Aged, limits_of: Callable[[str], Limits]) -> None:
        """A window has been taken up: see which remembered series have become calm, forget those that no longer matter.

        Without a finding the fresh durations are calm. The long ones speak only when something comes in, so they are calm when nothing
        was found for as long as they reach back.
        """
        for series, past in list(self._past.items()):
            finding = window.found.get(series)
            if finding is None and series[1] in window.dark.get(past.shard, ()):
                continue
            clear_s = limits_of(series[1]).clear_s
            past.reference_s *= finding is not None and finding.fresh_recurrence_s >= clear_s
            past.quiet_s = past.quiet_s + window.window_s if finding is None else 0
            past.until_calm &= past.quiet_s < past.memory_s if finding is None else finding.recurrence_s >= clear_s
            if not past.until_calm and past.ended_s < window.end_s - FLAP_SPAN_S:
                del self._past[series]

    def _settle(self, incident: Incident) -> None:
        self._by_area.setdefault(incident.area, {})[incident.id] = incident

    def _unsettle(self, incident: Incident) -> None:
        del self._by_area[incident.area][incident.id]
        if not self._by_area[incident.area]:
            del self._by_area[incident.area]

    def check(self) -> None:
        """Assert what must hold between steps."""
        assert {name: i for incidents in self._by_area.values() for name, i in incidents.items()} == self.open, (
            "an alert is not where it is"
        )
        homes = {series: incident.id for incident in self.open.values() for series in incident.tracks}
        assert homes == self._home and len(homes) == sum(len(i.tracks) for i in self.open.values()), "a series is part of two alerts"
        for name, incident in self.open.items():
            assert incident.id == name and incident.lead in incident.tracks and len(incident.tracks) <= MEMBERS_MAX
            assert incident.state not in ("none", *FINAL) and incident.seq > 0


def untold_s(finding: Finding, told_s: int) -> float:
    """Recurrence interval of a finding by those of its durations that begin after ``told_s``: what nobody has been told of yet."""
    later = [e.p for e in finding.evidence if finding.window_end_s - e.duration_s >= told_s]
    if not later:
        return 0.0
    return (finding.window_end_s - finding.window_start_s) / min(1.0, min(later) * len(finding.evidence))


def _renew(incident: Incident, series: Series, finding: Finding, at_s: int, limits: Limits) -> bool:
    """Renew a series' evidence, unless it has newer; says whether the finding is hot, that is, above the clear threshold."""
    known = incident.tracks.get(series)
    fresh_s = finding.fresh_recurrence_s
    slow = fresh_s < limits.clear_s if known is None else known.slow and fresh_s < limits.raise_s
    hot = (finding.recurrence_s if slow else fresh_s) >= limits.clear_s or _goes_on(finding, limits)
    held = known if incident.by_hand and series == incident.lead else None  # a person has said how bad it is
    if known is None or finding.window_end_s >= known.window_end_s:
        incident.tracks[series] = Track(
            shard=finding.shard,
            area=finding.area,
            signal=finding.signal,
            since_s=finding.window_start_s if known is None else known.since_s,
            updated_s=at_s,
            window_end_s=finding.window_end_s,
            recurrence_s=finding.recurrence_s,
            risk=max(finding.risk, held.risk) if held else finding.risk,
            band=max(finding.band, held.band, key=RANK.__getitem__) if held else finding.band,
            why=finding.why,
            evidence=finding.evidence,
            slow=slow,
            flags=finding.flags,
            calm_s=0 if known is None else known.calm_s,
        )
    if hot:
        incident.tracks[series].calm_s = 0
    return hot


def _goes_on(finding: Finding, limits: Limits) -> bool:
    """Whether what raises by a long memory still comes in: more in the last day than is usual. Nobody would call that calm."""
    day = max((e for e in finding.evidence if e.duration_s <= DAY_S), key=lambda e: e.duration_s, default=None)
    return finding.recurrence_s >= limits.raise_s and day is not None and day.p < GOES_ON_DAY_P
