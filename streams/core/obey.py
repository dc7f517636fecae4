"""Obey: what commands of people do to alerts and silences; a command that cannot be obeyed is refused with a word, and changes nothing."""

from __future__ import annotations

from streams.core.alerts import Alerts, By, Memory, Out
from streams.core.by_hand import Place, merge, open_one, split
from streams.core.incidents import Incident
from streams.core.lifecycle import Step
from streams.core.muting import SILENCE_S_MAX, SILENCES_MAX
from streams.core.overlay import Overlay
from streams.core.people import Assign, Body, DoStep, EndSilence, Hand, Label, Merge, OnAlert, Open, SetSilence, Split
from streams.core.shard import shards_of
from streams.model import Command, Silence


class Obey:
    """Over the alerts of closed windows and what windows still open add to them."""

    def __init__(self, alerts: Alerts, overlay: Overlay, memory: Memory) -> None:
        self._alerts, self._overlay, self._memory = alerts, overlay, memory
        self._steps = {step.id for playbook in alerts.city.playbooks for step in playbook.steps}

    def obey(self, command: Command, body: Body, out: Out) -> str:
        """Do what the command says; returns a refusal or nothing."""
        match body:
            case SetSilence():
                return self._silence(command, body)
            case EndSilence():
                if self._memory.silences.pop(body.silence, None) is None:
                    return "unknown_silence"
                refusal = ""
            case Open() | Merge() | Split():
                refusal = self._rearrange(command, body, out)
            case _:
                refusal = self._mark(command, body, out)
        if not refusal:
            self.unmute(command.time_s, out)
        return refusal

    def unmute(self, at_s: int, out: Out) -> None:
        """Look again at what is muted."""
        said = Out()
        self._alerts.unmute(at_s, said)
        self._overlay.publish(said, out)
        self._overlay.unmute(at_s, said, out)

    def tick(self, out: Out) -> None:
        """The clock has come to where memory says: deadlines of people."""
        memory = self._memory
        over = [silence.id for silence in memory.silences.values() if silence.until_s <= memory.clock_s]
        for name in over:
            del memory.silences[name]
        said = Out()
        self._alerts.tick(said)
        for incident in said.changed.values():
            self._overlay.followed(incident, "")
        self._overlay.publish(said, out)
        if over or said.transitions:
            self.unmute(memory.clock_s, out)

    def next_deadline_s(self) -> int | None:
        """The earliest time at which a tick would change something; a time past: the next tick does."""
        silences = self._memory.silences.values()
        begins = [silence.from_s for silence in silences if silence.from_s > self._memory.clock_s]
        duty_s = self._alerts.next_duty_s()
        ends = [silence.until_s for silence in silences]
        return min((*begins, *ends, *(() if duty_s is None else (duty_s,))), default=None)

    # one alert

    def _mark(self, command: Command, body: OnAlert | Assign | Hand | Label | DoStep | Body, out: Out) -> str:
        """What a person says of an alert, noted on it."""
        assert not isinstance(body, SetSilence | EndSilence | Open)
        incident = self._alerts.book.open.get(body.alert)
        pending = self._overlay.provisional(body.alert) if incident is None else None
        marked = incident or pending
        if marked is None:
            return "unknown_alert"
        step, what = self._note(command, body, marked)
        if not step:
            return what
        if step.reason == "seen":
            out.changed[marked.id] = marked
            if incident is not None:
                self._overlay.followed(incident, command.actor)
        elif incident is not None:
            said = Out()
            self._alerts.say(incident, step, command.time_s, said, By(actor=command.actor, what=what))
            self._overlay.followed(incident, command.actor)
            self._overlay.publish(said, out)
        elif pending is not None:
            self._overlay.obeyed(pending, step, command.time_s, By(actor=command.actor, what=what), out)
        return ""

    def _note(self, command: Command, body: Body, incident: Incident) -> tuple[Step | None, str]:
        """The step an alert takes by it and what of it is said; or None and why it is refused."""
        handling, state = incident.handling, incident.state
        match body:
            case Assign() | Hand():
                return self._whose(body, incident)
            case Label() if command.kind == "dissent":
                fits = handling.dissents(command.actor, body.label)
                return (Step(state, "dissented"), body.label) if fits else (None, "no_room")
            case Label():
                handling.label = body.label
                return Step(state, "labelled"), body.label
            case DoStep():
                if body.step not in self._steps:
                    return None, "unknown_step"
                fits = handling.tick(body.step, command.actor, command.time_s, done=body.done)
                return (Step(state, "step_done" if body.done else "step_undone"), body.step) if fits else (None, "no_room")
            case OnAlert() if command.kind == "resolve":
                return Step("cleared", "resolved"), ""
            case OnAlert():
                handling.see(command.actor)
                if command.kind == "seen":
                    return Step(state, "seen"), ""
                handling.owner = handling.owner or command.actor
                self._alerts.duties.owned(handling)
                return Step(state, "acknowledged"), ""
        return Step(state, "commented"), ""

    def _whose(self, body: Assign | Hand, incident: Incident) -> tuple[Step | None, str]:
        handling, duties = incident.handling, self._alerts.duties
        if isinstance(body, Assign):
            handling.owner = body.owner
            duties.owned(handling)
            return Step(incident.state, "assigned"), body.owner
        if body.area not in self._alerts.relations.tree:
            return None, "unknown_area"
        if not duties.kept or (body.department and body.department not in duties.departments):
            return None, "unknown_department"
        duties.hand(handling, body.area, body.department)
        return Step(incident.state, "handed", True), f"{body.area}/{body.department}"

    # several

    def _rearrange(self, command: Command, body: Open | Merge | Split, out: Out) -> str:
        alerts, said, refusal = self._alerts, Out(), ""
        match body:
            case Open():
                refusal = self._open(command, body, said)
            case Merge():
                gone, into = (alerts.book.open.get(name) for name in (body.alert, body.into))
                if gone is None or into is None:
                    return self._missing(body.alert, body.into)
                refusal = merge(alerts, command, gone, into, said)
            case Split():
                incident = alerts.book.open.get(body.alert)
                if incident is None:
                    return self._missing(body.alert)
                refusal = split(alerts, command, incident, body.area, body.signal, said)
        if not refusal:
            self._overlay.rearranged(said, out)
        return refusal

    def _open(self, command: Command, body: Open, said: Out) -> str:
        alerts = self._alerts
        if body.area not in alerts.relations.tree:
            return "unknown_area"
        if body.signal not in {signal.name for signal in alerts.city.signals}:
            return "unknown_signal"
        shards = set(shards_of(alerts.city))
        shard = next(code for code in alerts.relations.upwards(body.area) if code in shards)
        risk = float(getattr(alerts.city.bands, body.band))
        return open_one(
            alerts, command, Place(shard, body.area, body.signal, body.band, risk), self._memory.taken_to_s or command.time_s, said
        )

    def _missing(self, *names: str) -> str:
        return "still_provisional" if any(self._overlay.provisional(name) for name in names) else "unknown_alert"

    def _silence(self, command: Command, body: SetSilence) -> str:
        if body.area not in self._alerts.relations.tree:
            return "unknown_area"
        if not set(body.signals) <= {signal.name for signal in self._alerts.city.signals}:
            return "unknown_signal"
        now_s = max(self._memory.clock_s, command.time_s)
        if not max(now_s, body.from_s) < body.until_s <= now_s + SILENCE_S_MAX:
            return "bad_until"
        if len(self._memory.silences) >= SILENCES_MAX:
            return "too_many_silences"
        begins_s = body.from_s if body.from_s > now_s else 0
        self._memory.silences[command.id] = Silence(
            command.id, command.actor, body.area, body.signals, body.until_s, body.reason, begins_s, command.time_s
        )
        return ""
