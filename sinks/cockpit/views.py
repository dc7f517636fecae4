"""What people get to see of an alert: plain dictionaries, with small counts of small areas taken out. Pure.

An area is small below district level (level 2 and deeper), or when it is not in the tree. There an observed count
below the floor is ``None`` with the words "fewer than 5", and so are what was expected and the p-value: with the recurrence
interval they would give the count away. ``sinks.cockpit.small`` says which others go with it. The ``why`` sentences were made with
the same floor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sinks.cockpit.small import Key, SmallNumbers, lead_of, one_digit
from streams.model import Alert, Area, Duty, Evidence, Member, Signal, Transition

DISTRICT_LEVEL = 1
MEMBERS_MAX = 50

Json = dict[str, Any]


class Places:
    """The area tree, for names and for who lies in whom."""

    def __init__(self, areas: Sequence[Area]) -> None:
        self.areas: dict[str, Area] = {area.code: area for area in areas}

    def lineage(self, code: str) -> tuple[str, ...]:
        """The area and its ancestors, nearest first; an unknown code alone."""
        codes = [code]
        while (area := self.areas.get(codes[-1])) is not None and area.parent is not None and area.parent not in codes:
            codes.append(area.parent)
        return tuple(codes)

    def path(self, code: str) -> list[str]:
        """Names from the city down to the area."""
        return [self.areas[at].name if at in self.areas else at for at in reversed(self.lineage(code))]

    def small(self, code: str) -> bool:
        """Whether small counts of this area are hidden."""
        area = self.areas.get(code)
        return area is None or area.level > DISTRICT_LEVEL


class Beside(NamedTuple):
    """What the shell knows beside an alert's own words. ``sentence_zh``: a member's sentence in Chinese."""

    sentence_zh: Callable[[Member], str]
    clears_zh: Callable[[Alert], str]
    playbook: Callable[[Alert], str]
    links: Callable[[Alert], list[Json]]


NOTHING_BESIDE = Beside(lambda _member: "", lambda _alert: "", lambda _alert: "", lambda _alert: [])


class View:
    """Alerts and transitions as people may see them."""

    def __init__(
        self,
        areas: Sequence[Area],
        signals: Sequence[Signal] = (),
        *,
        suppress_below: int = 5,
        complementary: bool = True,
        beside: Beside = NOTHING_BESIDE,
    ) -> None:
        """Signals that are not given are taken to be counts, and are called by their bare name."""
        self.places = Places(areas)
        self.suppress_below = suppress_below
        self._beside = beside
        self._titles_zh = {signal.name: signal.title_zh or signal.title for signal in signals}
        self._titles = {signal.name: signal.title for signal in signals}
        levels = frozenset(signal.name for signal in signals if signal.kind == "level")
        self._small = SmallNumbers(self.places, levels, suppress_below, complementary=complementary)

    def summary(self, alert: Alert) -> Json:
        """One alert for a list: without its members, with the evidence that says most."""
        lead, told = lead_of(alert), self._small.told(alert)
        return {
            "id": alert.id,
            "seq": alert.seq,
            "state": alert.state,
            "band": alert.band,
            "risk": alert.risk,
            "initial_risk": alert.initial_risk,
            "recurrence_s": alert.recurrence_s,
            "area": alert.area,
            "area_path": self.places.path(alert.area),
            "signals": list(alert.signals),
            "signal_titles": [self._titles.get(name, name) for name in alert.signals],
            "onset_s": alert.onset_s,
            "updated_s": alert.updated_s,
            "reason": alert.reason,
            "why": self._why(alert, told),
            "why_zh": self._why_zh(alert, told),
            "clears": alert.clears,
            "clears_zh": self._beside.clears_zh(alert),
            "owner": alert.owner,
            "label": alert.label,
            "duty": self._duty(alert.duty) if alert.duty else None,
            "dissent": list(alert.dissent),
            "seen": list(alert.seen),
            "muted_by": alert.muted_by,
            "members": len(alert.members),
            "lead": self._evidence(*lead, told) if lead else None,
            "config_version": alert.config_version,
        }

    def detail(self, alert: Alert) -> Json:
        """One alert whole: its members by risk, at most ``MEMBERS_MAX``, with all their evidence."""
        members = sorted(alert.members, key=lambda m: (-m.risk, -m.recurrence_s, m.area, m.signal))
        told = self._small.told(alert)
        return {
            **self.summary(alert),
            "members": [self._member(member, told) for member in members[:MEMBERS_MAX]],
            "members_left_off": max(0, len(members) - MEMBERS_MAX),
            "playbook": self._beside.playbook(alert) or None,
            "steps_done": [{"step": done.step, "actor": done.actor, "at_s": done.at_s} for done in alert.steps],
            "source_links": self._beside.links(alert),
        }

    def _duty(self, duty: Duty) -> Json:
        level = self.places.areas[duty.area].level if duty.area in self.places.areas else 0
        return {
            "area": duty.area,
            "area_path": self.places.path(duty.area),
            "level": level,
            "department": duty.department,
            "since_s": duty.since_s,
            "due_s": duty.due_s or None,
            "escalated": duty.escalated,
        }

    def transition(self, step: Transition) -> Json:
        """One step in an alert's life."""
        return {
            "alert_id": step.alert_id,
            "seq": step.seq,
            "at_s": step.at_s,
            "onset_s": step.onset_s,
            "area": step.area,
            "area_path": self.places.path(step.area),
            "signals": list(step.signals),
            "signal_titles": [self._titles.get(name, name) for name in step.signals],
            "from": step.from_state,
            "to": step.to_state,
            "reason": step.reason,
            "band": step.band,
            "risk": step.risk,
            "recurrence_s": step.recurrence_s,
            "notify": step.notify,
            "actor": step.actor,
            "what": step.what,
            "why": self._small.step(step, self._titles),
            "config_version": step.config_version,
        }

    @staticmethod
    def _about(alert: Alert) -> Member | None:
        """The member that an alert's sentence is from; one that a person has opened has no evidence."""
        lead = lead_of(alert)
        return next((member for member in alert.members if member.why == alert.why), lead.member if lead else None)

    def _why(self, alert: Alert, told: frozenset[Key]) -> str:
        """The sentence of the member that it is from."""
        about = self._about(alert)
        return self._sentence(about, alert.why, told) if about else alert.why

    def _why_zh(self, alert: Alert, told: frozenset[Key]) -> str:
        about = self._about(alert)
        if about is None:
            return alert.why
        if self._small.exact(about):
            title = self._titles_zh.get(about.signal, about.signal)
            return self._small.sentence_zh(about, (about.area, about.signal) in told, title, self.places.areas)
        return self._beside.sentence_zh(about)

    def _sentence(self, member: Member, why: str, told: frozenset[Key]) -> str:
        title = self._titles.get(member.signal, member.signal)
        return self._small.sentence(member, why, (member.area, member.signal) in told, title, self.places.areas)

    def _member(self, member: Member, told: frozenset[Key]) -> Json:
        return {
            "area": member.area,
            "area_path": self.places.path(member.area),
            "signal": member.signal,
            "signal_title": self._titles.get(member.signal, member.signal),
            "since_s": member.since_s,
            "updated_s": member.updated_s,
            "recurrence_s": member.recurrence_s,
            "risk": member.risk,
            "why": self._sentence(member, member.why, told),
            "evidence": [self._evidence(member, evidence, told) for evidence in member.evidence],
        }

    def _evidence(self, member: Member, evidence: Evidence, told: frozenset[Key]) -> Json:
        """``observed_text`` stands where the number is not exact, or not there."""
        small = self._small
        counted = small.counted(member.area, member.signal)
        hidden = counted and (small.few(evidence) or (member.area, member.signal) not in told)
        if counted and (hidden or small.rounds):
            return {
                "duration_s": evidence.duration_s,
                "observed": None if hidden else small.rounded(evidence.observed),
                "observed_text": small.text(evidence, told=not hidden),
                "expected": None if hidden else one_digit(evidence.expected),
                "lower": None,
                "upper": None,
                "p": None,
            }
        return {
            "duration_s": evidence.duration_s,
            "observed": evidence.observed,
            "observed_text": None,
            "expected": evidence.expected,
            "lower": evidence.lower,
            "upper": evidence.upper,
            "p": evidence.p,
        }
