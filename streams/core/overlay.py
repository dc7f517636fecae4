"""The overlay: what findings of windows still open add to the alerts of closed ones.

It is shown at once and decides nothing.

    closed windows, people ─► alerts ───────────────┬─► translated: what was shown early is not said again ─► readers
                                └─ copy ─► tentative ─► worse, joined, provisional alerts ────────────────────►
    early findings ────────────────────────────┘

When a window is taken up, the copy is dropped; it is made again from what is left of early findings. A provisional alert ends when
its window closes: confirmed by the alert of the same id, or withdrawn; what people did to it goes to the alert that takes its place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec
from msgspec.structs import replace

from streams.core.alerts import Alerts, By, Memory, Out, Tally, Touch
from streams.core.early import FINDINGS_MAX, Resolved, Shown
from streams.core.growth import Told
from streams.core.handling import Handling
from streams.core.incidents import Incident, Series
from streams.core.lifecycle import FINAL, RANK, TRANSITION_REASONS, Case, Step, at_early, at_window
from streams.model import HOUR_S, Alert, Band, Finding, Transition

_incidents = msgspec.msgpack.Decoder(dict[str, Incident])
_handling = msgspec.msgpack.Decoder(Handling)


class Overlay:
    """Early findings over the ``alerts`` of closed windows; its state is ``memory.early``."""

    def __init__(self, alerts: Alerts, memory: Memory) -> None:
        self._alerts, self._memory, self._early = alerts, memory, memory.early
        self._tentative: Alerts | None = None
        self._copy: Memory = memory  # what the tentative alerts work on
        if memory.early.open is not None:
            self._lay(memory.early.open)

    @property
    def active(self) -> bool:
        """Whether readers see, or have seen, anything that closed windows do not say."""
        return self._early.active

    # early findings

    def take(self, finding: Finding, out: Out) -> None:
        """From a window still open: it stands when the window closes, unless records are corrected, so it is said at once."""
        stretch = self._alerts.stretch.get(finding.signal, 1.0)
        if finding.recurrence_s < self._memory.budget.highest_s(finding.window_end_s) * stretch or self._is_over(finding):
            return
        if len(self._early.findings) >= FINDINGS_MAX:
            self._memory.tally.unshown += 1
            return
        self._early.findings.append(finding)
        said = Out()
        self._memory.tally.unshown += self._place(finding, said)
        for step in said.transitions:
            self._say(step, out)
        out.changed |= said.changed

    def _is_over(self, finding: Finding) -> bool:
        """Whether a person has resolved what it speaks of, and it is the same window or no worse."""
        series, fresh_s = (finding.area, finding.signal), finding.fresh_recurrence_s
        marks = [mark for mark in self._early.resolved if series in mark.series]
        return any(finding.window_end_s <= mark.due_s or not _worse(finding.band, fresh_s, mark, self._ratio) for mark in marks)

    def _place(self, finding: Finding, said: Out) -> int:
        """Take a finding into the copy; returns how many alerts there was no room for."""
        alerts, dropped = self._tentative or self._lay(_copied(self._memory.open)), self._copy.tally.dropped
        self._copy.budget.threshold_s = self._memory.budget.highest_s(finding.window_end_s)
        self._copy.clock_s = self._memory.clock_s
        at_s, touched = finding.at_s or finding.window_end_s, dict[str, Touch]()
        alerts.place(finding, at_s, touched)
        for name, touch in touched.items():
            incident = alerts.book.open[name]
            incident.due_s = max(incident.due_s, finding.window_end_s)
            alerts.step(at_early, incident, touch, at_s, said)
            shown = self._shown(name)
            shown.due_s = max(shown.due_s, finding.window_end_s)
            shown.updated_s = max(shown.updated_s, at_s)
        self._copy.budget.threshold_s = self._memory.budget.threshold_s
        return self._copy.tally.dropped - dropped

    def _lay(self, incidents: dict[str, Incident]) -> Alerts:
        """Alerts over a copy of those of closed windows; what has ended and what is silenced is the same for both."""
        own, self._early.open = self._memory, incidents
        self._copy = Memory(own.version, {}, {}, replace(own.budget), Tally(), open=incidents, past=own.past, silences=own.silences)
        self._copy.taken_to_s = own.taken_to_s
        self._tentative = Alerts(self._alerts.city, self._copy)
        return self._tentative

    # what closed windows and people say

    def publish(self, said: Out, out: Out) -> None:
        """Turn what closed windows and commands say into what readers have not had yet."""
        for step in said.transitions:
            shown = self._early.shown.get(step.alert_id)
            if step.from_state == "none":
                self._raised(step, out)
            elif shown is None:
                out.transitions.append(step)
            else:
                self._followed(step, shown, out)
        out.changed |= said.changed

    def _raised(self, step: Transition, out: Out) -> None:
        """A closed window has raised an alert. If readers have it as provisional, or its series in others, people know of it already."""
        incident = self._memory.open[step.alert_id]
        notify, own = step.notify, False
        for name, pending in self._early.pending().items():
            shown = self._early.shown[name]
            if name == step.alert_id:
                own, notify = True, notify and self._more(step, incident, shown)
            elif pending.tracks.keys() & incident.tracks.keys():
                notify = notify and (not shown.told or RANK[step.band] > RANK[shown.band])
            else:
                continue
            _carry(pending, incident)
        for mark in self._marks(incident):
            notify = notify and _worse(step.band, incident.reference_s, mark, self._ratio)
        if own:
            self._tell(step, self._early.shown[step.alert_id], out, reason="confirmed", notify=notify)
        else:
            out.transitions.append(replace(step, notify=notify))

    def _followed(self, step: Transition, shown: Shown, out: Out) -> None:
        """An alert that early findings had a part in has taken a step."""
        state = shown.state if step.to_state == step.from_state else step.to_state
        if not step.actor and self._is_said(replace(step, to_state=state), shown):
            shown.extra -= 1
            return
        self._tell(replace(step, to_state=state), shown, out, reason=step.reason, notify=step.notify)
        if state in FINAL:
            self._forget(step.alert_id)

    def _is_said(self, step: Transition, shown: Shown) -> bool:
        """Whether an early finding has said it already."""
        if step.alert_id not in self._memory.open:
            return False
        incident = self._memory.open[step.alert_id]
        more = self._more(step, incident, shown)
        match step.reason:
            case "joined":
                early = (self._early.open or {}).get(step.alert_id)
                return early is not None and incident.tracks.keys() <= early.tracks.keys()
            case "worse":
                return not more
            case "data_returned":
                return step.to_state == shown.state and not (step.notify and more)
            case _:
                return False

    def _tell(self, step: Transition, shown: Shown, out: Out, *, reason: str, notify: bool) -> None:
        """A step of closed windows or of people, numbered on from what readers have."""
        numbered = replace(step, seq=step.seq + shown.extra, from_state=shown.state, reason=reason, notify=notify)
        shown.state, shown.reason = numbered.to_state, reason
        out.transitions.append(numbered)

    def _say(self, step: Transition, out: Out) -> None:
        """A step of the overlay's own."""
        shown = self._shown(step.alert_id)
        shown.extra += 1
        before = self._memory.open[step.alert_id].seq if step.alert_id in self._memory.open else 0
        out.transitions.append(replace(step, seq=before + shown.extra, from_state=shown.state))
        shown.state, shown.reason = step.to_state, step.reason
        if step.notify:
            incident = (self._early.open or {}).get(step.alert_id) or self._early.frozen[step.alert_id]
            shown.told, shown.band = True, max(shown.band, step.band, key=RANK.__getitem__)
            shown.fresh_s = max(shown.fresh_s, incident.reference_s)

    # windows

    def resolve_raised(self, end_s: int, said: Out) -> None:
        """What a person has resolved as provisional, a closed window raises without a word, and it is resolved at once, unless it is worse."""
        if not self._early.resolved:
            return
        for step in [step for step in said.transitions if step.from_state == "none"]:
            incident = self._memory.open[step.alert_id]
            marks = [mark for mark in self._marks(incident) if mark.alert]
            worse = all(_worse(step.band, incident.reference_s, mark, self._ratio) for mark in marks)
            others = any(pending.tracks.keys() & incident.tracks.keys() for pending in self._early.pending().values())
            if not marks or (all(mark.alert != incident.id for mark in marks) and (worse or others)):
                continue
            known_s = max(mark.fresh_s for mark in marks)
            incident.told = {signal: Told(peaks={end_s // HOUR_S: known_s}) for signal in incident.signals}  # what the person knew of
            self._alerts.say(incident, Step("cleared", "resolved"), end_s, Out(), By(actor=marks[0].actor))
            said.transitions = [other for other in said.transitions if other.alert_id != incident.id]
            del said.changed[incident.id]

    def window(self, end_s: int, found: Collection[Series], dark: Mapping[str, tuple[str, ...]], said: Out, out: Out) -> None:
        """A window has been taken up: say what is new in it, settle the provisional alerts that waited for it, begin the copy again."""
        self.publish(said, out)
        for name, pending in self._early.pending().items():
            if pending.due_s > end_s:
                continue
            homes = [home for series in (pending.lead, *sorted(pending.tracks)) if (home := self._alerts.book.of(series))]
            silent = all(series not in found and track.signal in dark.get(track.shard, ()) for series, track in pending.tracks.items())
            step = at_window(Case("provisional", end_s, elsewhere=bool(homes), dark=silent), self._alerts.limits)
            if step.reason not in TRANSITION_REASONS:
                continue
            if homes:
                _carry(pending, homes[0])
                out.changed[homes[0].id] = homes[0]
            self._end(name, pending, step, end_s, out, By(muter=f"alert:{homes[0].id}" if homes else ""))
        self.begin_again(out)
        self.unmute(end_s, Out(), out)

    def begin_again(self, out: Out) -> None:
        """Make the copy anew from what is left of early findings, without saying again what was said of them."""
        early, taken_s = self._early, self._memory.taken_to_s
        keep = early.pending()
        early.findings = [finding for finding in early.findings if finding.window_end_s > taken_s]
        early.resolved = [mark for mark in early.resolved if mark.due_s > taken_s]
        for name in [name for name in early.shown if name not in keep and name not in self._memory.open]:
            del early.shown[name]
        for shown in early.shown.values():
            if shown.due_s <= taken_s and shown.state != "provisional":
                shown.told, shown.band, shown.fresh_s = False, "none", 0.0
        self._tentative, early.open, early.frozen = None, None, {}
        if keep or early.findings:
            self._rebuild(keep, out)
        self._reconcile(out)

    def _rebuild(self, keep: Mapping[str, Incident], out: Out) -> None:
        incidents = _copied(self._memory.open)
        homes = {series for incident in incidents.values() for series in incident.tracks}
        for name, pending in keep.items():
            if homes & pending.tracks.keys():
                self._early.frozen[name] = pending
            else:
                incidents[name] = pending
                homes |= pending.tracks.keys()
        self._lay(incidents)
        said = Out()
        for finding in self._early.findings:
            if not self._is_over(finding):
                self._place(finding, said)
        for step in said.transitions:
            if self._shown(step.alert_id).state == "none":  # what it was part of has ended
                self._say(step, out)
                out.changed[step.alert_id] = said.changed[step.alert_id]

    def _reconcile(self, out: Out) -> None:
        """Readers get the newest state of all alerts that early findings had a part in."""
        for name, shown in list(self._early.shown.items()):
            own = self._memory.open.get(name)
            if own is None:
                continue
            alerts, incident = self._alerts, own
            if self._tentative is not None:
                alerts, incident = self._tentative, self._tentative.book.open[name]
            if shown.state != incident.state:
                back = incident.state == "open"  # said by a window still open, which its time tells
                step = Step(incident.state, "data_returned" if back else "no_data")
                self._say(alerts.transition(incident, step, shown.updated_s if back else self._memory.taken_to_s), out)
            out.changed[name] = incident
            if self._tentative is None and (shown.extra, shown.state, shown.reason) == (0, own.state, own.reason):
                del self._early.shown[name]

    # people

    def provisional(self, name: str) -> Incident | None:
        """The provisional alert of this id."""
        return self._early.pending().get(name)

    def obeyed(self, pending: Incident, step: Step, at_s: int, by: By, out: Out) -> None:
        """A person has done something to a provisional alert."""
        if step.state in FINAL:
            self._resolve(pending, pending.id, by.actor)
            self._end(pending.id, pending, step, at_s, out, by)
            return
        assert self._tentative is not None, "a provisional alert stands in the copy"
        step = step._replace(notify=step.notify and not pending.muted_by)
        self._say(self._tentative.transition(pending, step, at_s, by), out)
        pending.reason = step.reason
        out.changed[pending.id] = pending

    def followed(self, incident: Incident, actor: str) -> None:
        """A person, or the clock, has done something to an alert of closed windows: the copy has it too. Before ``publish``."""
        early = (self._early.open or {}).get(incident.id)
        if early is None:
            return
        early.handling = handling_of(incident)
        if incident.state in FINAL:
            self._resolve(early, "", actor)
            assert self._tentative is not None, "a copy has its alerts"
            self._tentative.book.drop(early)

    def rearranged(self, said: Out, out: Out) -> None:
        """A person has opened, merged or split alerts of closed windows: say it, and make the copy anew."""
        self.publish(said, out)
        self.begin_again(out)

    def unmute(self, at_s: int, said: Out, out: Out) -> None:
        """Look again at what is muted in the copy alone; ``said``: what has just been unmuted in the alerts of closed windows."""
        if self._tentative is None:
            return
        self._copy.clock_s = self._memory.clock_s
        for step in said.transitions:
            if step.alert_id in self._tentative.book.open and step.alert_id in self._memory.open:
                self._tentative.book.open[step.alert_id].muted_by = self._memory.open[step.alert_id].muted_by
        own = self._memory.open
        again = Out()
        self._tentative.unmute(at_s, again, lambda incident: incident.id not in own or not own[incident.id].muted_by)
        for step in again.transitions:
            self._say(step, out)
        out.changed |= again.changed

    def _resolve(self, incident: Incident, name: str, actor: str) -> None:
        fresh_s, series = incident.peak_s, tuple(sorted(incident.tracks))
        if incident.due_s > self._memory.taken_to_s:
            self._early.resolved.append(Resolved(name, actor, series, incident.due_s, incident.leading().band, fresh_s))

    def _marks(self, incident: Incident) -> list[Resolved]:
        """What people have resolved early of its series."""
        return [mark for mark in self._early.resolved if not incident.tracks.keys().isdisjoint(mark.series)]

    def _end(self, name: str, pending: Incident, step: Step, at_s: int, out: Out, by: By) -> None:
        """A provisional alert ends."""
        assert self._tentative is not None, "a provisional alert stands in the copy"
        self._say(self._tentative.transition(pending, step, at_s, by), out)
        pending.state, pending.reason, pending.updated_s = step.state, step.reason, pending.updated_s if by.actor else at_s
        pending.muted_by = by.muter or pending.muted_by
        out.changed[name] = pending
        laid = self._tentative.book.open.get(name)
        if laid is not None:  # another than a frozen one, where what had raised that has raised again
            self._tentative.book.drop(laid)
        self._forget(name)

    def _forget(self, name: str) -> None:
        self._early.frozen.pop(name, None)
        del self._early.shown[name]

    def _shown(self, name: str) -> Shown:
        if name not in self._early.shown:
            own = self._memory.open.get(name)
            self._early.shown[name] = Shown() if own is None else Shown(state=own.state, reason=own.reason, updated_s=own.updated_s)
        return self._early.shown[name]

    def _more(self, step: Transition, incident: Incident, shown: Shown) -> bool:
        """Whether a step of closed windows is worth telling after what was told early."""
        return not shown.told or _worse(step.band, incident.reference_s, shown, self._ratio)

    @property
    def _ratio(self) -> float:
        return self._alerts.limits.worse_ratio

    # what others ask

    def incidents(self) -> dict[str, Incident]:
        """All alerts as readers see them, by id."""
        early = {name: incident for name, incident in (self._early.open or {}).items() if name in self._early.shown}
        return {**self._memory.open, **early, **self._early.frozen}

    def view(self, incident: Incident, last: Transition | None) -> Alert:
        """What readers see of an alert now; ``last``: its step in the record at hand, if it took one.

        Whoever keeps the newest row of an alert goes by ``(seq, as_of_s)``: what closed windows say comes after all that was said of them early.
        """
        alerts, shown = self._tentative or self._alerts, self._early.shown.get(incident.id)
        early = self._early.open or {}
        alert = alerts.view(early.get(incident.id, incident) if shown else incident)
        if shown is not None:
            before = self._memory.open[incident.id].seq if incident.id in self._memory.open else 0
            updated_s = max(alert.updated_s, shown.updated_s)
            alert = replace(alert, seq=before + shown.extra, state=shown.state, reason=shown.reason, updated_s=updated_s)
        alert = replace(alert, as_of_s=max(alert.updated_s, self._memory.taken_to_s))
        return alert if last is None else replace(alert, seq=last.seq, state=last.to_state, reason=last.reason)

    def check(self) -> None:
        """Assert what must hold between records."""
        early = self._early
        if self._tentative is not None:
            self._tentative.book.check()
        assert (self._tentative is None) == (early.open is None)
        alive = self._memory.open.keys() | early.pending().keys()
        assert early.shown.keys() <= alive and self.incidents().keys() == alive, "readers have an alert that is no more"


def _copied(incidents: Mapping[str, Incident]) -> dict[str, Incident]:
    return _incidents.decode(msgspec.msgpack.encode(incidents))


def handling_of(incident: Incident) -> Handling:
    """What people did to an alert; aliases nothing."""
    return _handling.decode(msgspec.msgpack.encode(incident.handling))


def _carry(pending: Incident, to: Incident) -> None:
    """What people did to a provisional alert goes to the one that takes its place."""
    to.handling.take(handling_of(pending))


def _worse(band: Band, fresh_s: float, than: Shown | Resolved, ratio: float) -> bool:
    """Whether it is materially worse than what people know: a higher band, or ``ratio`` times rarer."""
    return RANK[band] > RANK[than.band] or fresh_s >= ratio * than.fresh_s
