"""The alerts of a city and what is done to them: a finding is placed, a step is taken, a transition is said.

``decide`` says when; ``lifecycle`` what comes next; ``incidents`` where a series belongs; ``muting`` who is told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct, field

from streams.core.book import Book, Past
from streams.core.budget import Budget
from streams.core.duty import Duties
from streams.core.early import Early
from streams.core.growth import Growth, Told, Touched
from streams.core.incidents import Incident, Relations, Series, Track, leading_first, opened
from streams.core.lifecycle import FINAL, NEXT, RANK, TRANSITION_REASONS, Case, Limits, Step, clearing, clears_words
from streams.core.muting import ended, muted_by
from streams.core.whereabouts import whereabouts
from streams.model import DAY_S, Alert, Command, Finding, Outcome, Silence, Transition
from streams.settings import City

PAST_PER_ALERT = 4
"""Series of ended alerts that are remembered, for each alert that may be open."""


class Waiting(Struct):
    """A window that some shard has not closed yet."""

    findings: list[Finding] = []
    dark: dict[str, tuple[str, ...]] = {}  # shard -> signals without data


class Tally(Struct):
    """What reached a bound, or came to nothing, counted."""

    dropped: int = 0  # alerts not raised because open_alerts_max were open; a series that goes on raising counts in each window
    forgotten: int = 0  # series of ended alerts forgotten before their time
    foreign: int = 0  # records of shards that the configuration does not have
    gaps: int = 0  # records of a shard that had skipped a number: not taken, the shard's owner says them again from its snapshot
    unshown: int = 0  # early findings that showed nothing because of a bound


class Memory(Struct):
    """All state; a snapshot is its encoding."""

    version: int
    closed_to: dict[str, int]  # shard -> end of the last window it closed, -1: none
    next_number: dict[str, int]  # shard -> number of its next finding
    budget: Budget
    tally: Tally
    waiting: dict[int, Waiting] = {}  # by end of window
    open: dict[str, Incident] = {}
    past: dict[Series, Past] = {}
    silences: dict[str, Silence] = {}
    applied: dict[str, int] = {}  # ids of commands, oldest first
    configured: Command | None = None
    clock_s: int = 0  # newest tick
    taken_to_s: int = 0  # end of the last window taken up
    early: Early = field(default_factory=Early)


GOES_ON_P = 0.5
"""p-value of the shortest duration below which something more than usual comes still."""


class Touch(Struct):
    """What one window, or one early finding, brought to an incident."""

    found: dict[Series, bool] = {}  # series with a finding: whether it is not calm
    raising: bool = False
    joined: bool = False
    signals: dict[str, Touched] = {}
    goes_on: bool = False  # a series that raises has more than is usual in this very window


class Out(Struct):
    """Outputs of the record at hand."""

    transitions: list[Transition] = []
    changed: dict[str, Incident] = {}
    outcomes: list[Outcome] = []


class By(NamedTuple):
    """By what a step comes about: events, unless something is said here. ``what``: see ``Transition``."""

    actor: str = ""
    muter: str = ""  # what had muted it, and does so no more
    clock: bool = False
    what: str = ""


EVENTS = By()


class Alerts:
    """All alerts of one city; ``memory`` is the state, owned by ``Decide``."""

    def __init__(self, city: City, memory: Memory) -> None:
        self.city, self.relations = city, Relations(city)
        self.stretch = _stretch(city)
        self._counted = frozenset(s.name for s in city.signals if s.kind == "count" and s.direction == "up")
        self.book = Book(memory.open, memory.past)
        tree = self.relations.tree
        self.duties = Duties(city, lambda code: tree.parent(code) if code in tree else None, self.relations.within)
        self._memory = memory

    @property
    def limits(self) -> Limits:
        """Thresholds in force."""
        return Limits.of(self.city.lifecycle, self._memory.budget.threshold_s)

    def limits_of(self, signal: str) -> Limits:
        """Thresholds of a signal: the city's, or those of its own part of the budget."""
        return Limits.of(self.city.lifecycle, self._memory.budget.threshold_s * self.stretch.get(signal, 1.0))

    def top_down(self, findings: Iterable[Finding]) -> list[Finding]:
        """Series of alerts first; then those that may raise one, from the city down, so that what lies below joins what lies above."""
        level = self.relations.level
        return sorted(
            findings, key=lambda f: (self.book.of((f.area, f.signal)) is None, level(f.area), f.area, f.signal, f.shard, f.number)
        )

    def in_order(self) -> list[Incident]:
        """Open incidents, from the city down."""
        return sorted(self.book.open.values(), key=lambda i: (self.relations.level(i.area), i.id))

    def place(self, finding: Finding, at_s: int, touched: dict[str, Touch]) -> None:
        """Take a finding into the incident its series is part of; a raising one without one joins or leads."""
        limits, series = self.limits_of(finding.signal), (finding.area, finding.signal)
        incident = self.book.of(series)
        if incident is None:
            if not self.book.is_news(finding, limits):
                return
            incident = self.relations.fitting(finding, self.book.around(finding.area, self.relations), at_s)
        if incident is None:
            if len(self.book.open) >= self.city.lifecycle.open_alerts_max:
                self._memory.tally.dropped += 1
                return
            incident = opened(finding, at_s)
            self.book.add(incident)
        touch = touched.get(incident.id)
        if touch is None:
            touch = touched[incident.id] = Touch()
            incident.beyond = 0
        before = series in incident.tracks
        taken = self.book.take(incident, finding, at_s, limits, self.relations)
        touch.found[series] = taken.hot
        raising = taken.hot and finding.recurrence_s >= limits.raise_s
        touch.raising |= raising
        heard = touch.signals.setdefault(finding.signal, Touched())
        heard.fresh_s = max(heard.fresh_s, finding.fresh_recurrence_s)
        if finding.signal in self._counted and taken.hot:
            day = (e.observed - e.expected for e in finding.evidence if e.duration_s <= DAY_S)
            most = max(day, default=0.0)
            heard.excess = max(heard.excess, most if before else 0.0)
            heard.joined_excess = max(heard.joined_excess, 0.0 if before else most)
        shortest = min(finding.evidence, key=lambda e: e.duration_s, default=None)
        touch.goes_on |= raising and shortest is not None and shortest.p < GOES_ON_P
        touch.joined |= taken.grown

    def step(self, rule: Callable[[Case, Limits], Step], incident: Incident, touch: Touch, at_s: int, out: Out) -> None:
        """One alert's next state by a rule of ``lifecycle``; says so if anything is new."""
        incident.age(at_s)
        step = rule(self._case(incident, touch, at_s), self.limits)
        if touch.found:
            for signal, heard in touch.signals.items():
                if signal not in incident.told:  # that it has become part is told by the alert it is part of; what it grows to is news
                    incident.told[signal] = Told(heard.fresh_s)
                incident.told[signal].see(at_s, heard)
            incident.updated_s = at_s
            out.changed[incident.id] = incident
        if incident.state == "none":
            incident.initial_risk = incident.leading().risk
        elif step.notify and step.reason != "repeated":
            incident.worse_s = at_s
        if step.notify:
            self._memory.budget.count()
            incident.told_s = at_s
            if step.reason != "repeated":  # a reminder is no news: what grows is still told by what it was
                for signal, heard in touch.signals.items():
                    incident.told[signal].tell(heard)
        if (step.notify and step.reason != "repeated") or touch.joined:
            incident.raised_s = max(incident.raised_s, at_s)
        incident.held |= step.reason == "flapping_held"
        if step.reason in TRANSITION_REASONS:
            self.say(incident, step, at_s, out)

    def say(self, incident: Incident, step: Step, at_s: int, out: Out, by: By = EVENTS) -> None:
        """Make the transition, tell a person or say who mutes it, and put away what has ended."""
        reason = step.reason
        muter = self._muter(incident) if step.notify else ""
        if step.notify:
            incident.muted_by = muter
            incident.said_band = max(incident.said_band, incident.leading().band, key=RANK.__getitem__)
        self._on_duty(incident, told=step.notify, muted=bool(muter))
        if muter and incident.state == "none":
            reason = "silenced" if muter.startswith("silence:") else "inhibited"
        incident.seq += 1
        step = Step(step.state, reason, step.notify and not muter)
        out.transitions.append(self.transition(incident, step, at_s, by._replace(muter=muter or by.muter)))
        incident.state, incident.reason = step.state, reason
        if by == EVENTS:  # people's clocks are ahead of events
            incident.updated_s = at_s
        out.changed[incident.id] = incident
        if step.state in FINAL:
            self._end(incident)

    def _on_duty(self, incident: Incident, *, told: bool, muted: bool) -> None:
        if self.duties.kept:
            place, lead = self._place(incident), self.said(incident)
            self.duties.widened(incident.handling, place)
            if told or incident.handling.duty is None:
                self.duties.told(incident.handling, place, lead.signal, muted=muted)

    def _place(self, incident: Incident) -> str:
        return self.relations.known(self.whereabouts(incident))

    def transition(self, incident: Incident, step: Step, at_s: int, by: By = EVENTS) -> Transition:
        """The step that an alert is about to take, in full."""
        assert step.state in NEXT[incident.state], f"{incident.state} does not become {step.state}"
        lead = incident.leading()
        return Transition(
            alert_id=incident.id,
            seq=incident.seq,
            at_s=at_s,
            onset_s=incident.onset_s,
            area=self.whereabouts(incident),
            signals=tuple(incident.signals),
            from_state=incident.state,
            to_state=step.state,
            reason=step.reason,
            band=lead.band,
            risk=lead.risk,
            recurrence_s=lead.recurrence_s,
            notify=step.notify,
            actor=by.actor,
            why=self.said(incident).why,
            config_version=incident.config_version,
            muted_by=by.muter,
            what=by.what,
        )

    def age(self, incident: Incident, touch: Touch, dark: Mapping[str, tuple[str, ...]], out: Out) -> None:
        """Each series is a window longer calm, or without data, or neither."""
        for series, track in incident.tracks.items():
            was, track.dark = track.dark, series not in touch.found and track.signal in dark.get(track.shard, ())
            if not track.dark and not touch.found.get(series, False):
                track.calm_s += self.city.detection.window_s
            if track.dark != was:
                out.changed[incident.id] = incident

    def view(self, incident: Incident) -> Alert:
        """What people see of it now."""
        case = self._case(incident, Touch(), self._memory.taken_to_s)
        when = clearing(case, self.limits, incident.due_s)
        return incident.alert(self.whereabouts(incident), self.said(incident).why, when, clears_words(when))

    def said(self, incident: Incident) -> Track:
        """The series whose sentence speaks for the alert: the strongest of its place, or of all where its place has none."""
        place = self.whereabouts(incident)
        return min((track for track in incident.tracks.values() if track.area == place), key=leading_first, default=incident.leading())

    def whereabouts(self, incident: Incident) -> str:
        """The area an alert is said to be in: the lowest that accounts for it."""
        return whereabouts(incident.tracks.values(), self.relations)

    def unmute(self, at_s: int, out: Out, of: Callable[[Incident], bool] = lambda _: True) -> None:
        """Look again at the alerts whose notification was withheld: where nothing withholds it any more, it is given once."""
        for incident in [i for i in self.in_order() if i.muted_by and of(i)]:
            was, incident.muted_by = incident.muted_by, self._muter(incident)
            if not incident.muted_by:
                incident.told_s = at_s
                self.say(incident, Step(incident.state, ended(was, self._memory.silences), True), at_s, out, By(muter=was))

    # duty: by the journal's clock

    def on_duty_now(self, out: Out) -> None:
        """The city is another one: whose each alert is, goes by its rules from now on."""
        for incident in [*self.in_order(), *self._memory.early.pending().values()]:
            before = incident.handling.duty
            self.duties.adopt(incident.handling, self._place(incident), self.said(incident).signal, self.relations.known)
            if incident.handling.duty != before:
                out.changed[incident.id] = incident

    def tick(self, out: Out) -> None:
        """The clock has come to ``clock_s``: begin the time that people have, and let go up what nobody took on in it."""
        now_s = self._memory.clock_s
        for incident in self.in_order() if self.duties.kept else ():
            handling = incident.handling
            if incident.muted_by or handling.duty is None:
                continue
            band = incident.leading().band
            if self.duties.waits(handling, band):
                self.duties.begin(handling, band, now_s)
                out.changed[incident.id] = incident
            elif 0 < handling.duty.due_s <= now_s:
                duty = self.duties.escalate(handling)
                if duty is None:
                    out.changed[incident.id] = incident
                    continue
                by = By(clock=True, what=f"{duty.area}/{duty.department}")
                self.say(incident, Step(incident.state, "escalated", True), now_s, out, by)

    def next_duty_s(self) -> int | None:
        """When the clock must come next for somebody's time to begin or to be over; a time past: at once."""
        if not self.duties.kept:
            return None
        told = [incident for incident in self.book.open.values() if incident.handling.duty is not None and not incident.muted_by]
        due = [i.handling.duty.due_s for i in told if i.handling.duty is not None and i.handling.duty.due_s]
        return 0 if any(self.duties.waits(i.handling, i.leading().band) for i in told) else min(due, default=None)

    def _end(self, incident: Incident) -> None:
        if incident.reason == "merged":  # its series are another's now
            self.book.drop(incident)
            return
        past_max = PAST_PER_ALERT * self.city.lifecycle.open_alerts_max
        self._memory.tally.forgotten += self.book.end(incident, self._memory.taken_to_s, past_max)

    def _muter(self, incident: Incident) -> str:
        others = self.book.above(incident.area, self.relations)
        begun = (silence for silence in self._memory.silences.values() if silence.from_s <= self._memory.clock_s or not silence.from_s)
        return muted_by(incident, begun, others, self.relations, self._memory.taken_to_s)

    def _case(self, incident: Incident, touch: Touch, now_s: int) -> Case:
        tracks = incident.tracks.values()
        return Case(
            state=incident.state,
            now_s=now_s,
            raising=touch.raising,
            joined=touch.joined,
            calm_s=min(track.calm_s for track in tracks),
            dark=all(track.dark for track in tracks),
            partly_dark=any(track.dark for track in tracks),
            band=incident.leading().band,
            said_band=incident.said_band,
            growth=tuple(_growth(heard, incident.told[signal]) for signal, heard in touch.signals.items() if signal in incident.told),
            worse_s=incident.worse_s,
            told_ago_s=now_s - incident.told_s,
            taken_on=bool(incident.handling.owner or incident.muted_by),
            goes_on=touch.goes_on,
            slow=any(track.slow for track in tracks),
            flapping=self.book.flapping(incident, now_s),
            held=incident.held,
            by_hand=incident.by_hand,
        )


def _growth(heard: Touched, told: Told) -> Growth:
    return Growth(heard.fresh_s, told.reference_s, heard.excess, max(told.excess, heard.joined_excess))


def _stretch(city: City) -> dict[str, float]:
    """By how much a signal's threshold is longer than the city's, where it has a budget of its own."""
    equal = city.lifecycle.false_alerts_per_day / max(len(city.signals), 1)
    return {signal.name: equal / signal.false_alerts_per_day for signal in city.signals if signal.false_alerts_per_day}
