"""Decide: judgement over all shards of a city. A deterministic state machine: ``apply``, ``snapshot``, ``restore``.

    findings ─► wait until every shard has closed the window ─► each joins an alert or leads a new one ─► each alert takes a step
    early findings ─► shown at once beside it (``overlay``), deciding nothing    commands and ticks ─► people's part

The order in which shards report does not matter, nor does it if one says something twice. ``now`` is event time, but for
commands and silences, which go by the journal's clock.

Bounds: alerts by ``open_alerts_max`` (``dropped`` counts what was not raised), series of an alert by ``MEMBERS_MAX``
(``Alert.members_beyond``), memory of ended alerts by ``PAST_PER_ALERT`` (``forgotten``), applied commands by ``APPLIED_MAX``,
silences by ``SILENCES_MAX``, early findings by ``FINDINGS_MAX`` (``unshown``). Findings wait only while some shard has not closed their window; all shards wait for the same
watermarks, so that is what one record of the counts journal closes.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from streams.core.alerts import Alerts, Memory, Out, Tally, Touch, Waiting
from streams.core.book import Aged
from streams.core.budget import Budget
from streams.core.configure import city_of
from streams.core.damage import REBUILD, SnapshotRefused, refused
from streams.core.lifecycle import at_window
from streams.core.obey import Obey
from streams.core.overlay import Overlay
from streams.core.people import bounded, kept, parse
from streams.core.shard import shards_of
from streams.model import Alert, Closed, Command, Finding, Outcome, Silence, Tick, Transition
from streams.settings import City

SNAPSHOT_VERSION = 6
APPLIED_MAX = 10_000


class Decided(Struct, frozen=True):
    """What came of a record."""

    transitions: tuple[Transition, ...] = ()
    alerts: tuple[Alert, ...] = ()  # the newest state of each that changed
    outcomes: tuple[Outcome, ...] = ()  # of each command taken for the first time, applied or refused


class Versioned(Struct):
    """The part of a snapshot that every version has."""

    version: int


class Decide:
    """Alerts of one city. ``shards``: those whose ``Closed`` each window waits for."""

    def __init__(self, city: City, shards: tuple[str, ...]) -> None:
        assert shards, "a city has at least one shard"
        names = sorted(shards)
        self._memory = Memory(SNAPSHOT_VERSION, dict.fromkeys(names, -1), dict.fromkeys(names, 0), Budget.of(city), Tally())
        self._alerts = Alerts(city, self._memory)
        self._overlay = Overlay(self._alerts, self._memory)
        self._obey = Obey(self._alerts, self._overlay, self._memory)

    def apply(self, record: Finding | Closed | Command | Tick) -> Decided:
        """Take the next record of the findings journal."""
        out = Out()
        match record:
            case Finding():
                self._finding(record, out)
            case Closed():
                self._closed(record, out)
            case Command():
                self._command(record, out)
            case Tick():
                self._tick(record, out)
        last = {step.alert_id: step for step in out.transitions}
        alerts = tuple(self._overlay.view(incident, last.get(name)) for name, incident in out.changed.items())
        return Decided(tuple(out.transitions), alerts, tuple(out.outcomes))

    # findings and windows

    def _finding(self, finding: Finding, out: Out) -> None:
        memory = self._memory
        if finding.shard not in memory.closed_to:  # of a configuration that is no more
            memory.tally.foreign += 1
            return
        expected = memory.next_number[finding.shard]
        if finding.number < expected:  # said again after a crash
            return
        if finding.number > expected:  # one before it was lost; its shard says both again from its snapshot
            memory.tally.gaps += 1
            return
        assert finding.window_end_s > memory.closed_to[finding.shard], f"shard {finding.shard} spoke of a window it has closed"
        memory.next_number[finding.shard] = expected + 1
        if finding.early:
            self._overlay.take(finding, out)
        else:
            memory.waiting.setdefault(finding.window_end_s, Waiting()).findings.append(finding)

    def _closed(self, closed: Closed, out: Out) -> None:
        memory = self._memory
        if closed.shard not in memory.closed_to:
            memory.tally.foreign += 1
            return
        if closed.window_end_s <= memory.closed_to[closed.shard]:
            return
        expected = memory.next_number[closed.shard]
        if closed.findings_to > expected:
            memory.tally.gaps += 1
            return
        memory.closed_to[closed.shard] = closed.window_end_s
        memory.waiting.setdefault(closed.window_end_s, Waiting()).dark[closed.shard] = closed.dark
        self._take_up(out)

    def _take_up(self, out: Out) -> None:
        """All windows that every shard has closed, in order."""
        closed_to = min(self._memory.closed_to.values())
        for end_s in sorted(end_s for end_s in self._memory.waiting if end_s <= closed_to):
            self._window(end_s, self._memory.waiting.pop(end_s), out)

    def _window(self, end_s: int, waiting: Waiting, out: Out) -> None:
        alerts, touched, said = self._alerts, dict[str, Touch](), Out()
        self._memory.taken_to_s = end_s
        self._memory.budget.window(end_s)
        for finding in alerts.top_down(waiting.findings):
            alerts.place(finding, end_s, touched)
        for incident in alerts.in_order():
            touch = touched.get(incident.id, Touch())
            alerts.age(incident, touch, waiting.dark, said)
            alerts.step(at_window, incident, touch, end_s, said)
        found = {(f.area, f.signal): f for f in waiting.findings}
        alerts.book.age(Aged(end_s, alerts.city.detection.window_s, found, waiting.dark), alerts.limits_of)
        self._overlay.resolve_raised(end_s, said)
        alerts.unmute(end_s, said)
        self._overlay.window(end_s, found, waiting.dark, said, out)

    # people

    def _command(self, command: Command, out: Out) -> None:
        """Applied once by its id; never an exception, whatever it says."""
        memory, command = self._memory, bounded(command)
        if command.id in memory.applied:
            return
        memory.applied[command.id] = command.time_s
        if len(memory.applied) > APPLIED_MAX:
            del memory.applied[next(iter(memory.applied))]
        body = parse(command)
        if isinstance(body, str):
            refusal = body
        elif body is None:
            refusal = self._configure(command, out)
        else:
            refusal = self._obey.obey(command, body, out)
        out.outcomes.append(Outcome(kept(command, body), refusal))

    def _configure(self, command: Command, out: Out) -> str:
        """Go on under another configuration, whole or not at all; alerts stay."""
        try:
            city = city_of(command)
            alerts, shards = Alerts(city, self._memory), shards_of(city)
            self._memory.budget.adopt(city)
        except (ValueError, RecursionError):
            return "bad_configuration"
        if shards != shards_of(self._alerts.city):
            self._reshard(shards)
        self._alerts, self._overlay = alerts, Overlay(alerts, self._memory)
        self._obey = Obey(self._alerts, self._overlay, self._memory)
        self._memory.configured = command
        alerts.on_duty_now(out)
        self._overlay.begin_again(out)
        self._take_up(out)
        return ""

    def _reshard(self, shards: Sequence[str]) -> None:
        """Wait for other shards from now on; what a dropped one said of windows still waiting counts."""
        memory = self._memory
        memory.closed_to = {shard: memory.closed_to.get(shard, memory.taken_to_s) for shard in sorted(shards)}
        memory.next_number = {shard: memory.next_number.get(shard, 0) for shard in sorted(shards)}

    def _tick(self, tick: Tick, out: Out) -> None:
        self._memory.clock_s = max(self._memory.clock_s, tick.time_s)
        self._obey.tick(out)

    # what others ask

    def open_alerts(self) -> tuple[Alert, ...]:
        """Alerts that have not ended, by id."""
        return tuple(self._overlay.view(incident, None) for _, incident in sorted(self._overlay.incidents().items()))

    def silences(self) -> tuple[Silence, ...]:
        """Silences in force, by id."""
        return tuple(silence for _, silence in sorted(self._memory.silences.items()))

    @property
    def threshold_s(self) -> float:
        """Raise threshold: the recurrence interval of one series."""
        return self._memory.budget.threshold_s

    @property
    def dropped(self) -> int:
        """Alerts not raised because ``open_alerts_max`` were open; a series that goes on raising is counted in each window."""
        return self._memory.tally.dropped

    def tally(self) -> Tally:
        """Counts of what reached a bound."""
        return msgspec.structs.replace(self._memory.tally)

    def next_deadline_s(self) -> int | None:
        """The earliest time at which a ``Tick`` would change something; one that is past: the next one does."""
        return self._obey.next_deadline_s()

    def snapshot(self) -> bytes:
        """All state; aliases nothing."""
        return msgspec.msgpack.encode(self._memory)

    def restore(self, data: bytes) -> None:
        """Go on from a snapshot.

        Raises:
            SnapshotRefused: another version took it, or it is damaged.
        """
        with refused("snapshot of decide"):
            version = msgspec.msgpack.decode(data, type=Versioned).version
        if version != SNAPSHOT_VERSION:
            raise SnapshotRefused(f"snapshot of version {version} does not fit version {SNAPSHOT_VERSION}: {REBUILD}")
        with refused("snapshot of decide"):
            memory = msgspec.msgpack.decode(data, type=Memory)
            city = self._alerts.city if memory.configured is None else city_of(memory.configured)
            alerts = Alerts(city, memory)
            overlay = Overlay(alerts, memory)
        self._memory, self._alerts, self._overlay = memory, alerts, overlay
        self._obey = Obey(alerts, overlay, memory)

    def check(self) -> None:
        """Assert what must hold between records."""
        self._alerts.book.check()
        self._overlay.check()
