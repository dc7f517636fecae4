"""An alert's story from a state folder: the journal around it is scored again, and looked on at. The folder may be in use."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec
from msgspec import Struct

from streams.core.areas import AreaTree
from streams.core.journal import decode
from streams.core.pipeline import Scorer
from streams.core.watch import Watch, Watched
from streams.model import Alert, Counts, Finding, Member, Transition
from streams.settings import City
from streams.shells.engine import State
from streams.shells.explain import ExplainError, Material, Names, Series, Story, bounds_s, found, leading, tell, told_step
from streams.shells.reading import Journals

MEMBERS_MAX = 16
BELOW_MAX = 2_000
"""Series of areas below that are looked at for their contribution."""


class Listed(Struct, frozen=True):
    """One alert in a list."""

    id: str
    onset_s: int
    state: str
    band: str
    area: str
    signals: tuple[str, ...]
    why: str


class _Taken(Struct):
    """The part of decide's snapshot that says how far time had come."""

    closed_to: dict[str, int]


class _Start(NamedTuple):
    state: State | None
    counts_seq: int
    late: bool  # begins after what was asked for


def listed(folder: Path) -> tuple[Listed, ...]:
    """The alerts of a folder, newest onset first.

    Raises:
        StoreError: no state folder.
    """
    journals = Journals(folder)
    try:
        return tuple(Listed(a.id, a.onset_s, a.state, a.band, a.area, a.signals, a.why) for a in journals.alerts())
    finally:
        journals.close()


def explain(folder: Path, wanted: str) -> Story:
    """The story of one alert; ``wanted``: its id or a unique beginning.

    Raises:
        StoreError: no state folder.
        ExplainError: no such alert.
    """
    journals = Journals(folder)
    try:
        city = journals.city()
        alerts = {alert.id: alert for alert in journals.alerts()}
        alert = alerts[found(wanted, list(alerts), f"--state {folder}")]
        return tell(_material(journals, city, alert), city.detection.window_s)
    finally:
        journals.close()


def _material(journals: Journals, city: City, alert: Alert) -> Material:
    steps = journals.steps(alert.id)
    told, window_s = told_step(steps), city.detection.window_s
    member = _speaking(alert)
    at_s = told.at_s if told else member.updated_s
    told_s = -(-at_s // window_s) * window_s
    names = Names(city.areas, city.signals)
    place = told.area if told else member.area
    near = [(m.area, m.signal) for m in alert.members[:MEMBERS_MAX]]
    lines = {(place, name) for name in alert.signals} | set(near)
    areas = sorted({area for area, _ in lines})
    below = [(code, name) for area in areas for code in names.children(area) for name in sorted({s for a, s in lines if a == area})]
    others = [(area, name) for area in areas for name in alert.signals] + below[:BELOW_MAX]
    from_s, until_s = bounds_s(alert.onset_s, told_s, leading(member.evidence).duration_s, window_s)
    watch = Watch(lines, others, moment_s=told_s, from_s=from_s, until_s=until_s)
    findings, notes = _score_again(journals, city, watch)
    finding = _told(findings, told, place, lines)
    if finding is None:
        told_s = member.updated_s
        notes = [*notes, "the journals do not reach back to what was told: shown is what was seen last"]
    return Material(
        id=alert.id,
        state=alert.state,
        band=told.band if told else alert.band,
        risk=finding.risk if finding else member.risk,
        recurrence_s=finding.recurrence_s if finding else member.recurrence_s,
        place=place,
        signals=alert.signals,
        onset_s=alert.onset_s,
        told_s=told_s,
        updated_s=alert.updated_s,
        lead=(finding.area, finding.signal) if finding else (member.area, member.signal),
        flags=finding.flags if finding else (),
        evidence=finding.evidence if finding else member.evidence,
        points=watch.points,
        steps=steps,
        clears=alert.clears,
        names=names,
        timezone=city.timezone,
        suppress_below=city.suppress_below,
        notes=tuple(notes),
    )


def _speaking(alert: Alert) -> Member:
    """The member whose sentence is the alert's."""
    if not alert.members:
        raise ExplainError(f"{alert.id}: it has no series left to explain; see its transitions by tocsin replay")
    return next((member for member in alert.members if member.why == alert.why), alert.members[0])


def _told(findings: Iterable[Finding], told: Transition | None, place: str, lines: Iterable[Series]) -> Finding | None:
    """The finding that the step's sentence was made from; where that was early, what its window came to."""
    known = frozenset(lines)
    fitting = [f for f in findings if (f.area, f.signal) in known]
    why = told.why if told else ""
    return max(fitting, key=lambda f: (f.why == why, f.area == place, f.risk, f.recurrence_s, f.area, f.signal), default=None)


def _score_again(journals: Journals, city: City, watch: Watch) -> tuple[list[Finding], list[str]]:
    """Score what the journal holds around the watch; returns the findings of its moment, and what could not be had."""
    start = _start(journals, watch.from_s)
    tree = AreaTree(city.areas)
    wanted = None
    if start.state is None:  # nothing crosses from shard to shard: those that are not looked at may be left out
        wanted = {tree.root.code if city.flat else tree.shard_of(area, city.shard_level) for area, _ in watch.lines | watch.others}
    scorer = Scorer(city, wanted, host=lambda city, names, tree: Watched(city, names, tree, watch))
    if start.state is not None:
        scorer.restore(start.state.scorer)
    findings: list[Finding] = []
    closed_to = dict.fromkeys(scorer.shards, 0)
    for data in journals.counts_after(start.counts_seq):
        record = decode(data)
        if not isinstance(record, Counts):
            continue
        scored = scorer.apply(record)
        findings += [f for f in scored.findings if not f.early and f.window_end_s == watch.moment_s]
        closed_to |= {closed.shard: closed.window_end_s for closed in scored.closed}
        if min(closed_to.values()) >= watch.until_s:
            break
    return findings, ["the journals begin later than the chart would"] if start.late else []


def _start(journals: Journals, from_s: int) -> _Start:
    """The newest snapshot from before, or the journal's beginning; else the oldest snapshot."""
    oldest: _Start | None = None
    for snapshot in journals.snapshots():
        state = State.unpacked(snapshot.record)
        oldest = _Start(state, snapshot.counts_seq, True)
        if max(msgspec.msgpack.decode(state.decide, type=_Taken).closed_to.values()) <= from_s:
            return oldest._replace(late=False)
    if journals.from_the_beginning() or oldest is None:
        return _Start(None, 0, False)
    return oldest
